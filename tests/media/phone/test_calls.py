"""Phone against phone over the loopback: real SIP, real audio, no centre in between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from media.phone import sdp
from media.phone.call import place_calls
from media.phone.desk import Desk, Habits
from media.phone.ear import Published
from media.phone.line import Line, Phone, State
from media.phone.network import Network
from media.phone.place import Place
from media.phone.plan import Plan, Result
from media.phone.rtp import Ticker
from media.ua import api
from ops import audio
from tests.kit.phones import voice
from tests.kit.ports import free_port
from tests.kit.wait import until_async
from tests.media.phone.registrar import Callee, serve

CALLER, CALLEE = "127.0.0.2", "127.0.0.3"
AGENT_VOICE, CALLER_VOICE = voice("agent"), voice("caller")
BUSY_HERE = 486


@dataclass
class Pair:
    """A desk phone at CALLEE, a caller's phone at CALLER."""

    caller: Phone
    callee: Phone
    edge: str
    ticker: Ticker

    def desk(self, habits: Habits) -> Desk:
        """Let a desk phone take the calls; `events` collects what it tells."""
        desk = Desk("8001", habits, lambda event, fields: self.events.append((event, fields)))
        self.callee.on_call = desk.take
        return desk

    def __post_init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def told(self, event: str) -> Callable[[], bool]:
        return lambda: any(name == event for name, _ in self.events)

    def fields(self, event: str) -> dict[str, object]:
        return next(fields for name, fields in self.events if name == event)

    async def run(self, *plans: Plan) -> list[Result]:
        """Carry plans out against the desk."""
        return await place_calls(Place(self.edge), plans, CALLER, Published(), lambda result: None)

    def call(self) -> Line:
        return self.caller.call(f"sip:8001@{self.edge}", "13800000001", f"sip:{self.edge}")


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    one, other = await Network.open(CALLER), await Network.open(CALLEE)
    ticker = Ticker()
    phones = Phone(one.agent, CALLER, ticker), Phone(other.agent, CALLEE, ticker)
    yield Pair(*phones, f"{CALLEE}:{other.port}", ticker)
    for phone in phones:
        phone.close()
    await one.close()
    await other.close()


def wav(folder: Path, name: str, samples: audio.Samples) -> Path:
    audio.write_wav(folder / name, samples)
    return folder / name


async def test_both_hear_each_other(pair: Pair, tmp_path: Path) -> None:
    """A planned call: both recordings hold what the other side said, and the result says who, how long and where."""
    pair.desk(Habits(answer_after=0.1, audio=audio.encode_alaw(AGENT_VOICE), record=tmp_path))
    said = wav(tmp_path, "said.wav", CALLER_VOICE)
    plan = Plan("13800000001", "8001", name="one", audio=said, talk=4.0, record=tmp_path / "heard.wav")
    result = (await pair.run(plan))[0]
    await until_async(pair.told("ended"), 5, "the desk phone saw the end")
    assert (result.result, result.status, result.ended_by, result.error) == ("talked", 200, "caller", "")
    assert 3_900 <= result.talk_ms <= 4_600
    assert audio.correlation(AGENT_VOICE, audio.read_wav(tmp_path / "heard.wav")[0])[0] > 0.95
    assert audio.correlation(CALLER_VOICE, audio.read_wav(tmp_path / "8001-1.wav")[0])[0] > 0.95
    assert audio.correlation(CALLER_VOICE, audio.read_wav(tmp_path / "heard.wav")[0])[0] < 0.3
    assert pair.fields("ended")["by"] == "caller"
    assert "13800000001" not in str(pair.events)


@pytest.mark.parametrize("by", ["rtp", "info"])
async def test_keys_arrive(pair: Pair, by: str) -> None:
    """Keys pressed after the answer arrive once each and in order, by RTP events and by INFO."""
    got: list[str] = []

    def take(line: Line) -> None:
        line.on_key = got.append
        line.answer()

    pair.callee.on_call = take
    plan = Plan("13800000001", "8001", digits="1w2#", digits_by=by, talk=0.3, talk_from="answer")
    result = (await pair.run(plan))[0]
    assert "".join(got) == "12#"
    assert result.result == "talked"


async def test_the_agent_hangs_up_when_asked(pair: Pair) -> None:
    """With hangup_by agent the caller presses # at the end of the talk, and the seat ends the call."""
    pair.desk(Habits(answer_after=0.0, audio=audio.encode_alaw(AGENT_VOICE), hangup_on="#"))
    result = (await pair.run(Plan("13800000001", "8001", talk=0.5, hangup_by="agent")))[0]
    assert (result.result, result.ended_by, result.error) == ("talked", "centre", "")
    await until_async(pair.told("ended"), 5, "the desk phone saw the end")
    assert pair.fields("ended")["by"] == "seat"


async def test_a_seat_hangs_up_by_itself(pair: Pair) -> None:
    """hangup_after ends a call at the seat's side, whatever the caller wants."""
    pair.desk(Habits(answer_after=0.0, audio=audio.encode_alaw(AGENT_VOICE), hangup_after=0.8))
    result = (await pair.run(Plan("13800000001", "8001", talk=30.0)))[0]
    assert (result.result, result.ended_by) == ("talked", "centre")
    assert result.talk_ms < 3_000


async def test_busy(pair: Pair) -> None:
    """A busy seat refuses with 486, and the result tells it."""
    pair.desk(Habits(busy=True))
    result = (await pair.run(Plan("13800000001", "8001")))[0]
    assert (result.result, result.status, result.ended_by) == ("refused", BUSY_HERE, "nobody")
    assert "486" in result.error


async def test_an_expected_refusal_is_no_error(pair: Pair) -> None:
    """A plan that expects a refusal is content with one, and not with an answer."""
    pair.desk(Habits(busy=True))
    assert (await pair.run(Plan("13800000001", "8001", expect="refused")))[0].error == ""
    pair.desk(Habits(answer_after=0.0, audio=audio.encode_alaw(AGENT_VOICE)))
    assert "expected refused, got talked" in (await pair.run(Plan("13800000001", "8001", talk=0.1, expect="refused")))[0].error


async def test_a_second_call_finds_the_seat_busy(pair: Pair) -> None:
    """A desk phone takes one call at a time."""
    pair.desk(Habits(answer_after=0.0, audio=audio.encode_alaw(AGENT_VOICE)))
    first, second = await pair.run(Plan("13800000001", "8001", talk=1.5), Plan("13800000002", "8001", at=0.5, expect="refused"))
    assert (first.result, second.status) == ("talked", BUSY_HERE)


async def test_a_call_right_behind_the_end_of_another_is_taken(pair: Pair) -> None:
    """A seat whose call is over is free at once, in the very step of its loop; both calls are told with their own number."""
    desk = pair.desk(Habits(answer_after=0.0, audio=audio.encode_alaw(AGENT_VOICE)))
    coming: list[Line] = []
    pair.callee.on_call = coming.append
    first, second = pair.call(), pair.call()
    await until_async(lambda: len(coming) == 2, 5, "both came")
    desk.take(coming[0])
    await until_async(lambda: coming[0].state is State.TALKING, 5, "the first talks")
    coming[0].hang_up()
    desk.take(coming[1])
    await until_async(lambda: coming[1].state is State.TALKING, 5, "the second talks")
    await until_async(first.over.done, 5, "the first saw its end")
    assert desk.line is coming[1]
    assert await second.answered
    second.hang_up()
    await until_async(lambda: desk.line is None, 5, "the seat is free")
    assert [fields["call"] for name, fields in pair.events if name == "ended"] == [1, 2]


async def test_nobody_answers_and_the_caller_gives_up(pair: Pair) -> None:
    """A ringing call that is given up is cancelled, and the seat can be called again."""
    pair.desk(Habits(answer_after=None))
    result = (await pair.run(Plan("13800000001", "8001", give_up=0.5)))[0]
    await until_async(pair.told("ended"), 5, "the desk phone saw the end")
    assert (result.result, result.status, result.ended_by) == ("gave_up", 0, "caller")
    assert pair.fields("ended")["by"] == "caller"
    assert (await pair.run(Plan("13800000001", "8001", give_up=0.3)))[0].result == "gave_up"
    assert [name for name, _ in pair.events].count("ringing") == 2


async def test_music_is_no_agent(pair: Pair) -> None:
    """A caller who hears published music only gives up in the end; the talk never began."""
    music = audio.encode_alaw(AGENT_VOICE)
    pair.desk(Habits(answer_after=0.0, audio=music))
    plan = Plan("13800000001", "8001", give_up=1.5)
    result = (await place_calls(Place(pair.edge), [plan], CALLER, Published([music]), lambda result: None))[0]
    assert (result.result, result.agent_ms, result.talk_ms) == ("gave_up", 0, 0)
    assert result.packets > 20


@pytest.mark.parametrize(
    ("status", "advice"), [(403, "blacklisted"), (404, "numbers"), (408, "is the centre up"), (503, "tierline status")]
)
async def test_refusals_say_what_to_look_at(pair: Pair, status: int, advice: str) -> None:
    """The result of a refused call has its status, and an error that says what may be wrong."""
    pair.callee.on_call = lambda line: line.refuse(status)
    result = (await pair.run(Plan("13800000001", "8001")))[0]
    assert (result.result, result.status) == ("refused", status)
    assert advice in result.error


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"v=0\r\n", sdp.describe("127.0.0.1", 4000).replace(b"AVP 8", b"AVP 0"), sdp.describe("127.0.0.1", 70_000)],
)
async def test_unusable_answers_are_ended(pair: Pair, body: bytes) -> None:
    """A 200 whose SDP cannot be used is acknowledged and ended with BYE; the result says why."""
    callee = Callee(body=body, port=free_port())
    await serve(callee, callee.port)
    place = Place(f"127.0.0.1:{callee.port}")
    result = (await place_calls(place, [Plan("13800000001", "8001")], CALLER, Published(), lambda result: None))[0]
    await until_async(lambda: "BYE" in callee.methods(), 5, "the call was ended")
    assert callee.methods()[:3] == ["INVITE", "ACK", "BYE"]
    assert (result.result, result.status) == ("failed", 200)
    assert "unusable SDP" in result.error


async def test_hold_is_answered(pair: Pair) -> None:
    """Held by a re-INVITE a phone answers recvonly and sends nothing; retrieved it sends again."""
    taken: list[Line] = []

    def take(line: Line) -> None:
        taken.append(line)
        line.answer()

    pair.callee.on_call = take
    line = pair.call()
    assert await line.answered
    other = taken[0]
    ours, theirs = line.port, other.port
    assert ours is not None and theirs is not None
    await until_async(lambda: ours.listener.packets > 3, 5, "audio came")
    pair.caller.do(api.Reinvite(line.leg, sdp.describe(CALLER, ours.port, 2, "sendonly")))
    await until_async(lambda: not theirs.sending, 5, "held")
    sent = theirs.talker.sent
    pair.caller.do(api.Reinvite(line.leg, sdp.describe(CALLER, ours.port, 3, "sendrecv")))
    await until_async(lambda: theirs.talker.sent > sent, 5, "retrieved and heard again")
    line.hang_up()
    await other.over
    assert other.state is State.OVER


async def test_thirty_calls_in_one_process(pair: Pair) -> None:
    """Thirty planned calls at once in one process all talk and end as planned."""
    desks = [Desk(f"{n}", Habits(answer_after=0.05, audio=audio.encode_alaw(AGENT_VOICE)), lambda *_: None) for n in range(30)]
    free = iter(desks)
    pair.callee.on_call = lambda line: next(free).take(line)
    plans = [Plan(f"1380000{n:04d}", "8001", at=n * 0.02, talk=1.0) for n in range(30)]
    results = await pair.run(*plans)
    assert {result.result for result in results} == {"talked"}
    assert [result.calling for result in results] == [plan.calling for plan in plans]
