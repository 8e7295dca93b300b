"""The demonstration: what it would notice, and that it holds."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.audio import Samples, decode_alaw, encode_alaw, wav_bytes
from ops.config import load
from ops.demo import check, command, script
from ops.demo.check import Heard, Spoken, Verdict
from ops.supervise.services import ROOT
from tests.kit.ports import free_port

LOOP = 16_000


def babble(seed: int) -> Samples:
    """Two seconds that nobody else says."""
    noise = np.random.default_rng(seed).normal(0, 1, LOOP)
    return np.clip(np.convolve(noise, np.hanning(12), "same") * 2500, -30000, 30000).astype(np.int16)


SOUNDS = {name: babble(seed) for seed, name in enumerate(("caller-1", "caller-2", "seat-1", "seat-2"))}
SPOKEN = Spoken(SOUNDS)


def said(name: str, start: int = 700, samples: int = 28_000) -> Samples:
    """A sound in a loop, as it comes out of the codec."""
    return decode_alaw(encode_alaw(np.tile(SOUNDS[name], 4)[start : start + samples]))


def stereo(left: Samples, right: Samples) -> bytes:
    """A recording of the two."""
    return wav_bytes(np.stack([left, right], axis=1))


def listen(left: Samples, right: Samples) -> Heard:
    """How a recording compares with caller 1 and seat 1."""
    return check.listen(stereo(left, right), "caller-1", "seat-1", SPOKEN)


def test_a_right_recording_is_good_also_with_a_slip_and_silence_at_the_ends() -> None:
    """What was spoken is found at any offset, after a phone skipped some packets, and with pauses."""
    left = said("caller-1").copy()
    left[:3000] = 0
    left[12_000:] = said("caller-1", 13_400, 16_000)
    assert listen(left, said("seat-1", 0)).good


@pytest.mark.parametrize(
    ("left", "right"),
    [
        (said("seat-1"), said("caller-1")),
        (said("caller-2"), said("seat-1")),
        (said("caller-1"), said("seat-2")),
        (said("caller-1"), np.zeros(28_000, np.int16)),
        ((said("caller-1") // 2 + said("caller-2") // 2).astype(np.int16), said("seat-1")),
        (np.concatenate([said("caller-1", 0, 14_000), said("caller-2", 0, 14_000)]), said("seat-1")),
    ],
    ids=["swapped", "other caller", "other agent", "silent agent", "two callers at once", "half of another call"],
)
def test_a_wrong_recording_is_noticed(left: Samples, right: Samples) -> None:
    """Swapped channels, somebody else's words, silence, cross-talk and mixed-up calls are not good."""
    assert not listen(left, right).good


def test_a_recording_of_another_kind_is_refused() -> None:
    """One channel is no stereo recording."""
    with pytest.raises(ValueError, match="want 2 channels"):
        check.channels(wav_bytes(said("caller-1")))


def row(call: script.Call, **changes: Any) -> dict[str, Any]:
    """A ledger row as the script wants it, with changes."""
    want = call.want
    made = {
        "id": call.name,
        "calling": call.calling,
        "result": want.result,
        "side": want.side,
        "reason": want.reason,
        "queue": want.queue,
    }
    return made | {"offers": want.offers, "talk_ms": int(call.talk * 1000), "sip_status": 200, "recording": "filed"} | changes


RIGHT = {call.name: {"error": ""} for call in script.CALLS}
DETAILS = {call.name: {"menu": [{"what": "wrong"}] * call.want.wrong_keys} for call in script.CALLS}


def judged(*rows: dict[str, Any]) -> list[Verdict]:
    """Verdicts with these rows in place of right ones."""
    changed = {one["id"]: one for one in rows}
    return check.judge(script.CALLS, [changed.get(call.name, row(call)) for call in script.CALLS], RIGHT, DETAILS)


def test_a_ledger_as_the_script_wants_it_has_nothing_wrong() -> None:
    """The judge finds nothing where there is nothing."""
    assert [verdict.wrong for verdict in judged() if verdict.wrong] == []


@pytest.mark.parametrize(
    ("name", "changes", "told"),
    [
        ("fault 2", {"side": "caller"}, "side is caller, want agent"),
        ("impatient 1", {"result": "answered"}, "result is answered, want abandoned"),
        ("forgotten 1", {"offers": 1}, "1 offers, want at least 2"),
        ("bill 1", {"talk_ms": 0}, "talk of 0 ms, want about 4000"),
        ("bill 2", {"sip_status": 0}, "the edge says 0"),
        ("hours", {"calling": "13000000000"}, "0 rows in the ledger"),
    ],
)
def test_each_difference_to_the_script_is_told(name: str, changes: dict[str, Any], told: str) -> None:
    """A row that differs in one thing is named with that thing, and only it."""
    call = next(call for call in script.CALLS if call.name == name)
    wrong = {verdict.call.name: verdict.wrong for verdict in judged(row(call, **changes)) if verdict.wrong}
    assert wrong == {name: (told,)}


def test_whatever_cannot_be_explained_is_counted_once() -> None:
    """A call that both the audit and the script find wrong counts one; a call that is still open counts too; then nothing held."""
    call = script.CALLS[0]
    audit = {"calls": len(script.CALLS), "open": 1, "findings": [{"call": call.name, "codes": ["no_edge"]}]}
    summary = command.summarise(judged(row(call, side="system")), {}, audit)
    assert summary.unexplained == 2 and not summary.held
    assert (summary.calls, summary.abandoned, summary.refused) == (33, 3, 3)


def test_the_script_has_what_the_issue_asks_for() -> None:
    """At least 30 calls with all outcomes, numbers of their own, sounds of their own, and seats of the example province."""
    results = Counter(call.want.result for call in script.CALLS)
    assert len(script.CALLS) >= 30 and set(results) == {"answered", "abandoned", "refused", "self_served"}
    assert {call.hangup_by for call in script.CALLS} == {"caller", "agent"} and any(call.want.wrong_keys for call in script.CALLS)
    assert len({call.calling for call in script.CALLS}) == len({call.calling[-2:] for call in script.CALLS}) == len(script.CALLS)
    config = load(ROOT / "centre.toml")
    seats = {agent.seat for agent in config.agent}
    assert {*script.BARESIP, *script.SIMULATED, script.RING_ONLY, command.GUEST_SEAT} <= seats
    assert script.SERVICE in config.centre.numbers and len(script.BARESIP) == 2


def last_words(folder: Path) -> str:
    """What phones and callers said in the end."""
    logs = {log.name: log.read_text(errors="replace")[-800:] for log in sorted(folder.glob("*.log"))}
    return "".join(f"\n-- {name}\n{text}" for name, text in logs.items())


@pytest.mark.real
@pytest.mark.xdist_group("demo")
@pytest.mark.timeout(480)
def test_the_demonstration_holds_with_a_port_taken(tmp_path: Path) -> None:
    """With the SIP port of centre.toml in use it takes another, plays 33 real calls and ends with 0, all claims kept."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holder:
        try:
            holder.bind(("127.0.0.1", load(ROOT / "centre.toml").ports.sip))
        except OSError:
            holder.bind(("127.0.0.1", free_port()))  # somebody else has it: as good
        words = [sys.executable, "-m", "ops", "demo", "--state", str(tmp_path / "demo")]
        environment = os.environ | {"DEMO_EXIT": "1"}
        done = subprocess.run(
            words, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr + last_words(tmp_path / "demo" / "demo")
    assert "SIP of the edge" in done.stdout
    (last,) = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert last == {
        "calls": 33,
        "answered": 24,
        "abandoned": 3,
        "refused": 3,
        "ledger_rows": 33,
        "recordings": 24,
        "audio_ok": 24,
        "unexplained": 0,
    }
    assert not (tmp_path / "demo" / "endpoints.json").exists()
