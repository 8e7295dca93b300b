"""Digest authentication against the examples of the RFCs, both ways."""

from __future__ import annotations

import pytest

from media.ua.api import Credentials
from media.ua.digest import Asked, Challenge, answer_challenge, challenge_of, check, choose, ha1
from media.ua.errors import BadHeader
from media.ua.headers import auth_params

NONCE, CNONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


@pytest.mark.parametrize(
    ("algorithm", "expected"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_example_of_rfc_7616(algorithm: str, expected: str) -> None:
    """RFC 7616 §3.9.1: both algorithms give the response printed there."""
    challenge = Challenge(
        "http-auth@example.org", NONCE, algorithm, ("auth", "auth-int"), "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
    )
    value = answer_challenge(challenge, Credentials("Mufasa", "Circle of Life"), "GET", "/dir/index.html", cnonce=CNONCE)
    _, params = auth_params(value)
    assert params["response"] == expected and params["nc"] == "00000001" and params["opaque"] == challenge.opaque


def test_the_old_way_without_qop() -> None:
    """RFC 2069 form: no qop, nc or cnonce, response over nonce alone."""
    value = answer_challenge(Challenge("r", "n"), Credentials("u", "p"), "REGISTER", "sip:r", cnonce="c")
    assert "qop" not in value and "cnonce" not in value
    assert check(value, Challenge("r", "n"), ha1("MD5", "u", "r", "p"), Asked("REGISTER", "sip:r")) == ""


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256", "MD5-sess", "SHA-256-sess"])
@pytest.mark.parametrize("qop", ["auth", "auth-int"])
def test_checking_takes_the_right_and_refuses_the_wrong(algorithm: str, qop: str) -> None:
    """The right answer passes; another password, method, URI, body (auth-int), nonce or realm does not."""
    challenge = Challenge('re"alm', "n", algorithm, (qop,), "o")
    value = answer_challenge(challenge, Credentials("u", "p"), "INVITE", "sip:x", b"body", cnonce="c", count=17)
    stored, asked = ha1(algorithm, "u", 're"alm', "p"), Asked("INVITE", "sip:x", b"body")
    assert check(value, challenge, stored, asked) == ""
    assert check(value, challenge, ha1(algorithm, "u", 're"alm', "q"), asked) == "wrong response"
    assert check(value, challenge, stored, Asked("BYE", "sip:x", b"body")) == "wrong response"
    assert check(value, challenge, stored, Asked("INVITE", "sip:y", b"body")) == "other uri"
    assert (check(value, challenge, stored, Asked("INVITE", "sip:x", b"other")) == "") == (qop == "auth")
    assert check(value, Challenge('re"alm', "m", algorithm, (qop,)), stored, asked) == "other nonce"
    assert check(value, Challenge("r", "n", algorithm, (qop,)), stored, asked) == "other realm"
    assert check(value, Challenge('re"alm', "n", algorithm), stored, asked) == "other qop"


def test_a_challenge_survives_its_header() -> None:
    """What `header` writes `challenge_of` reads."""
    challenge = Challenge('a "quoted" realm', "n,=;", "SHA-256", ("auth", "auth-int"), "", stale=True)
    assert challenge_of(challenge.header()) == challenge


def test_the_first_challenge_we_know_is_answered() -> None:
    """Unknown schemes, algorithms and qops are passed over (RFC 8760 §2.4)."""
    known = 'Digest realm="r", nonce="n", algorithm=SHA-256, qop="auth"'
    values = [
        'Basic realm="x"',
        'Digest realm="r", nonce="n", algorithm=SHA-512-256',
        'Digest realm="r", nonce="n", qop="magic"',
        known,
    ]
    assert choose(values) == challenge_of(known)
    assert choose(values[:3]) is None


@pytest.mark.parametrize("bad", ["Digest realm", 'Digest realm="x', "Digest =x", 'Digest realm="x" nonce="y"', 'Digest realm="x"'])
def test_challenges_that_cannot_be_read(bad: str) -> None:
    """They raise BadHeader and nothing else."""
    with pytest.raises(BadHeader):
        challenge_of(bad)
