"""One rtpengine, its client, and the phones of a test."""

from __future__ import annotations

from pathlib import Path

from media.rtp.hold import HoldingEngine
from media.ua.api import Leg
from ops.audio import Samples, au_bytes
from ops.ids import CallId, LegId
from ops.ports import LOOPBACK
from tests.kit.rtp_phone import KEY_TYPE, RtpPhone, voice
from tests.kit.wait import until_async

ALIKE = 0.95
CALLER, AGENT, SECOND, PROMPT = voice(1), voice(2), voice(3), voice(4, 2.0)


def leg(name: str, call: str = "019a0000-0000-7000-8000-000000000001") -> Leg:
    return Leg(CallId(call), LegId(name))


class House:
    """One rtpengine, its client, and the phones of a test."""

    def __init__(self, engine: HoldingEngine, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        self.phones: list[RtpPhone] = []

    async def phone(self, sound: Samples, codec: str = "PCMA", key_type: int = KEY_TYPE, host: str = LOOPBACK) -> RtpPhone:
        phone = await RtpPhone.open(codec, host, key_type)
        phone.say(sound)
        self.phones.append(phone)
        return phone

    async def caller(self, name: str = "a", sound: Samples = CALLER, codec: str = "PCMA") -> tuple[Leg, RtpPhone]:
        phone = await self.phone(sound, codec)
        await self.calls(name, phone)
        return leg(name), phone

    async def calls(self, name: str, phone: RtpPhone) -> None:
        """A phone's INVITE, from where its audio is."""
        self.engine.located(leg(name), phone.address[0])
        phone.connect(await self.engine.open_inbound(leg(name), phone.sdp()))

    async def answers(self, name: str, phone: RtpPhone) -> None:
        """A phone that is called and answers."""
        phone.connect(await self.engine.open_outbound(leg(name)))
        self.engine.located(leg(name), phone.address[0])
        await self.engine.answered(leg(name), phone.sdp())

    async def agent(self, name: str = "b1", sound: Samples = AGENT, codec: str = "PCMA") -> tuple[Leg, RtpPhone]:
        phone = await self.phone(sound, codec)
        await self.answers(name, phone)
        return leg(name), phone

    def prompt(self, sound: Samples = PROMPT) -> Path:
        path = self.folder / "prompt.au"
        path.write_bytes(au_bytes(sound))
        return path


async def hears(phone: RtpPhone, sound: Samples) -> None:
    """From now on the phone hears this sound, for 0.8 s at the least."""
    start = phone.mark()
    await until_async(lambda: phone.mark() > start + 40 and phone.likeness(sound, start) > ALIKE, 8, "the sound is heard", 0.2)


async def hears_nobody(phone: RtpPhone, seconds: float = 0.5) -> None:
    """Nothing reaches the phone any more."""
    quiet = [phone.mark()]

    def still() -> bool:
        quiet.append(phone.mark())
        return len(quiet) > seconds / 0.1 and quiet[-1] == quiet[-int(seconds / 0.1)]

    await until_async(still, 8, "nothing is heard", 0.1)
