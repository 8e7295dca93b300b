"""Who has no part in a call is not heard in it, does not hear it and presses no keys in it; NAT works all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from media.rtp.api import BadSdp, Digit
from media.rtp.hold import connect
from tests.kit.rtp_phone import RtpPhone, voice
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.kit.wait import until_async
from tests.media.rtp.house import AGENT, CALLER, PROMPT, House, hears, hears_nobody, leg

pytestmark = pytest.mark.real
STRANGER, THIEF = "127.0.8.8", voice(9)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    config = audio_config(tmp_path)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        yield house
        for phone in house.phones:
            phone.close()


async def stranger(house: House, at: RtpPhone) -> RtpPhone:
    """Somebody who sends audio to the port that a phone sends to."""
    phone = await house.phone(THIEF, host=STRANGER)
    phone.join(at)
    await until_async(lambda: phone.sent > 20, 5, "the stranger speaks")
    return phone


async def settled(house: House, name: str) -> None:
    """It is known where a leg's audio comes from."""
    await until_async(lambda: not house.engine._known(leg(name)).learned, 5, "the source is known", 0.1)


async def test_a_stranger_neither_hears_nor_is_heard_in_a_talk(house: House) -> None:
    """A third party that sends to both parties' ports gets nothing, and they hear each other alone, pairing after pairing."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await settled(house, "a")
    await settled(house, "b1")
    thieves = [await stranger(house, caller), await stranger(house, agent)]
    for _ in range(2):
        await house.engine.pair(a, b)
        since = caller.mark(), agent.mark()
        await hears(caller, AGENT)
        await hears(agent, CALLER)
        assert caller.likeness(THIEF, since[0]) < 0.5
        assert agent.likeness(THIEF, since[1]) < 0.5
        await house.engine.park(a)
    assert [one.mark() for one in thieves] == [0, 0]


async def test_a_strangers_keys_count_for_nothing(house: House) -> None:
    """Keys of a third party are not told, neither in the menu while prompts come and go nor in a talk; the caller's are."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    await settled(house, "a")
    thief = await stranger(house, caller)
    for _ in range(2):
        await house.engine.play(a, house.prompt(), repeat=100)
        await hears(caller, PROMPT)
        thief.press("3")
        caller.press("1")
        await until_async(lambda: bool(pressed) and not thief.pressing, 5, "the caller's key")
        await house.engine.stop(a)
        await house.engine.pair(a, b)
        await hears(agent, CALLER)
        await house.engine.park(a)
    assert thief.mark() == 0
    assert "3" not in {one.digit for one in pressed}


async def test_a_stranger_who_speaks_first_is_shut_out(house: House) -> None:
    """A stranger's packets pass for those of a phone that has sent none; once that is seen the phone has its leg back."""
    a, phone = leg("a"), await house.phone(CALLER)
    house.engine.located(a, phone.address[0])
    answer = await house.engine.open_inbound(a, phone.sdp())
    await house.engine.play(a, house.prompt(), repeat=100)
    thief = await house.phone(THIEF, host=STRANGER)
    thief.connect(answer)
    await settled(house, "a")
    await hears_nobody(thief)
    phone.connect(answer)
    await hears(phone, PROMPT)
    b, agent = await house.agent()
    await house.engine.stop(a)
    await house.engine.pair(a, b)
    await hears(agent, CALLER)
    assert agent.likeness(THIEF) < 0.5


async def test_a_phone_behind_nat_is_found_and_kept(house: House) -> None:
    """A phone whose SDP names an address of its own network is found where its signalling came from, and kept over pairings."""
    a, caller = leg("a"), await house.phone(CALLER, host="127.0.0.77")
    house.engine.located(a, "127.0.0.77")
    hidden = caller.sdp().replace(b"127.0.0.77", b"10.9.9.9").replace(b"m=audio %d" % caller.address[1], b"m=audio 7654")
    caller.connect(await house.engine.open_inbound(a, hidden))
    b, agent = await house.agent()
    for _ in range(2):
        await house.engine.pair(a, b)
        await hears(agent, CALLER)
        await hears(caller, AGENT)
        await house.engine.park(a)
        await house.engine.play(a, house.prompt(), repeat=100)
        await hears(caller, PROMPT)
        await house.engine.stop(a)


async def test_a_phone_that_moves_is_found_again(house: House) -> None:
    """A re-INVITE from a new address starts learning anew: the phone is heard from there, and nobody from the old address."""
    a, _ = await house.caller()
    b, agent = await house.agent()
    await settled(house, "a")
    await house.engine.pair(a, b)
    await hears(agent, CALLER)
    moved = await house.phone(voice(5), host="127.0.0.78")
    house.engine.located(a, "127.0.0.78")
    moved.connect(await house.engine.reoffer(a, moved.sdp().replace(b"127.0.0.78", b"10.9.9.9")))
    await hears(agent, voice(5))
    await hears(moved, AGENT)
    await settled(house, "a")
    since = agent.mark()
    await hears(agent, voice(5))
    assert agent.likeness(CALLER, since) < 0.5


@pytest.mark.parametrize("address", ["224.0.0.5", "255.255.255.255", "169.254.0.1"])
async def test_audio_to_addresses_that_nobody_may_name_is_refused(house: House, address: str) -> None:
    """An SDP with such an address opens nothing; in a re-offer it leaves the conversation as it was."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await house.engine.pair(a, b)
    with pytest.raises(BadSdp):
        await house.engine.reoffer(a, caller.sdp().replace(b"c=IN IP4 127.0.0.1", b"c=IN IP4 " + address.encode()))
    await hears(caller, AGENT)
    house.engine.located(leg("x"), "127.0.0.1")
    with pytest.raises(BadSdp):
        await house.engine.open_inbound(leg("x"), agent.sdp().replace(b"127.0.0.1", address.encode()))
