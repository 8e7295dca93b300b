"""Digest authentication, both sides (RFC 7616, RFC 8760): MD5, SHA-256 and their -sess forms, qop auth and auth-int."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

from media.ua.api import Credentials
from media.ua.errors import BadHeader
from media.ua.headers import auth_params, quote

_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks."""

    realm: str
    nonce: str
    algorithm: str = "MD5"  # MD5, SHA-256, MD5-sess, SHA-256-sess, as spelled here
    qop: tuple[str, ...] = ()  # auth, auth-int; (): RFC 2069
    opaque: str | None = None
    stale: bool = False

    def header(self) -> str:
        """As the value of a WWW-Authenticate or Proxy-Authenticate header."""
        parts = [f"realm={quote(self.realm)}", f"nonce={quote(self.nonce)}", f"algorithm={self.algorithm}"]
        parts += [f'qop="{",".join(self.qop)}"'] if self.qop else []
        parts += [f"opaque={quote(self.opaque)}"] if self.opaque is not None else []
        return "Digest " + ", ".join(parts + (["stale=true"] if self.stale else []))


def challenge_of(value: str) -> Challenge | None:
    """Read a challenge; None for a scheme or algorithm we do not know. Raises BadHeader."""
    scheme, params = auth_params(value)
    algorithm = {name.upper(): name for name in ("MD5", "SHA-256", "MD5-sess", "SHA-256-sess")}.get(
        params.get("algorithm", "MD5").upper()
    )
    if scheme != "digest" or algorithm is None:
        return None
    if "realm" not in params or "nonce" not in params:
        raise BadHeader("challenge without realm or nonce")
    qop = tuple(word.strip().lower() for word in params.get("qop", "").split(",") if word.strip())
    stale = params.get("stale", "").lower() == "true"
    return Challenge(params["realm"], params["nonce"], algorithm, qop, params.get("opaque"), stale)


def choose(values: Iterable[str]) -> Challenge | None:
    """The first challenge that we can answer: the server put them in its order of preference (RFC 8760 §2.4). Raises BadHeader."""
    for value in values:
        challenge = challenge_of(value)
        if challenge is not None and (not challenge.qop or {"auth", "auth-int"} & set(challenge.qop)):
            return challenge
    return None


def _hash(algorithm: str, text: str | bytes) -> str:
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return _HASHES[algorithm.removesuffix("-sess")](data).hexdigest()


def ha1(algorithm: str, user: str, realm: str, password: str) -> str:
    """H(user:realm:password), what a server stores instead of a password. Lower-case hex."""
    return _hash(algorithm, f"{user}:{realm}:{password}")


@dataclass(frozen=True, slots=True)
class Asked:
    """The request an answer is for."""

    method: str
    uri: str
    body: bytes = b""


def _response(challenge: Challenge, first: str, asked: Asked, qop: str, counted: tuple[str, str]) -> str:
    """`first`: HA1; `counted`: nonce count and cnonce."""
    algorithm, (nc, cnonce) = challenge.algorithm, counted
    if algorithm.endswith("-sess"):
        first = _hash(algorithm, f"{first}:{challenge.nonce}:{cnonce}")
    second = f"{asked.method}:{asked.uri}" + (f":{_hash(algorithm, asked.body)}" if qop == "auth-int" else "")
    middle = f"{challenge.nonce}:{nc}:{cnonce}:{qop}" if qop else challenge.nonce
    return _hash(algorithm, f"{first}:{middle}:{_hash(algorithm, second)}")


def answer_challenge(
    challenge: Challenge, credentials: Credentials, method: str, uri: str, body: bytes = b"", *, cnonce: str, count: int = 1
) -> str:
    """Value of an Authorization header. auth is taken before auth-int; `count` counts the uses of the nonce."""
    qop = "auth" if "auth" in challenge.qop else "auth-int" if "auth-int" in challenge.qop else ""
    first = ha1(challenge.algorithm, credentials.user, challenge.realm, credentials.password)
    nc = f"{count:08x}"
    response = _response(challenge, first, Asked(method, uri, body), qop, (nc, cnonce))
    parts = [f"username={quote(credentials.user)}", f"realm={quote(challenge.realm)}", f"nonce={quote(challenge.nonce)}"]
    parts += [f"uri={quote(uri)}", f'response="{response}"', f"algorithm={challenge.algorithm}"]
    parts += [f"qop={qop}", f"nc={nc}"] if qop else []
    parts += [f"cnonce={quote(cnonce)}"] if qop or challenge.algorithm.endswith("-sess") else []
    parts += [f"opaque={quote(challenge.opaque)}"] if challenge.opaque is not None else []
    return "Digest " + ", ".join(parts)


def check(value: str, challenge: Challenge, stored_ha1: str, asked: Asked) -> str:
    """Check an Authorization value against the challenge we gave; the fault in words, "" if it is right. Raises BadHeader."""
    scheme, params = auth_params(value)
    wanted = {"realm": challenge.realm, "nonce": challenge.nonce, "uri": asked.uri}
    if scheme != "digest" or params.get("algorithm", "MD5").upper() != challenge.algorithm.upper():
        return "other scheme or algorithm"
    for name, expected in wanted.items():
        if params.get(name) != expected:
            return f"other {name}"
    qop = params.get("qop", "")
    if (qop not in challenge.qop) if challenge.qop else qop:
        return "other qop"
    response = _response(challenge, stored_ha1, asked, qop, (params.get("nc", ""), params.get("cnonce", "")))
    return (
        ""
        if hmac.compare_digest(response, params.get("response", "").lower().encode("ascii", "replace").decode())
        else "wrong response"
    )
