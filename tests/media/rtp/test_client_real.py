"""The audio client against a real rtpengine: who hears whom, always by what arrives."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from media.rtp.api import BadSdp, Digit, RtpError
from media.rtp.hold import HoldingEngine, connect
from media.rtp.ng import NgClient
from media.rtp.places import places_of
from ops.audio import RATE, au_bytes
from ops.clock import SystemClock
from ops.ports import LOOPBACK
from tests.kit.rtp_phone import RtpPhone
from tests.kit.rtpengine import RtpEngineProcess, audio_config
from tests.kit.wait import until_async
from tests.media.rtp.house import AGENT, CALLER, PROMPT, SECOND, House, hears, hears_nobody, leg

pytestmark = pytest.mark.real


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    config = audio_config(tmp_path)
    async with RtpEngineProcess(config), connect(config, 0) as engine:
        house = House(engine, tmp_path)
        yield house
        for phone in house.phones:
            phone.close()


def codecs(phone: RtpPhone, since: int) -> set[int]:
    """Payload types that came since a mark."""
    return {one.payload_type for one in phone.heard[since:]}


async def test_paired_legs_hear_each_other(house: House) -> None:
    """Two legs that were opened apart hear each other after pair, and neither does before."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await hears_nobody(caller)
    await house.engine.pair(a, b)
    await hears(caller, AGENT)
    await hears(agent, CALLER)


async def test_ports_stay_over_every_change_of_partner(house: House) -> None:
    """Pair, park, pair with another and back: no port changes, so that no phone needs a re-INVITE; sounds follow."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    c, second = await house.agent("b2", SECOND)
    legs = (a, b, c)
    before = [(await house.engine.look(one)).port for one in legs]
    await house.engine.pair(a, b)
    await house.engine.park(a)
    await hears_nobody(caller)
    await hears_nobody(agent)
    await house.engine.pair(b, c)
    await hears(agent, SECOND)
    await house.engine.pair(c, a)
    await hears(caller, SECOND)
    await hears(second, CALLER)
    await hears_nobody(agent)
    assert [(await house.engine.look(one)).port for one in legs] == before


async def test_music_while_parked_and_an_agent_rings(house: House) -> None:
    """A parked caller hears what is played, its length is told, and opening an agent's leg does not disturb it."""
    a, caller = await house.caller()
    length = await house.engine.play(a, house.prompt(), repeat=100)
    assert length == len(PROMPT) * 1000 // RATE
    await hears(caller, PROMPT)
    start = caller.mark()
    b, _ = await house.agent()
    await hears(caller, PROMPT)
    numbers = [one.sequence for one in caller.heard[start:]]
    jumps = [(one, two) for one, two in itertools.pairwise(numbers) if (two - one) % 2**16 != 1]
    assert not jumps
    await house.engine.stop(a)
    await house.engine.pair(a, b)
    await hears(caller, AGENT)


async def test_play_replaces_what_plays(house: House) -> None:
    """A second play stops the first one; stop silences, and again is harmless."""
    a, caller = await house.caller()
    await house.engine.play(a, house.prompt(), repeat=100)
    await hears(caller, PROMPT)
    other = house.folder / "other.au"
    other.write_bytes(au_bytes(SECOND))
    await house.engine.play(a, other, repeat=100)
    await hears(caller, SECOND)
    await house.engine.stop(a)
    await house.engine.stop(a)
    await hears_nobody(caller)


async def test_play_needs_a_parked_leg_and_a_file(house: House) -> None:
    """Playing to a paired leg, or a file that is not there or no .au, is an RtpError and not silence."""
    a, _ = await house.caller()
    b, _ = await house.agent()
    with pytest.raises(RtpError):
        await house.engine.play(a, house.folder / "missing.au")
    broken = house.folder / "broken.au"
    broken.write_bytes(b"no sound at all")
    with pytest.raises(RtpError):
        await house.engine.play(a, broken)
    await house.engine.pair(a, b)
    with pytest.raises(RtpError, match="not parked"):
        await house.engine.play(a, house.prompt())


async def test_digits_during_a_prompt(house: House) -> None:
    """Each key is told once with its leg, on release, while a prompt plays."""
    a, caller = await house.caller()
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    await house.engine.play(a, house.prompt(), repeat=100)
    await hears(caller, PROMPT)
    caller.press("159*0#")
    await until_async(lambda: len(pressed) >= 6, 5, "six keys")
    assert [one.digit for one in pressed] == list("159*0#")
    assert {one.leg for one in pressed} == {a}
    assert all(60 <= one.duration_ms <= 140 for one in pressed)


async def test_connect_is_answer_and_pairing_in_one(house: House) -> None:
    """An agent connected by one verb hears and is heard on the ports told before; parked, played to and paired anew all works."""
    a, caller = await house.caller()
    for name in ("b1", "b2"):
        agent, b = await house.phone(SECOND if name == "b2" else AGENT), leg(name)
        port = agent.connect(await house.engine.open_outbound(b))
        house.engine.located(b, LOOPBACK)
        await house.engine.play(a, house.prompt(), repeat=100)
        await house.engine.stop(a)
        await house.engine.connect(a, b, agent.sdp())
        await hears(caller, SECOND if name == "b2" else AGENT)
        await hears(agent, CALLER)
        assert (await house.engine.look(b)).port == port
        await house.engine.park(a)
        await house.engine.play(a, house.prompt(), repeat=100)
        await hears(caller, PROMPT)
        await hears_nobody(agent)
        await house.engine.stop(a)
        await house.engine.pair(a, b)
        await hears(agent, CALLER)
        await house.engine.close(b)
        await hears_nobody(caller)


async def test_keys_of_a_connected_caller_are_told(house: House) -> None:
    """Also while caller and agent talk each key of the caller is told once."""
    a, caller = await house.caller()
    agent, b = await house.phone(AGENT), leg("b1")
    agent.connect(await house.engine.open_outbound(b))
    house.engine.located(b, LOOPBACK)
    await house.engine.connect(a, b, agent.sdp())
    pressed: list[Digit] = []
    house.engine.on_digit(pressed.append)
    await hears(agent, CALLER)
    caller.press("27")
    await until_async(lambda: len(pressed) >= 2, 5, "two keys")
    assert [(one.leg, one.digit) for one in pressed] == [(a, "2"), (a, "7")]


async def test_conversion_comes_and_goes_with_the_agent(house: House) -> None:
    """A caller in PCMA hears a PCMU agent, then a PCMA one, then the first again: each hears its own codec only."""
    a, caller = await house.caller()
    b, agent = await house.agent(codec="PCMU")
    c, second = await house.agent("b2", SECOND)
    for partner, phone, sound in ((b, agent, AGENT), (c, second, SECOND), (b, agent, AGENT)):
        await house.engine.pair(a, partner)
        since = caller.mark(), phone.mark()  # between rtpengine's offer and answer a packet may pass as it is
        await hears(caller, sound)
        await hears(phone, CALLER)
        assert codecs(caller, since[0]) == {8}
        assert codecs(phone, since[1]) == {8 if phone is second else 0}


async def test_alaw_and_mulaw_phones_understand_each_other(house: House) -> None:
    """A PCMA caller and a PCMU agent hear each other, each in its own codec."""
    a, caller = await house.caller(codec="PCMA")
    b, agent = await house.agent(codec="PCMU")
    await house.engine.pair(a, b)
    since = caller.mark(), agent.mark()
    await hears(caller, AGENT)
    await hears(agent, CALLER)
    assert codecs(caller, since[0]) == {8}
    assert codecs(agent, since[1]) == {0}


async def test_the_invite_offers_the_callers_codec_first(house: House) -> None:
    """An agent's phone that takes the first codec offered takes the caller's: nothing is converted then."""
    await house.caller(codec="PCMU")
    offer = await house.engine.open_outbound(leg("b1"))
    assert b" RTP/AVP 0 8 101" in offer


async def test_hold_by_the_phone(house: House) -> None:
    """A re-offer with sendonly is answered recvonly, sendrecv sendrecv, on the same port; the pairing stays."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await house.engine.pair(a, b)
    await hears(agent, CALLER)
    answer = await house.engine.reoffer(b, agent.sdp("sendonly"))
    assert b"a=recvonly" in answer
    assert agent.connect(answer) == (await house.engine.look(b)).port
    answer = await house.engine.reoffer(b, agent.sdp())
    assert b"a=sendrecv" in answer
    await hears(agent, CALLER)
    await hears(caller, AGENT)


async def test_a_phone_that_held_and_asks_for_our_offer_is_heard_again(house: House) -> None:
    """After hold our own offer says sendrecv in the next version on the same port, and the phone's answer brings the sound back."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await house.engine.pair(a, b)
    for held in ("sendonly", "inactive"):
        answer = await house.engine.reoffer(a, caller.sdp(held))
        offer = await house.engine.offer(a)
        assert b"a=sendrecv" in offer and b"a=recvonly" not in offer and b"a=inactive" not in offer
        assert _version(offer) == _version(answer) + 1
        assert caller.connect(offer) == (await house.engine.look(a)).port
        await house.engine.answered(a, caller.sdp())
        await hears(agent, CALLER)
        await hears(caller, AGENT)
        assert _version(await house.engine.reoffer(a, caller.sdp())) == _version(offer) + 1


async def test_a_parked_phone_that_held_and_asks_for_our_offer_is_played_to(house: House) -> None:
    """A caller whom nobody is connected to yet hears a prompt after hold and resume without SDP."""
    a, caller = await house.caller()
    await house.engine.reoffer(a, caller.sdp("inactive"))
    caller.connect(await house.engine.offer(a))
    await house.engine.answered(a, caller.sdp())
    await house.engine.play(a, house.prompt(), repeat=100)
    await hears(caller, PROMPT)


def _version(sdp: bytes) -> int:
    return int(sdp.partition(b"o=")[2].split()[2])


@pytest.mark.parametrize("direction", ["sendonly", "inactive"])
async def test_who_is_held_hears_music(house: House, direction: str) -> None:
    """A phone that holds and sends nothing leaves the other side with music; both talk again when it resumes, on the same ports."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await house.engine.pair(a, b)
    await hears(agent, CALLER)
    agent.mute()
    port = agent.connect(await house.engine.reoffer(b, agent.sdp(direction), house.prompt()))
    await hears(caller, PROMPT)
    await hears_nobody(agent)
    agent.say(AGENT)
    assert agent.connect(await house.engine.reoffer(b, agent.sdp(), house.prompt())) == port
    await hears(caller, AGENT)
    await hears(agent, CALLER)


async def test_a_phone_that_plays_its_own_music_is_heard(house: House) -> None:
    """A phone that holds with sendonly and goes on sending is what the other side hears, and no music of ours."""
    a, caller = await house.caller()
    b, agent = await house.agent()
    await house.engine.pair(a, b)
    await hears(caller, AGENT)
    agent.say(SECOND)
    await house.engine.reoffer(b, agent.sdp("sendonly"), house.prompt())
    sent = agent.sent
    await until_async(lambda: agent.sent > sent + 60, 5, "a second has passed")
    since = caller.mark()
    await hears(caller, SECOND)
    assert caller.likeness(PROMPT, since) < 0.5


async def test_closing_a_leg_leaves_the_others(house: House) -> None:
    """Who was paired with a closed leg hears nobody, can be paired again, and the last close frees the call."""
    a, caller = await house.caller()
    b, _ = await house.agent()
    await house.engine.pair(a, b)
    await hears(caller, AGENT)
    await house.engine.close(b)
    await hears_nobody(caller)
    c, second = await house.agent("b2", SECOND)
    await house.engine.pair(a, c)
    await hears(caller, SECOND)
    await hears(second, CALLER)
    await house.engine.close(a)
    await house.engine.close(c)
    with pytest.raises(RtpError):
        await house.engine.look(c)
    await house.engine.close(c)
    await house.engine.close_call(c)


async def test_every_verb_twice_is_harmless(house: House) -> None:
    """Repeats, as they come after a lost answer, change nothing: ports and sounds stay."""
    engine = house.engine
    a, caller = await house.caller()
    again = await engine.open_inbound(a, caller.sdp())
    assert caller.connect(again) == (await engine.look(a)).port
    b, agent = await house.agent()
    await engine.answered(b, agent.sdp())
    verbs: list[Callable[[], Awaitable[object]]] = [lambda: engine.pair(a, b), lambda: engine.record(a, "r")]
    verbs += [lambda: engine.answered(b, agent.sdp())]
    for verb in verbs:
        await verb()
        await verb()
    await hears(caller, AGENT)
    await hears(agent, CALLER)
    ends: list[Callable[[], Awaitable[object]]] = [lambda: engine.stop_record(a), lambda: engine.park(a)]
    ends += [lambda: engine.close(b), lambda: engine.close_call(a)]
    for verb in ends:
        await verb()
        await verb()


async def test_look_tells_port_and_packets(house: House) -> None:
    """A leg whose phone speaks has packets and a time; a silent one has none."""
    a, caller = await house.caller()
    b = leg("b1")
    await house.engine.open_outbound(b)
    await until_async(lambda: caller.sent > 20, 5, "20 packets sent")
    spoken = await house.engine.look(a)
    silent = await house.engine.look(b)
    assert spoken.packets >= 10
    assert spoken.last_packet_ms > 1_700_000_000_000
    assert (silent.packets, silent.last_packet_ms) == (0, 0)


async def test_bad_sdp_and_unknown_legs(house: House) -> None:
    """SDP without usable audio is BadSdp and leaves nothing open; verbs on unknown legs are RtpErrors."""
    for sdp in (b"", b"hello", b"v=0\r\nm=audio 4000 RTP/AVP 8\r\n", (await house.phone(CALLER)).sdp().replace(b" 8 101", b" 18")):
        with pytest.raises(BadSdp):
            house.engine.located(leg("a"), LOOPBACK)
            await house.engine.open_inbound(leg("a"), sdp)
        with pytest.raises(RtpError):
            await house.engine.look(leg("a"))
    b = leg("b1")
    await house.engine.open_outbound(b)
    with pytest.raises(BadSdp):
        await house.engine.answered(b, b"v=0\r\nm=audio 0 RTP/AVP 8\r\n")
    with pytest.raises(RtpError, match="not answered"):
        a, _ = await house.caller()
        await house.engine.pair(a, b)


async def test_a_phone_behind_nat_is_found(house: House) -> None:
    """A phone whose SDP names an address where it is not is heard and spoken to at the one it sends from."""
    a, caller = await house.caller()
    b = leg("b1")
    agent = await house.phone(AGENT)
    agent.connect(await house.engine.open_outbound(b))
    house.engine.located(b, LOOPBACK)
    await house.engine.answered(b, agent.sdp().replace(b"m=audio %d" % agent.address[1], b"m=audio 9999"))
    await house.engine.pair(a, b)
    await hears(agent, CALLER)
    await hears(caller, AGENT)


async def test_calls_of_a_dead_run_are_swept_when_silent(tmp_path: Path) -> None:
    """A call that a dead process left stays while somebody speaks, and is deleted once nobody does; living calls stay."""
    clock, config = SystemClock(), audio_config(tmp_path)
    async with RtpEngineProcess(config):
        ng = NgClient(LOOPBACK, config.ports.ng)
        await ng.open()
        dead = HoldingEngine(ng, config.media.rtp_address, places_of(config), clock)
        _, phone = await House(dead, tmp_path).caller()
        await until_async(lambda: phone.sent > 60, 5, "the stray's phone speaks")
        ng.close()
        async with connect(config, 0) as living:
            mine = leg("a", "019a0000-0000-7000-8000-000000000002")
            living.located(mine, LOOPBACK)
            await living.open_inbound(mine, phone.sdp())
            assert await living.sweep(clock.now_ms(), 60_000) == []
            phone.close()
            assert await living.sweep(clock.now_ms() + 61_000, 60_000) == [leg("a").call]
            assert await living.sweep(clock.now_ms() + 61_000, 60_000) == []
            await living.look(mine)
