"""One call, the whole way, on the real components: edge, router, media, rtpengine, seat, ledger, console."""

from __future__ import annotations

import hashlib
import wave
from io import BytesIO

import numpy as np

from ops import audio
from tests.kit.centre import Centre
from tests.kit.console import login
from tests.kit.phones import Phones
from tests.kit.rtp_phone import likeness


def channels(wav: bytes) -> tuple[audio.Samples, audio.Samples]:
    """Left (caller) and right (agent) of a stereo recording."""
    with wave.open(BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        both = np.frombuffer(file.readframes(file.getnframes()), np.int16)
    return both[0::2], both[1::2]


def says(channel: audio.Samples, voice: audio.Samples) -> bool:
    """Half a second of the voice stands in the channel as it was spoken."""
    return likeness(channel, voice) > 0.9


async def test_a_call_goes_all_the_way(centre: Centre, many: Phones) -> None:
    """A caller chooses in the menu, an agent answers, both hear each other, and ledger and recording tell it as it was."""
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        seat = await many.seat("8001")
        await agent.ready()
        caller = await many.call(number="13800138001", digits="22")
        await seat.talks()
        await caller.hears(seat.voice)
        await seat.hears(caller.voice)
        pop = (await agent.state_is("talking"))["call"]
        assert pop["calling"].endswith("13800138001")
        assert pop["home"]["province"] == "北京市"
        assert pop["menu_path"] == ["bill", "statement"]
        await caller.hang_up()
        assert (await seat.over()).by == "them"
        await agent.state_is("after_call")
        await agent.post("/api/agent/end-after-call")
        await agent.state_is("ready")
        row = await boss.call_row("13800138001", result="answered", recording="filed")
        assert (row["reason"], row["side"], row["agent"], row["queue"]) == ("hangup", "caller", "1001", "billing")
        left, right = channels(await boss.recording(row["id"]))
        assert says(left, caller.voice), "the caller is on the left"
        assert says(right, seat.voice), "the agent is on the right"
        assert not says(right, caller.voice)
        detail = await boss.get(f"/api/calls/{row['id']}")
        assert detail["recordings"][0]["sha256"] == hashlib.sha256(await boss.recording(row["id"])).hexdigest()
        kinds = [fact["kind"] for fact in detail["facts"]]
        way = ["edge_invite", "routed", "call_started", "menu_chosen", "enqueued", "offered", "bridged", "call_ended", "recorded"]
        assert [kind for kind in dict.fromkeys(kinds) if kind in way] == way


async def test_the_agent_may_hang_up(centre: Centre, many: Phones) -> None:
    """When the seat hangs up the caller is let go, and the ledger says it was the agent [S6]."""
    async with login(centre, "1001") as agent, login(centre, "9001") as boss:
        seat = await many.seat("8001")
        await agent.ready()
        caller = await many.call(number="13800138002", digits="31")
        await seat.talks()
        await caller.hears(seat.voice)
        await seat.hang_up()
        assert (await caller.over()).by == "them"
        row = await boss.call_row("13800138002", result="answered")
        assert (row["side"], row["queue"]) == ("agent", "faults")


async def test_a_caller_may_leave_while_waiting(centre: Centre, many: Phones) -> None:
    """Who hangs up in the queue is counted as abandoned, with the wait, and no agent is bothered."""
    async with login(centre, "9001") as boss:
        caller = await many.call(number="13800138003", digits="0")
        await caller.answered()
        await boss.waiting_are(1)
        await caller.hang_up()
        row = await boss.call_row("13800138003", result="abandoned")
        assert (row["side"], row["queue"]) == ("caller", "billing")
        await boss.waiting_are(0)


async def test_an_unanswered_seat_gives_the_call_back(centre: Centre, many: Phones) -> None:
    """A seat that does not answer goes not ready with the reason; the caller, first in line again, gets the next agent [R6]."""
    async with login(centre, "1001") as first, login(centre, "1002") as second:
        deaf = await many.seat("8001")
        deaf.behave(answer_after=None)
        await first.ready()
        caller = await many.call(digits="0")
        await deaf.rings()
        hearing = await many.seat("8002")
        later = await many.call(digits="0")
        away = await first.state_is("not_ready")
        assert away["reason"] == "no_answer"
        await second.ready()
        await hearing.talks()
        await hearing.hears(caller.voice)
        assert not later.heard_a_person
        await caller.hang_up()
        await later.hang_up()


async def test_ready_needs_a_registered_phone(centre: Centre, many: Phones) -> None:
    """An agent without a phone hears why and stays not ready; a registration that the edge has just kept is enough."""
    async with login(centre, "1001") as agent:
        assert await agent.refused("/api/agent/ready") == "no_phone"
        assert (await agent.now())["state"] == "not_ready"
        seat = await many.seat("8001")
        await agent.ready()
        await agent.post("/api/agent/not-ready", reason="rest")
        await seat.account.unregister()
        assert await agent.refused("/api/agent/ready") == "no_phone"


async def test_a_phone_on_do_not_disturb_is_told_as_that(centre: Centre, many: Phones) -> None:
    """A phone that takes no calls (480) sets its agent not ready as declined, not as unreachable; the caller waits on."""
    async with login(centre, "1001") as agent:
        seat = await many.seat("8001")
        seat.behave(refuse=480)
        await agent.ready()
        caller = await many.call(digits="0")
        assert (await agent.state_is("not_ready"))["reason"] == "declined"
        seat.behave(refuse=0)
        await agent.ready()
        await seat.talks()
        await caller.hang_up()


async def test_a_blacklisted_caller_is_refused(centre: Centre, many: Phones) -> None:
    """A blacklisted number is declined before any media, with a row in the ledger that says why [N3]."""
    async with login(centre, "9001") as boss:
        caller = await many.call(number="13900000000")
        assert (await caller.refused()).status == 603
        row = await boss.call_row("13900000000", result="refused")
        assert row["reason"] == "blacklisted"


async def test_wrong_digits_are_told_and_forgiven(centre: Centre, many: Phones) -> None:
    """A key without a meaning is counted, never written down, and the caller may try again."""
    async with login(centre, "9001") as boss:
        caller = await many.call(number="13800138004", digits="7w7w1")
        await caller.hang_up()
        row = await boss.call_row("13800138004", result="self_served")
        facts = (await boss.get(f"/api/calls/{row['id']}"))["facts"]
        assert [f["body"]["what"] for f in facts if f["kind"] == "digits"] == ["wrong", "wrong"]
        assert all("7" not in str(f["body"].get("item", "")) for f in facts)
