"""rtpengine as the call logic sees it (rtp.api.Audio).

Every leg has a dummy partner `D-<leg>`, and is opened towards it. Two legs are paired by offering and answering their SDPs
to each other under their own tags: ports stay, nobody gets a re-INVITE. docs/adr/0401-dummy-partners.md tells why.
All verbs of one call run one after the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import zlib
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

from media.rtp import sdp, strays
from media.rtp.api import BadSdp, Digit, LegAudio, RtpError, Sender, Senders
from media.rtp.bencode import Encodable
from media.rtp.legs import BOTH, QUIET, SAVE, OpenCall, OpenLeg, Turn, conversion, tags_of
from media.rtp.ng import NgClient, NgTimeout, Reply
from media.rtp.places import NOWHERE, Place, Places
from media.rtp.replies import last_packet_ms, sender_of, walk
from media.rtp.sdp import read
from media.rtp.statistics import Ask
from media.rtp.tap import Tap
from media.ua.api import Leg
from ops.clock import Clock
from ops.ids import CallId

SAVE_AFTER_S = 0.2
CHECK_S = (0.5, 2.0)  # the first look at where a phone's audio comes from, and the next ones until it is known

log = logging.getLogger(__name__)


class RtpEngine:
    """rtp.api.Audio over one ng client. `address`: the one that RTP goes to. `open()` before use, `close_tap()` after."""

    def __init__(self, ng: NgClient, address: str, places: Places, clock: Clock) -> None:
        self._ng = ng
        self._places = places
        self._tap = Tap(address, clock, self._pressed)
        self._dummy = sdp.Dummy(address, 9)
        self._sources: dict[CallId, dict[Leg, str]] = {}  # where the signalling of legs comes from
        self._calls: dict[CallId, OpenCall] = {}
        self._listener: Callable[[Digit], None] | None = None
        self._saving: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Begin to hear key presses. Raises OSError."""
        self._dummy = sdp.Dummy(self._tap.address, self._tap.open())

    def close_tap(self) -> None:
        """The end of `open`."""
        self._tap.close()

    # ---- opening ----------------------------------------------------------------------------------------------
    def located(self, leg: Leg, source: str) -> None:
        """The address that the leg's last SDP came from. Told before the SDP: without it no audio goes anywhere."""
        self._sources.setdefault(leg.call, {})[leg] = source

    def _place(self, leg: Leg, phone: sdp.Audio) -> Place:
        source = self._sources.get(leg.call, {}).get(leg, "")
        return self._places.place(source, phone.address, phone.port)

    async def open_inbound(self, leg: Leg, sdp: bytes) -> bytes:
        """Open a leg for the offer of a phone; the SDP for our 200. Raises BadSdp, RtpError; then nothing stays open."""
        phone = read(sdp)
        place = self._place(leg, phone)
        async with self._opening(leg) as one:
            return await self._greet(one, phone, place)

    async def open_outbound(self, leg: Leg) -> bytes:
        """Open a leg that we call; the SDP for our INVITE.

        The codec of the call's first phone leads, to spare converting; keys have that phone's payload type, because rtpengine
        passes them on as they are.
        """
        async with self._opening(leg) as one:
            nobody = self._dummy.text(*self._preferred(leg))
            reply = await self._do("offer", leg, {**tags_of(one.dummy_tag, one.tag), "sdp": nobody}, QUIET[False])
            return self._for_phone(one, reply, None)

    async def answered(self, leg: Leg, sdp: bytes) -> None:
        """The phone's answer to an outbound leg. Raises BadSdp, RtpError."""
        phone = read(sdp)
        place = self._place(leg, phone)
        async with self._turn(leg) as one:
            asked = one.phone is not None
            one.take(phone, place)
            if one.partner is not None:  # told twice, or after a re-offer of ours
                await self._join(one, one.partner)
                return
            if asked:
                await self._park(one)
                await self._settle_in(one)
                return
            tags = tags_of(one.dummy_tag, one.tag)
            reply = await self._do("answer", leg, {**tags, "sdp": one.text()}, QUIET[one.learned])
            self._tapped(one, reply)
            await self._settle_in(one)

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
        phone = read(sdp)
        place = self._place(leg, phone)
        async with self._turn(leg) as one:
            await self._learn(one)
            return await self._greet(one, phone, place)

    async def _greet(self, one: OpenLeg, phone: sdp.Audio, place: Place) -> bytes:
        """Offer the phone's SDP to the leg's partner and answer for it, in the direction that the phone left open."""
        other, before = one.partner, (one.phone, one.place, one.signalled)
        one.take(phone, place)
        try:
            direction = sdp.mirror(phone.direction)
            answer = other.text(direction) if other else self._dummy.text(phone.codecs, phone.keys, direction)
            convert = conversion(phone, other.needed()) if other else b""
            tags = tags_of(one.tag, other.tag if other else one.dummy_tag)
            theirs = await self._do("offer", one.leg, {**tags, "sdp": one.text()}, QUIET[one.learned] + convert)
            learned = other is not None and other.learned
            reply = await self._do("answer", one.leg, {**tags, "sdp": answer}, SAVE[learned] + convert)
            out = self._for_phone(one, reply, phone)
        except RtpError:
            one.phone, one.place, one.signalled = before
            raise
        if other is None:
            self._tapped(one, theirs)
        await self._settle_in(one)
        return out

    async def _settle_in(self, one: OpenLeg) -> None:
        """What follows a phone's SDP: keys in the voice are listened for if it has no others, its audio's source is looked for."""
        if not one.needed().keys and not one.in_band:
            fields: dict[str, Encodable] = {"from-tag": one.tag, "delay-buffer": 0, "flags": ["detect-DTMF"]}
            await self._do("unblock DTMF", one.leg, fields)
            one.in_band = True
        if one.learned:
            self._look_later(one.leg, CHECK_S[0])

    def _tapped(self, one: OpenLeg, reply: Reply) -> None:
        """A leg is with its dummy: its key presses come from the port that rtpengine's SDP for the dummy names."""
        phone, text = one.needed(), reply.get("sdp")
        if phone.keys and isinstance(text, bytes):
            self._tap.listen(one.leg, sdp.audio_port(text), phone.keys)

    def _for_phone(self, one: OpenLeg, reply: Reply, offer: sdp.Audio | None) -> bytes:
        """The SDP in rtpengine's reply, made ours."""
        text = reply.get("sdp")
        if not isinstance(text, bytes):
            raise RtpError("rtpengine answered without an SDP")
        one.version += 1
        session = zlib.crc32(f"{one.leg.call} {one.leg.leg}".encode())
        one.told, one.port = sdp.for_phone(text, session, one.version, offer)
        return one.told

    def _preferred(self, leg: Leg) -> tuple[tuple[str, ...], str]:
        """Voice codecs and key presses for an offer of ours."""
        phones = [one.phone for one in self._calls[leg.call].legs.values() if one.phone is not None]
        first = phones[0].codecs[:1] if phones else ()
        keys = phones[0].keys.partition("/")[0] if phones else ""
        return (*first, *(codec for codec in BOTH if codec not in first)), f"{keys}/{sdp.RATE}" if keys else sdp.OUR_KEYS

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
        phone = read(sdp)
        place = self._place(other, phone)
        if one.call != other.call:
            raise RtpError("legs of two calls cannot be paired")
        async with self._turn(one) as left:
            right = self._known(other)
            right.take(phone, place)
            await self._pair(left, right, SAVE_AFTER_S if recorded else 0)

    async def _pair(self, left: OpenLeg, right: OpenLeg, save_after_s: float = 0) -> None:
        for side, keep in ((left, right), (right, left)):
            side.needed()
            if side.partner is not None and side.partner is not keep:
                await self._park(side.partner)
        await self._join(left, right, save_after_s)
        left.partner, right.partner = right, left

    async def _join(self, left: OpenLeg, right: OpenLeg, save_after_s: float = 0) -> None:
        """Pair two legs. Redis is told at once, or after a while if nothing else tells it."""
        await self._learn(left)
        await self._learn(right)
        await self._joined(left, right, saved=not save_after_s)
        await self._settle_in(left)
        await self._settle_in(right)
        if save_after_s:
            self._save_later(left.leg, save_after_s)
        else:
            self._saved(left.leg)

    async def _joined(self, left: OpenLeg, right: OpenLeg, saved: bool) -> None:
        """Offer left's SDP to right and answer with right's."""
        tags, convert = tags_of(left.tag, right.tag), conversion(left.needed(), right.needed())
        await self._do("offer", left.leg, {**tags, "sdp": left.text()}, QUIET[left.learned] + convert)
        kind = SAVE if saved else QUIET
        await self._do("answer", left.leg, {**tags, "sdp": right.text()}, kind[right.learned] + convert)

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
        self._spawn(self._save(leg))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
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

    async def _answer_again(self, one: OpenLeg, partner: OpenLeg, fields: dict[str, Encodable]) -> None:
        """Repeat the answer of a pairing, with more fields; Redis is told."""
        await self._learn(partner)  # an answer makes rtpengine learn anew what it was to learn
        told = {**tags_of(one.tag, partner.tag), "sdp": partner.text(), **fields}
        await self._do("answer", one.leg, told, SAVE[partner.learned] + conversion(one.needed(), partner.needed()))

    async def park(self, leg: Leg) -> None:
        """The leg hears nobody, nor does its partner."""
        async with self._turn(leg) as one:
            if one.partner is not None:
                await self._park(one.partner)
            await self._park(one)

    async def _park(self, one: OpenLeg) -> None:
        """Pair a leg with its dummy. A leg that has not answered is with its dummy anyway."""
        if one.phone is not None:
            await self._learn(one)
            await self._parked(one)
            self._saved(one.leg)
        if one.partner is not None:
            one.partner.partner = None
            one.partner = None

    async def _parked(self, one: OpenLeg) -> None:
        phone, tags = one.needed(), tags_of(one.dummy_tag, one.tag)
        await self._do("offer", one.leg, {**tags, "sdp": self._dummy.text(phone.codecs, phone.keys)}, QUIET[False])
        reply = await self._do("answer", one.leg, {**tags, "sdp": one.text()}, SAVE[one.learned])
        self._tapped(one, reply)

    # ---- where audio comes from -------------------------------------------------------------------------------
    def _look_later(self, leg: Leg, after_s: float) -> None:
        call = self._calls.get(leg.call)
        if call is not None and call.looking is None:
            call.looking = asyncio.get_running_loop().call_later(after_s, lambda: self._spawn(self._look(leg, call)))

    async def _look(self, leg: Leg, call: OpenCall) -> None:
        """Look for the sources of the call's phones, until all are known."""
        async with call.turn:
            call.looking = None
            if self._calls.get(leg.call) is not call:
                return
            for one in call.legs.values():
                with contextlib.suppress(RtpError):  # the next verb will tell
                    await self._learn(one)
            if any(one.learned for one in call.legs.values()):
                self._look_later(leg, CHECK_S[1])

    async def _learn(self, one: OpenLeg) -> None:
        """Keep what rtpengine has learned of a leg: from now on audio goes there alone and comes from there alone.

        What came from an address that the phone's signalling says nothing of is a stranger's: the leg goes back to what was
        signalled.
        """
        place = one.place
        if place is None or not place.learned:
            return
        sender = sender_of(await self._do("query", one.leg, {"from-tag": one.tag}), one.tag)
        if sender is None:
            return
        if sender[0] in place.expected and self._places.permits(*sender):
            one.fix(*sender)
            await self._told_again(one)
            return
        log.warning("a stranger sent audio to a call and is shut out", extra={"call": one.leg.call, "source": sender[0]})
        await self._shut(one)

    async def _told_again(self, one: OpenLeg) -> None:
        """Tell rtpengine a leg's place by one answer: in two commands there is time for a stranger's packet between them."""
        other = one.partner
        convert = conversion(other.needed(), one.needed()) if other else b""
        tags = tags_of(other.tag if other else one.dummy_tag, one.tag)
        await self._do("answer", one.leg, {**tags, "sdp": one.text()}, SAVE[False] + convert)

    async def _shut(self, one: OpenLeg) -> None:
        """Take audio from the signalled place alone. rtpengine forgets whom it has learned only where the address changes."""
        place = one.place
        assert place is not None
        for address in (NOWHERE, place.address):
            one.place = Place(address, place.port)
            await self._told_again(one)

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
            stream = walk(reply, "tags", one.tag, "medias", 0, "streams", 0)
            port, packets = walk(stream, "local port"), walk(stream, "stats", "packets")
            last = walk(stream, "last packet")
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
            self._tap.forget(leg)
            self._sources.get(leg.call, {}).pop(leg, None)
            if one.partner is not None:
                await self._park(one.partner)
                await self._park(one)
            for tag in (one.tag, one.dummy_tag):
                await self._do("delete", leg, {"from-tag": tag})

    async def close_call(self, leg: Leg) -> Senders:
        """Free all legs of the leg's call; whose audio was taken. A call that nobody knows is closed already."""
        call = self._calls.pop(leg.call, None)
        self._sources.pop(leg.call, None)
        if call is not None:
            call.over()
        async with call.turn if call else contextlib.nullcontext():
            reply = await self._do("delete", leg, {})
        legs = call.legs.values() if call else ()
        for one in legs:
            self._tap.forget(one.leg)
        return {one.port: Sender(one.heard(sender_of(reply, one.tag)), last_packet_ms(reply, one.tag)) for one in legs}

    def on_digit(self, listener: Callable[[Digit], None]) -> None:
        """Where key presses go; the last listener counts."""
        self._listener = listener

    def digit(self, digit: Digit) -> None:
        """rtpengine heard a key press: those of legs that talk, and tones in the voice of phones that have no other keys."""
        one = self._leg_of(digit)
        if one is not None and self._listener is not None and (one.partner is not None or one.in_band):
            self._listener(digit)

    def _pressed(self, digit: Digit) -> None:
        """The tap heard a key press: those of legs that are parked."""
        one = self._leg_of(digit)
        if one is not None and self._listener is not None and one.partner is None:
            self._listener(digit)

    def _leg_of(self, digit: Digit) -> OpenLeg | None:
        call = self._calls.get(digit.leg.call)
        return call.legs.get(digit.leg) if call is not None else None

    @property
    def ask(self) -> Ask:
        """The control protocol itself, for what belongs to no call."""
        return self._ng.command

    async def sweep(self, now_ms: int, quiet_ms: int) -> list[str]:
        """Delete calls that an earlier run of this node left and nobody has sent audio on for so long; their ids."""
        return await strays.sweep(self._ng.command, lambda call: CallId(call) in self._calls, now_ms, quiet_ms)

    # ---- within -----------------------------------------------------------------------------------------------
    @contextlib.asynccontextmanager
    async def _opening(self, leg: Leg) -> AsyncIterator[OpenLeg]:
        """The turn of a leg that may be new; what fails leaves nothing behind."""
        call = self._calls.setdefault(leg.call, OpenCall())
        async with call.turn:
            new = leg not in call.legs
            one = call.legs.setdefault(leg, OpenLeg(leg))
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

    def _turn(self, leg: Leg) -> Turn:
        call = self._calls.get(leg.call)
        if call is None:
            raise RtpError(f"call of leg {leg.leg} is not open")
        return Turn(self._known, call.turn, leg)

    def _known(self, leg: Leg) -> OpenLeg:
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
