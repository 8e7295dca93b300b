"""rtpengine as the call logic sees it (rtp.api.Audio).

Every leg has a dummy partner `D-<leg>`, and is opened towards it. Two legs are paired by offering and answering their SDPs
to each other under their own tags: ports stay, nobody gets a re-INVITE. docs/adr/0401-dummy-partners.md tells why.
All verbs of one call run one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from media.rtp import digits, sdp, strays
from media.rtp.api import BadSdp, Digit, LegAudio, RtpError
from media.rtp.bencode import Encodable, Value, flat
from media.rtp.ng import NgClient, NgTimeout, Reply
from media.ua.api import Leg
from ops.centre import CentreConfig
from ops.ids import CallId
from ops.ports import LOOPBACK

BASE: dict[str, Encodable] = {
    "ICE": "remove",
    "replace": ["origin", "session-connection"],
    "flags": ["port latching"],
}
# Each write of a call to Redis costs rtpengine half a millisecond: only the last command of a verb asks for it.
SAVE = flat(BASE)
QUIET = flat(BASE | {"flags": ["port latching", "no redis update"]})
SAVE_AFTER_S = 0.2
BOTH = ("PCMA", "PCMU")
CONVERT = flat({"codec": {"transcode": BOTH}})  # half as much work again for rtpengine: only where it is needed


@dataclass(slots=True)
class _Leg:
    """What must be known of a leg to pair it again. `phone` is the phone's last SDP, None before its answer."""

    leg: Leg
    phone: sdp.Audio | None = None
    port: int = 0  # local port its phone sends to
    version: int = 0  # of the SDP the phone has from us
    told: bytes = b""  # that SDP
    partner: _Leg | None = None

    @property
    def tag(self) -> str:
        return self.leg.leg

    @property
    def dummy_tag(self) -> str:
        return f"D-{self.leg.leg}"

    def needed(self) -> sdp.Audio:
        """The phone's SDP; RtpError if it has not answered."""
        if self.phone is None:
            raise RtpError(f"leg {self.tag} has not answered yet")
        return self.phone


@dataclass(slots=True)
class _Call:
    legs: dict[Leg, _Leg] = field(default_factory=dict)
    recording: str = ""
    unsaved: asyncio.TimerHandle | None = None  # a pairing that Redis has not been told of

    def saved(self) -> None:
        """Redis knows, or need not know any more."""
        if self.unsaved is not None:
            self.unsaved.cancel()
            self.unsaved = None

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class _Turn:
    """`async with` the turn of a leg's call: contextlib's way costs three times as much."""

    __slots__ = ("known", "leg", "lock")

    def __init__(self, known: Callable[[Leg], _Leg], lock: asyncio.Lock, leg: Leg) -> None:
        self.known, self.lock, self.leg = known, lock, leg

    async def __aenter__(self) -> _Leg:
        await self.lock.acquire()
        try:
            return self.known(self.leg)  # only now: it may have been closed meanwhile
        except RtpError:
            self.lock.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self.lock.release()


class RtpEngine:
    """rtp.api.Audio over one ng client. `address`: the address RTP goes to, which the dummies have too."""

    def __init__(self, ng: NgClient, address: str) -> None:
        self._ng = ng
        self._address = address
        self._calls: dict[CallId, _Call] = {}
        self._listener: Callable[[Digit], None] | None = None
        self._saving: set[asyncio.Task[None]] = set()

    # ---- opening ----------------------------------------------------------------------------------------------
    async def open_inbound(self, leg: Leg, sdp: bytes) -> bytes:
        """Open a leg for the offer of a phone; the SDP for our 200. Raises BadSdp, RtpError; then nothing stays open."""
        phone = _read(sdp)
        async with self._opening(leg) as one:
            return await self._greet(one, phone)

    async def open_outbound(self, leg: Leg) -> bytes:
        """Open a leg that we call; the SDP for our INVITE. The codec of the call's first phone leads, to spare converting."""
        async with self._opening(leg) as one:
            nobody = sdp.dummy(self._address, self._preferred(leg))
            reply = await self._do("offer", leg, {**_tags(one.dummy_tag, one.tag), "sdp": nobody}, QUIET)
            return self._for_phone(one, reply, None)

    async def answered(self, leg: Leg, sdp: bytes) -> None:
        """The phone's answer to an outbound leg. Raises BadSdp, RtpError."""
        phone = _read(sdp)
        async with self._turn(leg) as one:
            asked, one.phone = one.phone is not None, phone
            if one.partner is not None:  # told twice, or after a re-offer of ours
                await self._join(one, one.partner)
                return
            if asked:
                await self._park(one)
                return
            await self._do("answer", leg, {**_tags(one.dummy_tag, one.tag), "sdp": phone.text()}, QUIET)

    async def offer(self, leg: Leg) -> bytes:
        """Our offer for a phone that asks for one: what it has from us, as sendrecv (RFC 3261 §14.2, RFC 6337 §5.1)."""
        async with self._turn(leg) as one:
            if not one.told:
                raise RtpError(f"leg {one.tag} has no SDP of ours yet")
            one.version += 1
            one.told = sdp.ready(one.told, one.version)
            return one.told

    async def reoffer(self, leg: Leg, sdp: bytes) -> bytes:
        """The phone's new offer within the dialog; the SDP for our 200. Whom it hears stays as it is.

        rtpengine goes on sending to a phone that holds (sendonly); the phone throws it away. Park it to save that.
        """
        phone = _read(sdp)
        async with self._turn(leg) as one:
            return await self._greet(one, phone)

    async def _greet(self, one: _Leg, phone: sdp.Audio) -> bytes:
        """Offer the phone's SDP to the leg's partner and answer for it, in the direction that the phone left open."""
        other, to = one.partner, one.partner.tag if one.partner else one.dummy_tag
        direction = sdp.mirror(phone.direction)
        answer = other.needed().text(direction) if other else sdp.dummy(self._address, phone.codecs, direction)
        convert = _convert(phone, other.needed()) if other else b""
        tags = _tags(one.tag, to)
        await self._do("offer", one.leg, {**tags, "sdp": phone.text()}, QUIET + convert)
        reply = await self._do("answer", one.leg, {**tags, "sdp": answer}, SAVE + convert)
        out = self._for_phone(one, reply, phone)
        one.phone = phone
        return out

    def _for_phone(self, one: _Leg, reply: Reply, offer: sdp.Audio | None) -> bytes:
        """The SDP in rtpengine's reply, made ours."""
        text = reply.get("sdp")
        if not isinstance(text, bytes):
            raise RtpError("rtpengine answered without an SDP")
        one.version += 1
        session = zlib.crc32(f"{one.leg.call} {one.leg.leg}".encode())
        one.told, one.port = sdp.for_phone(text, session, one.version, offer)
        return one.told

    def _preferred(self, leg: Leg) -> tuple[str, ...]:
        phones = [one.phone for one in self._calls[leg.call].legs.values() if one.phone is not None]
        first = phones[0].codecs[:1] if phones else ()
        return (*first, *(codec for codec in BOTH if codec not in first))

    # ---- who hears whom ---------------------------------------------------------------------------------------
    async def pair(self, one: Leg, other: Leg) -> None:
        """Let two legs of one call hear each other; both are parted from whoever they heard."""
        if one.call != other.call:
            raise RtpError("legs of two calls cannot be paired")
        async with self._turn(one) as left:
            await self._pair(left, self._known(other))

    async def connect(self, one: Leg, other: Leg, sdp: bytes, recorded: bool = False) -> None:
        """The answer of `other`'s phone to our offer, and pair both: one or two commands less than one verb after the other.

        `recorded`: `record` follows at once, and tells Redis of the pairing too. Raises BadSdp, RtpError.
        """
        phone = _read(sdp)
        if one.call != other.call:
            raise RtpError("legs of two calls cannot be paired")
        async with self._turn(one) as left:
            right = self._known(other)
            right.phone = phone
            await self._pair(left, right, SAVE_AFTER_S if recorded else 0)

    async def _pair(self, left: _Leg, right: _Leg, save_after_s: float = 0) -> None:
        for side, keep in ((left, right), (right, left)):
            side.needed()
            if side.partner is not None and side.partner is not keep:
                await self._park(side.partner)
        await self._join(left, right, save_after_s)
        left.partner, right.partner = right, left

    async def _join(self, left: _Leg, right: _Leg, save_after_s: float = 0) -> None:
        """Offer left's SDP to right and answer with right's; Redis is told at once, or after a while if nothing else tells it."""
        one, other = left.needed(), right.needed()
        tags, convert = _tags(left.tag, right.tag), _convert(one, other)
        await self._do("offer", left.leg, {**tags, "sdp": one.text()}, QUIET + convert)
        await self._do("answer", left.leg, {**tags, "sdp": other.text()}, (QUIET if save_after_s else SAVE) + convert)
        if save_after_s:
            self._save_later(left.leg, save_after_s)
        else:
            self._saved(left.leg)

    def _saved(self, leg: Leg) -> None:
        call = self._calls.get(leg.call)
        if call is not None:
            call.saved()

    def _save_later(self, leg: Leg, after_s: float) -> None:
        """A recording is to follow, and its command saves the pairing too: wait for that, not for ever."""
        call = self._calls.get(leg.call)
        if call is not None:  # else it was closed meanwhile
            call.saved()
            call.unsaved = asyncio.get_running_loop().call_later(after_s, self._start_saving, leg)

    def _start_saving(self, leg: Leg) -> None:
        task = asyncio.get_running_loop().create_task(self._save(leg))
        self._saving.add(task)  # else nothing holds it
        task.add_done_callback(self._saving.discard)

    async def _save(self, leg: Leg) -> None:
        """Repeat the answer of a pairing, which Redis is told of this time."""
        call = self._calls.get(leg.call)
        if call is None or call.unsaved is None:
            return
        async with call.turn:
            one = call.legs.get(leg)
            if one is not None and one.partner is not None and call.unsaved is not None:
                with contextlib.suppress(RtpError):  # the pairing itself went well; the next verb will tell
                    await self._answer_again(one, one.partner, {})
            call.unsaved = None

    async def _answer_again(self, one: _Leg, partner: _Leg, fields: dict[str, Encodable]) -> None:
        """Repeat the answer of a pairing, with more fields; Redis is told."""
        other = partner.needed()
        told = {**_tags(one.tag, partner.tag), "sdp": other.text(), **fields}
        await self._do("answer", one.leg, told, SAVE + _convert(one.needed(), other))

    async def park(self, leg: Leg) -> None:
        """The leg hears nobody, nor does its partner."""
        async with self._turn(leg) as one:
            if one.partner is not None:
                await self._park(one.partner)
            await self._park(one)

    async def _park(self, one: _Leg) -> None:
        """Pair a leg with its dummy. A leg that has not answered is with its dummy anyway."""
        if one.phone is not None:
            tags = _tags(one.dummy_tag, one.tag)
            nobody = sdp.dummy(self._address, one.phone.codecs)
            await self._do("offer", one.leg, {**tags, "sdp": nobody}, QUIET)
            await self._do("answer", one.leg, {**tags, "sdp": one.phone.text()}, SAVE)
            self._saved(one.leg)
        if one.partner is not None:
            one.partner.partner = None
            one.partner = None

    # ---- playing ----------------------------------------------------------------------------------------------
    async def play(self, leg: Leg, file: Path, repeat: int = 1) -> int:
        """Play a published A-law .au to a parked leg, stopping what plays; its length in ms (of one round)."""
        async with self._turn(leg) as one:
            if one.partner is not None:
                raise RtpError(f"leg {one.tag} is not parked: it cannot be played to")
            fields: dict[str, Encodable] = {"from-tag": one.tag, "file": str(file)}
            if repeat > 1:
                fields["repeat-times"] = repeat
            reply = await self._do("play media", leg, fields)
            duration = reply.get("duration")
            if not isinstance(duration, int):
                raise RtpError(f"rtpengine does not play {file.name}: no duration in its answer")
            return duration

    async def stop(self, leg: Leg) -> None:
        """Stop playing; harmless when nothing plays."""
        async with self._turn(leg) as one:
            await self._do("stop media", leg, {"from-tag": one.tag})

    # ---- recording --------------------------------------------------------------------------------------------
    async def record(self, leg: Leg, name: str) -> None:
        """Start recording the leg's call. `name` stands in the metadata file that belongs to the pcap.

        rtpengine does not tell Redis of `start recording`; of a flag on a repeated answer it does. So a pair is recorded that
        way, and goes on being recorded when rtpengine is restarted.
        """
        async with self._turn(leg) as one:
            call = self._calls[leg.call]
            if call.recording not in ("", name):
                await self._do("stop recording", leg, {})
            if one.partner is None:
                await self._do("start recording", leg, {"metadata": name})
            else:
                await self._answer_again(one, one.partner, {"record call": "on", "metadata": name})
                call.saved()
            call.recording = name

    async def stop_record(self, leg: Leg) -> None:
        """Stop recording the leg's call; the pcap is complete after this."""
        async with self._turn(leg):
            await self._do("stop recording", leg, {})
            self._calls[leg.call].recording = ""

    # ---- looking and closing ----------------------------------------------------------------------------------
    async def look(self, leg: Leg) -> LegAudio:
        """Port and last packet of a leg (rtpengine knows it to the second)."""
        async with self._turn(leg) as one:
            reply = await self._do("query", leg, {"from-tag": one.tag})
            stream = _walk(reply, "tags", one.tag, "medias", 0, "streams", 0)
            port, packets = _walk(stream, "local port"), _walk(stream, "stats", "packets")
            last = _walk(stream, "last packet")
            if not isinstance(port, int) or not isinstance(packets, int) or not isinstance(last, int):
                raise RtpError("rtpengine's answer to 'query' lacks the leg's stream")
            return LegAudio(port, packets, last * 1000 if packets else 0)

    async def close(self, leg: Leg) -> None:
        """Free a leg, whoever it was paired with hears nobody; closing the last one frees the call. Unknown: nothing to do."""
        call = self._calls.get(leg.call)
        if call is None or leg not in call.legs:
            return
        if len(call.legs) == 1:
            await self.close_call(leg)
            return
        async with call.turn:
            one = call.legs.pop(leg, None)
            if one is None:
                return
            if one.partner is not None:
                await self._park(one.partner)
                await self._park(one)
            for tag in (one.tag, one.dummy_tag):
                await self._do("delete", leg, {"from-tag": tag})

    async def close_call(self, leg: Leg) -> None:
        """Free all legs of the leg's call. A call that nobody knows is closed already."""
        call = self._calls.pop(leg.call, None)
        if call is not None:
            call.saved()
        async with call.turn if call else contextlib.nullcontext():
            await self._do("delete", leg, {})

    def on_digit(self, listener: Callable[[Digit], None]) -> None:
        """Where key presses go; the last listener counts."""
        self._listener = listener

    def digit(self, digit: Digit) -> None:
        """A key press arrived; of legs we do not know it is none."""
        call = self._calls.get(digit.leg.call)
        if self._listener is not None and call is not None and digit.leg in call.legs:
            self._listener(digit)

    async def sweep(self, now_ms: int, quiet_ms: int) -> list[str]:
        """Delete calls that an earlier run of this node left and nobody has sent audio on for so long; their ids."""
        return await strays.sweep(self._ng.command, lambda call: CallId(call) in self._calls, now_ms, quiet_ms)

    # ---- within -----------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def _opening(self, leg: Leg) -> AsyncIterator[_Leg]:
        """The turn of a leg that may be new; what fails leaves nothing behind."""
        call = self._calls.setdefault(leg.call, _Call())
        async with call.turn:
            new = leg not in call.legs
            one = call.legs.setdefault(leg, _Leg(leg))
            try:
                yield one
            except RtpError as error:
                if new:
                    del call.legs[leg]
                if not call.legs:
                    self._calls.pop(leg.call, None)
                    if not isinstance(error, NgTimeout):  # else it would not answer to this either
                        with contextlib.suppress(RtpError):  # told by the first error
                            await self._do("delete", leg, {})
                raise

    def _turn(self, leg: Leg) -> _Turn:
        call = self._calls.get(leg.call)
        if call is None:
            raise RtpError(f"call of leg {leg.leg} is not open")
        return _Turn(self._known, call.turn, leg)

    def _known(self, leg: Leg) -> _Leg:
        call = self._calls.get(leg.call)
        if call is None or leg not in call.legs:
            raise RtpError(f"leg {leg.leg} is not open")
        return call.legs[leg]

    async def _do(self, command: str, leg: Leg, fields: dict[str, Encodable], more: bytes = b"") -> Reply:
        reply = await self._ng.command(command, {"call-id": leg.call, **fields}, more)
        if reply.get("result") == b"ok":
            return reply
        reason = reply.get("error-reason")
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else "no reason given"
        kind = BadSdp if "SDP" in text else RtpError
        raise kind(f"rtpengine refused {command!r}: {text}")


def _read(text: bytes) -> sdp.Audio:
    """sdp.read, for verbs whose parameter has the module's name."""
    return sdp.read(text)


def _convert(one: sdp.Audio, other: sdp.Audio) -> bytes:
    """The field that has rtpengine convert between two phones; nothing if both may send the same."""
    return b"" if set(one.codecs) == set(other.codecs) else CONVERT


def _tags(offerer: str, answerer: str) -> dict[str, Encodable]:
    return {"from-tag": offerer, "to-tag": answerer}


def _walk(value: Value | None, *steps: str | int) -> Value | None:
    """What stands at the end of the steps, None if the way is not there."""
    here = value
    for step in steps:
        if isinstance(here, dict) and isinstance(step, str):
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            here = here[step]
        else:
            return None
    return here


@contextlib.asynccontextmanager
async def connect(config: CentreConfig, index: int) -> AsyncIterator[RtpEngine]:
    """The rtpengine of media node `index`, key presses included, for as long as the context lasts."""
    ng = NgClient(LOOPBACK, config.ports.ng + index)
    await ng.open()
    engine = RtpEngine(ng, config.media.rtp_address)
    listener = await digits.listen(LOOPBACK, config.ports.dtmf + index, engine.digit)
    try:
        yield engine
    finally:
        listener.close()
        ng.close()
