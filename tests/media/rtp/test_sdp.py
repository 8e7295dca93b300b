"""SDP between a phone and rtpengine."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from media.rtp import sdp
from media.rtp.api import BadSdp

PHONE = (
    "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\ns=call\r\nc=IN IP4 192.0.2.7\r\nt=0 0\r\n"
    "m=audio 4000 RTP/AVP 111 8 0 101\r\na=rtpmap:111 opus/48000/2\r\na=fmtp:111 useinbandfec=1\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\n"
)
VIDEO = "m=video 5000 RTP/AVP 99\r\na=rtpmap:99 H264/90000\r\n"


def test_only_what_we_carry_goes_to_rtpengine() -> None:
    """Wide-band codecs and other streams are left out; key presses and packet time stay; order is the phone's."""
    audio = sdp.read((PHONE + VIDEO).encode())
    text = audio.text(audio.address, audio.port).decode()
    assert audio.codecs == ("PCMA", "PCMU")
    assert "m=audio 4000 RTP/AVP 8 0 101\r\n" in text
    assert "opus" not in text and "useinbandfec" not in text and "video" not in text
    assert "a=rtpmap:101 telephone-event/8000" in text and "a=ptime:20" in text and text.endswith("a=sendrecv\r\n")


def test_streams_not_taken_are_refused_in_the_answer() -> None:
    """The answer has as many streams as the offer, in its order, video with port 0 (RFC 3264 §6)."""
    for offer in (PHONE + VIDEO, PHONE.replace("m=audio", VIDEO + "m=audio")):
        phone = sdp.read(offer.encode())
        answer, port = sdp.for_phone(sdp.Dummy("192.0.2.1", 30_000).text(("PCMA",)), 7, 3, phone)
        lines = answer.decode().split("\r\n")
        assert port == 30000
        assert [line for line in lines if line[:2] == "m="] == [
            "m=" + (one if one.startswith("audio 30000") else "video 0 RTP/AVP 99")
            for one in ("audio 30000 RTP/AVP 8 101" if one.startswith("audio") else one for one in phone.streams)
        ]
        assert lines[1] == "o=- 7 3 IN IP4 192.0.2.1"


@pytest.mark.parametrize(
    ("said", "direction"),
    [("a=sendonly", "sendonly"), ("a=inactive", "inactive"), ("a=recvonly", "recvonly"), ("", "sendrecv")],
)
def test_direction(said: str, direction: str) -> None:
    """The direction is the stream's, else the session's, else sendrecv."""
    stream = PHONE + (said + "\r\n" if said else "")
    session = PHONE.replace("t=0 0\r\n", f"t=0 0\r\n{said}\r\n") if said else PHONE
    assert sdp.read(stream.encode()).direction == sdp.read(session.encode()).direction == direction


def test_the_old_way_to_hold() -> None:
    """c=0.0.0.0 means sendonly (RFC 3264 §8.4)."""
    assert sdp.read(PHONE.replace("192.0.2.7", "0.0.0.0").encode()).direction == "sendonly"


@pytest.mark.parametrize(
    "change",
    [
        *(("v=0", "v=1"), ("m=audio 4000", "m=audio 0"), ("m=audio 4000", "m=audio 99999"), ("m=audio", "m=image")),
        *(("RTP/AVP", "RTP/SAVP"), ("c=IN IP4 192.0.2.7\r\n", ""), ("c=IN IP4 192.0.2.7", "c=IN IP6 ::1")),
        *(("c=IN IP4 192.0.2.7", "c=IN IP4 phone.example"), (" 8 0 101", " 101"), ("s=call", "nonsense"), ("111 8 0 101", "")),
    ],
)
def test_unusable(change: tuple[str, str]) -> None:
    """What cannot be used is BadSdp, without a word of the SDP in the text."""
    assert change[0] in PHONE
    with pytest.raises(BadSdp) as error:
        sdp.read(PHONE.replace(*change).encode())
    assert "192.0.2.7" not in str(error.value)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: (PHONE + text).encode()))
@example(b"v=0\nm=audio 1 RTP/AVP 8\nc=")
@example(PHONE.encode() * 200)
def test_any_bytes(data: bytes) -> None:
    """Any bytes give an audio stream that reads back equal, or BadSdp."""
    try:
        audio = sdp.read(data)
    except BadSdp:
        return
    again = sdp.read(audio.text(audio.address, audio.port))
    assert (again.formats, again.address, again.codecs, again.keys) == (audio.formats, audio.address, audio.codecs, audio.keys)
