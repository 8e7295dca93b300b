"""Between the protobuf frames of federation.proto and what router/core knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tierline.common.v1 import common_pb2
from tierline.federation.v1 import federation_pb2 as pb

from router.core.placing import AGAIN_MS, Report, SkillLoad, Wish
from router.core.remote import Confirmed, Held, PlaceWanted, Released, ToCentre
from router.federation import skew
from router.frames import reason_number

_SIDE_NAME: dict[int, str] = {number: name for name, number in common_pb2.Side.items()}
_SIDE = dict(common_pb2.Side.items())


def side_name(number: int) -> str:
    """SIDE_AGENT for 2; an unknown number is SIDE_UNSPECIFIED."""
    return _SIDE_NAME.get(number, "SIDE_UNSPECIFIED")


def area(province: str) -> str:
    """A home area without what it is (湖北省 -> 湖北): the first two characters tell China's provinces apart."""
    return province[:2] if province and province[0] > "\u2e7f" else province


def report(centre: str, said: pb.Report, province: str, now_ms: int) -> Report:
    """A load report that came now."""
    skills = {s.skill: SkillLoad(s.skill, s.staffed, s.free, s.waiting, s.expected_ms, s.lent) for s in said.skills}
    return Report(centre, now_ms, said.paused, said.share, said.penalty_ms, skills, area(province))


def loads_of(loads: Iterable[SkillLoad]) -> list[pb.SkillLoad]:
    """For a report."""
    return [
        pb.SkillLoad(skill=s.skill, staffed=s.staffed, free=s.free, waiting=s.waiting, expected_ms=s.expected_ms, lent=s.lent)
        for s in loads
    ]


def wish(home: str, said: pb.Place, now_ms: int, tried: tuple[str, ...] = ()) -> Wish:
    """What the chooser is asked, by the clock of who chooses."""
    province, not_at = area(said.profile.home.province), (*said.not_at, *tried)
    entered = skew.past(said.entered_ms, said.at_ms, now_ms)
    return Wish(said.placement, home, said.skill, entered, said.priority, not_at, province=province, expected_ms=said.expected_ms)


def place_wanted(said: pb.Place, now_ms: int) -> PlaceWanted:
    """What the store is asked to reserve for, by our clock."""
    head = (said.placement, said.call, said.queue, said.skill, said.level, said.priority)
    times = skew.past(said.entered_ms, said.at_ms, now_ms), skew.deadline(said.expires_ms, said.at_ms, now_ms)
    return PlaceWanted(*head, *times, said.profile.SerializeToString(), tuple(said.not_at), said.expected_ms)


def sent(frame: pb.FromCentre, now_ms: int) -> pb.FromCentre:
    """The same frame; one with times is told when it leaves."""
    kind = frame.WhichOneof("body")
    if kind in ("place", "confirm", "release"):
        getattr(frame, kind).at_ms = now_ms
    return frame


def reserved(held: Held, home: str, uri: str) -> pb.FromCentre:
    """The answer to a Reserve."""
    if held.refused:
        said = pb.NoAgent(placement=held.placement, reason=reason_number(held.refused), home=home)
        return pb.FromCentre(no_agent=said)
    yes = pb.Reserved(placement=held.placement, agent=held.agent, seat=held.seat, uri=uri, expires_ms=held.expires_ms, home=home)
    return pb.FromCentre(reserved=yes)


def _place(to: ToCentre, f: PlaceWanted) -> pb.FromCentre:
    place = pb.Place(placement=f.placement, call=f.call, queue=f.queue, skill=f.skill, level=f.level, priority=f.priority)
    place.entered_ms, place.expires_ms, place.expected_ms = f.entered_ms, f.expires_ms, f.expected_ms
    place.not_at.extend(f.not_at)
    place.profile.ParseFromString(f.profile)
    return pb.FromCentre(place=place)


def _confirm(to: ToCentre, f: Confirmed) -> pb.FromCentre:
    return pb.FromCentre(confirm=pb.Confirm(placement=f.placement, answered_ms=f.answered_ms, centre=to.centre))


def _release(to: ToCentre, f: Released) -> pb.FromCentre:
    said = pb.Release(placement=f.placement, reason=reason_number(f.reason), side=_SIDE[f.side], ended_ms=f.ended_ms)
    said.centre = to.centre
    return pb.FromCentre(release=said)


_MAKE: dict[type, Callable[..., pb.FromCentre]] = {PlaceWanted: _place, Confirmed: _confirm, Released: _release}


def from_centre(to: ToCentre) -> pb.FromCentre:
    """An effect of the store as a frame."""
    return _MAKE[type(to.frame)](to, to.frame)


def placed(held: Held, centre: str, uri: str) -> pb.ToCentre:
    """The answer to a neighbour's Place."""
    if held.refused:
        said = pb.NoPlace(placement=held.placement, reason=reason_number(held.refused), again_ms=AGAIN_MS)
        return pb.ToCentre(no_place=said)
    yes = pb.Placed(placement=held.placement, centre=centre, agent=held.agent, seat=held.seat, uri=uri)
    yes.expires_ms = held.expires_ms
    return pb.ToCentre(placed=yes)
