"""The placing of calls between centres, at the national router: frames in, frames out; no I/O, no clock.

Theory. An ask is one Place of a home centre. It goes to the centre that core/placing.py chooses; if that one has nobody after all,
does not answer in `ANSWER_MS` or is lost, to the next, at most `TRIES` in all. What is not wanted any more is given back: a
Reserved from a centre that is not the one asked now, or for an ask that is refused or given up, is answered with Release. So for
a placement at most one centre is told home, and each reservation is either told or released.

Nothing here must last. Asks are kept for `KEEP_MS` to answer repeats in the same way. A new national router knows no ask: a
Reserved that it did not ask for names its home and is passed on; all other frames name whom they are for.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from tierline.common.v1 import common_pb2
from tierline.federation.v1 import federation_pb2 as pb

from router.core.placing import AGAIN_LONGEST_MS, Chooser, Refusal
from router.federation import frames, gate
from router.frames import reason_name, reason_number

ANSWER_MS = 800  # a centre that has not answered by then is passed over
TRIES = 3
KEEP_MS = 15_000
MOST_ASKS = 5_000  # of one home, kept at a time: more than a busy centre asks for in KEEP_MS

Out = tuple[str, pb.ToCentre]  # whom it is for


class AskState(StrEnum):
    """Where an ask is."""

    NEW = "new"
    ASKED = "asked"  # a Reserve is out
    PLACED = "placed"
    REFUSED = "refused"
    OVER = "over"  # the home gave it up


class AskEvent(StrEnum):
    """What happens to it."""

    ASK = "ask"
    RESERVED = "reserved"
    NO_AGENT = "no_agent"
    LATE = "late"  # no answer in time
    LOST = "lost"  # the stream of the centre asked is gone
    RELEASED = "released"  # by the home


class Do(StrEnum):
    """What is done then: the methods of National that begin with _do_."""

    CHOOSE = "choose"
    PLACE = "place"
    SAY_AGAIN = "say_again"
    GIVE_UP = "give_up"
    BACK = "back"
    NOTHING = "nothing"


_S, _E = AskState, AskEvent
ASK: MappingProxyType[AskState, dict[AskEvent, Do]] = MappingProxyType(
    {
        _S.NEW: {_E.ASK: Do.CHOOSE},
        _S.ASKED: {
            _E.ASK: Do.NOTHING,
            _E.RESERVED: Do.PLACE,
            _E.NO_AGENT: Do.CHOOSE,
            _E.LATE: Do.CHOOSE,
            _E.LOST: Do.CHOOSE,
            _E.RELEASED: Do.GIVE_UP,
        },
        _S.PLACED: {_E.ASK: Do.SAY_AGAIN, _E.RESERVED: Do.SAY_AGAIN, _E.RELEASED: Do.GIVE_UP},
        _S.REFUSED: {_E.ASK: Do.SAY_AGAIN, _E.RESERVED: Do.BACK, _E.RELEASED: Do.GIVE_UP},
        _S.OVER: {_E.ASK: Do.NOTHING, _E.RESERVED: Do.BACK, _E.RELEASED: Do.NOTHING},
    }
)


@dataclass(slots=True)
class Ask:
    """One Place of a home centre."""

    home: str
    place: pb.Place
    state: AskState = AskState.NEW
    centre: str = ""  # asked now, or whose agent it is
    tried: tuple[str, ...] = ()
    answer: pb.ToCentre | None = None  # what went home
    reason: common_pb2.Reason.ValueType = common_pb2.REASON_BUSY  # why the last one tried had nobody


class National:
    """`provinces`: centre -> home area it serves."""

    def __init__(self, provinces: Mapping[str, str]) -> None:
        self._chooser = Chooser()
        self._news: dict[str, tuple[pb.Report, int]] = {}  # reports that nobody has needed yet
        self._provinces = provinces
        self._joined: set[str] = set()
        self._asks: dict[str, Ask] = {}
        self._of_home: Counter[str] = Counter()  # asks by home: one centre's do not fill the table for the others
        self._waits: deque[tuple[int, str, str]] = deque()  # until, placement, centre asked
        self._kept: deque[tuple[int, str]] = deque()  # until, placement

    @property
    def open(self) -> int:
        """Asks without an answer."""
        return sum(ask.state is AskState.ASKED for ask in self._asks.values())

    # ---- streams
    def joined(self, centre: str) -> None:
        """Its stream is open; it is asked for nothing before it reports."""
        self._joined.add(centre)

    def left(self, centre: str, now_ms: int) -> list[Out]:
        """Its stream is gone."""
        self._joined.discard(centre)
        self._choosing().gone(centre)
        out: list[Out] = []
        for placement, ask in tuple(self._asks.items()):
            if ask.state is AskState.ASKED and ask.home == centre:
                out += _back(ask.centre, placement) + self._event(placement, ask, AskEvent.RELEASED, now_ms)
            elif ask.state is AskState.ASKED and ask.centre == centre:
                out += self._event(placement, ask, AskEvent.LOST, now_ms)
        return out

    def take(self, centre: str, frame: pb.FromCentre, now_ms: int) -> list[Out]:
        """A frame of `centre`; hello is the shell's. Raises gate.Refused."""
        kind = frame.WhichOneof("body")
        handle = _HANDLE.get(kind or "")
        return handle(self, centre, getattr(frame, kind), now_ms) if handle and kind else []

    @property
    def idle(self) -> bool:
        """Nothing waits for time to pass."""
        return not self._waits and not self._kept

    def tick(self, now_ms: int) -> list[Out]:
        """Time went on."""
        out: list[Out] = []
        while self._waits and self._waits[0][0] <= now_ms:
            _, placement, centre = self._waits.popleft()
            ask = self._asks.get(placement)
            if ask is not None and ask.state is AskState.ASKED and ask.centre == centre:
                out += self._event(placement, ask, AskEvent.LATE, now_ms)
        while self._kept and self._kept[0][0] <= now_ms:
            over = self._asks.pop(self._kept.popleft()[1], None)
            if over is not None:
                self._of_home[over.home] -= 1
        return out

    # ---- frames
    def report(self, centre: str, report: pb.Report, now_ms: int) -> list[Out]:
        """How busy it is."""
        self._news[centre] = report, now_ms
        return []

    def place(self, centre: str, place: pb.Place, now_ms: int) -> list[Out]:
        """A home centre looks for an agent."""
        ask = self._asks.get(place.placement)
        if ask is None:
            if self._of_home[centre] >= MOST_ASKS:
                said = pb.NoPlace(placement=place.placement, reason=common_pb2.REASON_OVERLOAD, again_ms=AGAIN_LONGEST_MS)
                return [(centre, pb.ToCentre(no_place=said))]
            self._of_home[centre] += 1
            ask = self._asks[place.placement] = Ask(centre, place)
            self._kept.append((now_ms + KEEP_MS, place.placement))
        return self._event(place.placement, ask, AskEvent.ASK, now_ms) if ask.home == centre else []

    def reserved(self, centre: str, said: pb.Reserved, now_ms: int) -> list[Out]:
        """A centre has reserved an agent."""
        ask = self._asks.get(said.placement)
        if ask is None:
            return [(said.home, _placed(centre, said))] if said.home in self._joined else _back(centre, said.placement)
        if ask.centre != centre:
            return _back(centre, said.placement)
        if ask.state is AskState.ASKED:
            ask.answer = _placed(centre, said)
        return self._event(said.placement, ask, AskEvent.RESERVED, now_ms)

    def no_agent(self, centre: str, said: pb.NoAgent, now_ms: int) -> list[Out]:
        """A centre had nobody."""
        ask = self._asks.get(said.placement)
        if ask is None or ask.centre != centre or ask.state is not AskState.ASKED:
            return []
        ask.reason = said.reason or ask.reason
        return self._event(said.placement, ask, AskEvent.NO_AGENT, now_ms)

    def confirm(self, centre: str, said: pb.Confirm, now_ms: int) -> list[Out]:
        """To the centre whose agent answered."""
        said.by = centre
        return self._pass(said.centre, pb.ToCentre(confirm=said))

    def release(self, centre: str, said: pb.Release, now_ms: int) -> list[Out]:
        """To the centre it names; a home that gives up before it knows of one names none."""
        ask, to = self._asks.get(said.placement), said.centre
        if ask is not None and ask.home == centre:
            to = to or ask.centre
            self._event(said.placement, ask, AskEvent.RELEASED, now_ms)
        said.by = centre
        return self._pass(to, pb.ToCentre(release=said))

    def holding(self, centre: str, said: pb.Holding, now_ms: int) -> list[Out]:
        """What it holds as home: to the centre that it is about, or to all."""
        gate.speaker(centre, "", pb.FromCentre(holding=said))
        to = [said.centre] if said.centre else sorted(self._joined - {centre})
        return [out for one in to for out in self._pass(one, pb.ToCentre(holding=said))]

    def _choosing(self) -> Chooser:
        """The chooser with all reports that came before now. Most reports are overtaken by the next one before anybody looks."""
        for centre, (report, at_ms) in self._news.items():
            self._chooser.report(frames.report(centre, report, self._provinces.get(centre, ""), at_ms))
        self._news.clear()
        return self._chooser

    def _pass(self, to: str, frame: pb.ToCentre) -> list[Out]:
        return [(to, frame)] if to in self._joined else []

    # ---- the table's doings
    def _event(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        do = ASK[ask.state].get(event, Do.NOTHING)
        return _DO[do](self, placement, ask, event, now_ms)

    def _do_choose(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        out: list[Out] = []
        if ask.centre:
            self._choosing().answered(ask.centre, placement, False)
            ask.tried += (ask.centre,)
            out = _back(ask.centre, placement) if event is AskEvent.LATE else []
        if len(ask.tried) >= TRIES:
            return out + self._refuse(ask, placement, Refusal(reason_name(ask.reason)))
        found = self._choosing().choose(frames.wish(ask.home, ask.place, now_ms, ask.tried), now_ms)
        if isinstance(found, Refusal):
            return out + self._refuse(ask, placement, found)
        ask.state, ask.centre = AskState.ASKED, found.centre
        self._waits.append((now_ms + ANSWER_MS, placement, found.centre))
        return [*out, (found.centre, pb.ToCentre(reserve=pb.Reserve(home=ask.home, place=ask.place)))]

    def _refuse(self, ask: Ask, placement: str, why: Refusal) -> list[Out]:
        said = pb.NoPlace(placement=placement, reason=reason_number(why.reason), again_ms=why.again_ms)
        ask.state, ask.centre, ask.answer = AskState.REFUSED, "", pb.ToCentre(no_place=said)
        return [(ask.home, ask.answer)]

    def _do_place(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        self._choosing().answered(ask.centre, placement, True)
        ask.state = AskState.PLACED
        return self._do_say_again(placement, ask, event, now_ms)

    def _do_say_again(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        return [(ask.home, ask.answer)] if ask.answer is not None else []

    def _do_give_up(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        self._choosing().dropped(ask.centre, placement)
        ask.state = AskState.OVER
        return []

    def _do_back(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        return _back(ask.centre, placement)

    def _do_nothing(self, placement: str, ask: Ask, event: AskEvent, now_ms: int) -> list[Out]:
        return []


def _placed(centre: str, said: pb.Reserved) -> pb.ToCentre:
    placed = pb.Placed(placement=said.placement, centre=centre, agent=said.agent, seat=said.seat, uri=said.uri)
    placed.expires_ms = said.expires_ms
    return pb.ToCentre(placed=placed)


def _back(centre: str, placement: str) -> list[Out]:
    said = pb.Release(placement=placement, reason=common_pb2.REASON_ANSWERED_ELSEWHERE, centre=centre)
    return [(centre, pb.ToCentre(release=said))]


_HANDLE: dict[str, Callable[[National, str, Any, int], list[Out]]] = {
    "report": National.report,
    "place": National.place,
    "reserved": National.reserved,
    "no_agent": National.no_agent,
    "confirm": National.confirm,
    "release": National.release,
    "holding": National.holding,
}
_DO: dict[Do, Callable[[National, str, Ask, AskEvent, int], list[Out]]] = {
    Do.CHOOSE: National._do_choose,
    Do.PLACE: National._do_place,
    Do.SAY_AGAIN: National._do_say_again,
    Do.GIVE_UP: National._do_give_up,
    Do.BACK: National._do_back,
    Do.NOTHING: National._do_nothing,
}
