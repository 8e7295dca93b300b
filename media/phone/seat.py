"""`tierline seat`: simulated desk phones that register, answer, speak, record and hang up; events on standard output."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from dataclasses import dataclass
from pathlib import Path

from media.phone import sound
from media.phone.desk import Desk, Habits
from media.phone.line import Line, Phone
from media.phone.network import Account, Network
from media.phone.place import NoCentre, Place, from_state
from media.phone.rtp import Ticker
from media.phone.sound import BadSound
from ops import lifecycle, log
from ops.cli import Command, CommandError
from ops.clock import SystemClock

_ADVICE = {
    401: "wrong password",
    403: "wrong password, or not allowed",
    404: "no such seat",
    408: "nobody answers: is the centre up (tierline status)?",
    503: "the edge cannot be reached or is not ready",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of `tierline seat`."""
    parser.add_argument("--state", type=Path, metavar="DIR", help="state folder of a running centre (tierline up)")
    parser.add_argument("--edge", metavar="HOST:PORT", help="SIP edge, instead of --state; needs --realm and --password")
    parser.add_argument("--realm", default="", help="SIP domain of the seats (with --edge)")
    parser.add_argument("--seat", required=True, metavar="8001[,8002..]", help="seats to be")
    parser.add_argument("--password", metavar="P", help="SIP password of all of them (default: the centre's credentials.json)")
    parser.add_argument("--transport", choices=("udp", "tcp"), default="udp")
    parser.add_argument("--bind", metavar="ADDRESS", help="address of the phones (default: the edge's)")
    parser.add_argument(
        "--expires", type=int, default=120, metavar="S", help="registration lasts so long and is renewed (default: 120)"
    )
    parser.add_argument("--audio", type=Path, metavar="FILE", help="wav to say after the answer, in a loop")
    parser.add_argument("--record", type=Path, metavar="DIR", help="write what each call heard as DIR/SEAT-N.wav")
    parser.add_argument(
        "--hangup-after", type=float, metavar="S", help="hang up so long after the answer (default: wait for the caller)"
    )
    parser.add_argument("--hangup-on", default="#", metavar="KEY", help="hang up when the caller presses this key (default: #)")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--answer-after", type=float, default=1.0, metavar="S", help="ring so long, then answer (default: 1)")
    how.add_argument("--never-answer", action="store_true", help="ring only")
    how.add_argument("--busy", action="store_true", help="486 to every call")
    parser.add_argument("--json", action="store_true", help="events as JSON lines (else a line of words each)")


def run(args: argparse.Namespace) -> int:
    """Be the seats until SIGTERM; 0, or 1 if a seat could not register."""
    log.setup("seat", "WARNING")
    desk_phones = _DeskPhones(args)
    try:
        lifecycle.run(desk_phones.run)
    except (NoCentre, BadSound) as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"{error}: is --bind an address of this machine?") from error
    return 1 if desk_phones.failed else 0


def habits(args: argparse.Namespace) -> Habits:
    """The options as habits. Raises BadSound."""
    return Habits(
        answer_after=None if args.never_answer else args.answer_after,
        busy=args.busy,
        audio=sound.load(args.audio) if args.audio else b"",
        hangup_after=args.hangup_after,
        hangup_on=args.hangup_on,
        record=args.record,
    )


@dataclass(frozen=True, slots=True)
class _Where:
    place: Place
    edge: str
    bind: str


def _where(args: argparse.Namespace) -> _Where:
    """Raises NoCentre."""
    if args.state is None and not (args.edge and args.realm and args.password):
        raise NoCentre("which centre? Give --state DIR of a running one, or --edge HOST:PORT with --realm and --password")
    place = Place(udp=args.edge, tcp=args.edge, realm=args.realm) if args.edge else from_state(args.state)
    edge = place.tcp if args.transport == "tcp" else place.udp
    return _Where(place, edge, args.bind or edge.rpartition(":")[0])


class _DeskPhones:
    """All seats of this process on one endpoint."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self._refused: set[str] = set()  # seats that are not registered now
        self._leaving = False
        self._clock = SystemClock()

    @property
    def failed(self) -> bool:
        """A seat could not register to the last."""
        return bool(self._refused)

    async def run(self, stop: asyncio.Event) -> None:
        where, habit = _where(self.args), habits(self.args)
        seats = [seat.strip() for seat in self.args.seat.split(",") if seat.strip()]
        passwords = {seat: self._password(where.place, seat) for seat in seats}
        network = await Network.open(where.bind, where.edge, self.args.transport)
        phone = Phone(network.agent, where.bind, Ticker())
        desks = {seat: Desk(seat, habit, self.tell) for seat in seats}
        phone.on_call = lambda line: self._take(desks, line)
        accounts = {seat: network.account(seat, where.place.realm, self.args.expires) for seat in seats}
        try:
            await asyncio.gather(*(self._register(account, passwords[seat]) for seat, account in accounts.items()))
            await stop.wait()
        finally:
            await self._leave(network, phone, desks, list(accounts.values()))

    async def _leave(self, network: Network, phone: Phone, desks: dict[str, Desk], accounts: list[Account]) -> None:
        """No new calls, end what is going on, un-register."""
        self._leaving = True
        await asyncio.gather(*(account.unregister() for account in accounts))
        await asyncio.gather(*(desk.close() for desk in desks.values()))
        phone.close()
        await network.close()

    async def _register(self, account: Account, password: str) -> None:
        account.on_change = lambda seconds, status: self._registration(account.user, seconds, status)
        await account.register(password)

    def _registration(self, seat: str, seconds: int, status: int) -> None:
        """A registration was made, renewed, refused or taken away."""
        if seconds:
            self._refused.discard(seat)
            self.tell("registered", {"seat": seat, "seconds": seconds})
        elif self._leaving:
            self.tell("unregistered", {"seat": seat})
        else:
            self._refused.add(seat)
            self.tell("register_failed", {"seat": seat, "status": status, "reason": _ADVICE.get(status, "see the log of the edge")})

    def _take(self, desks: dict[str, Desk], line: Line) -> None:
        desk = desks.get(line.called)
        if desk is None:
            line.refuse(404)
        else:
            desk.take(line)

    def _password(self, place: Place, seat: str) -> str:
        password = self.args.password or place.passwords.get(seat)
        if password is None:
            raise NoCentre(f"the centre has no seat {seat}; there are: {', '.join(sorted(place.passwords)[:20]) or 'none'}")
        return str(password)

    def tell(self, event: str, fields: dict[str, object]) -> None:
        """Print one event."""
        if self.args.json:
            print(json.dumps({"at_ms": self._clock.now_ms(), "event": event, **fields}, ensure_ascii=False), flush=True)
        else:
            rest = " ".join(f"{name}={value}" for name, value in fields.items() if name != "seat" and value not in ("", 0))
            print(f"{fields.get('seat', '')}: {event} {rest}".rstrip(), flush=True, file=sys.stdout)


COMMAND = Command("seat", "be a simulated desk phone: register, answer, speak, record", add_arguments, run)
