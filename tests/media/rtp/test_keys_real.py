"""Key presses through a real rtpengine: whatever payload type a phone uses, on every pair of legs, each once."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.rtp.api import Digit
from media.rtp.hold import connect
from ops.audio import RATE, Samples
from tests.kit.rtp_phone import RtpPhone, keys_heard
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.kit.wait import until_async
from tests.media.rtp.house import AGENT, CALLER, House, hears, leg

pytestmark = pytest.mark.real


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    config = audio_config(tmp_path)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        yield house
        for phone in house.phones:
            phone.close()


async def told(pressed: list[Digit], count: int) -> str:
    """The keys that were told, once there are so many."""
    await until_async(lambda: len(pressed) >= count, 5, "the keys are told")
    return "".join(one.digit for one in pressed)


@pytest.mark.parametrize("key_type", [96, 97, 100, 110, 127])
async def test_keys_of_any_payload_type(house: House, key_type: int) -> None:
    """A phone that offers key presses under its own type is answered with that type (RFC 3264 §6.1), and its keys count."""
    phone = await house.phone(CALLER, key_type=key_type)
    house.engine.located(leg("a"), phone.address[0])
    answer = await house.engine.open_inbound(leg("a"), phone.sdp())
    assert b" RTP/AVP 8 %d\r\n" % key_type in answer
    assert b"a=rtpmap:%d telephone-event/8000" % key_type in answer
    phone.connect(answer)
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    phone.press("27#")
    assert await told(pressed, 3) == "27#"


async def test_keys_at_several_clock_rates(house: House) -> None:
    """A VoLTE offer with key presses at 16 kHz and at 8 kHz is answered with those at the voice's rate."""
    phone = await house.phone(CALLER, key_type=96)
    phone.rates = {101: 16_000, 96: 8000}
    house.engine.located(leg("a"), phone.address[0])
    answer = await house.engine.open_inbound(leg("a"), phone.sdp())
    assert b" RTP/AVP 8 96\r\n" in answer and b"16000" not in answer
    phone.connect(answer)
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    phone.press("5")
    assert await told(pressed, 1) == "5"
    assert 60 <= pressed[0].duration_ms <= 140


async def test_keys_at_the_wrong_rate_only(house: House) -> None:
    """A phone that offers its keys at 16 kHz alone beside 8 kHz voice is answered with them, and they count."""
    phone = await house.phone(CALLER, key_type=101)
    phone.rates = {101: 16_000}
    house.engine.located(leg("a"), phone.address[0])
    answer = await house.engine.open_inbound(leg("a"), phone.sdp())
    assert b"a=rtpmap:101 telephone-event/16000" in answer
    phone.connect(answer)
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    phone.press("8")
    assert await told(pressed, 1) == "8"


async def test_lost_end_packets(house: House) -> None:
    """A key whose end packets are all lost is ended by the next one, the last by silence; each counts once."""
    _, caller = await house.caller()
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    caller.loses_ends = True
    caller.press("21")
    assert await told(pressed, 2) == "21"


async def test_end_packets_with_moving_timestamps(house: House) -> None:
    """Each key counts once although its end packets have three timestamps."""
    _, caller = await house.caller()
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    caller.moves_ends = True
    caller.press("4471")
    assert await told(pressed, 4) == "4471"


@pytest.mark.parametrize(("number", "codec"), [(96, "PCMA"), (101, "PCMA"), (110, "PCMU")])
async def test_keys_pass_between_caller_and_agent(house: House, number: int, codec: str) -> None:
    """The agent is offered the caller's type for keys, so that keys pass both ways in a talk, whatever the agent's voice codec."""
    caller, agent = await house.phone(CALLER, key_type=number), await house.phone(AGENT, codec, key_type=97)
    await house.calls("a", caller)
    await house.answers("b1", agent)
    assert agent.key_type == number
    for _ in range(2):
        await house.engine.pair(leg("a"), leg("b1"))
        await hears(agent, CALLER)
        await hears(caller, AGENT)
        for sender, receiver in ((caller, agent), (agent, caller)):
            since = receiver.mark()
            sender.press("6")
            await until_async(lambda who=receiver, at=since: keys_heard(who, at) == "6", 5, "the key arrives")  # type: ignore[misc]
        await house.engine.park(leg("a"))


def tone(low: int, high: int) -> Samples:
    """A key as a tone in the voice (ITU-T Q.23), 120 ms, then a pause."""
    import numpy as np

    at = np.arange(RATE * 12 // 100) / RATE
    sound = 8000 * (np.sin(2 * np.pi * low * at) + np.sin(2 * np.pi * high * at))
    return np.concatenate([sound, np.zeros(RATE // 5)]).astype(np.int16)


async def test_tones_in_the_voice(house: House) -> None:
    """A phone that offers no key presses of its own is listened to for tones."""
    phone: RtpPhone = await house.phone(CALLER)
    phone.rates = {}
    await house.calls("a", phone)
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    phone.say(tone(770, 1336))
    await until_async(lambda: len(pressed) >= 2, 8, "the tones are told")
    assert {one.digit for one in itertools.islice(pressed, 2)} == {"5"}
