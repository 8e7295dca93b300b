"""Filing: what is in the vault is whole, what is not there raises an alarm, and no pcap goes before its sound is safe."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from media.record.api import Filed, NotFiled
from media.record.filing import Store, file
from media.record.spool import recordings, remember, remembered
from media.record.vault import RecordingVault
from media.record.worker import leftovers
from ops.audio import decode_alaw, encode_alaw, read_wav
from ops.ids import CallId
from tests.kit.rtp_phone import voice
from tests.kit.wait import until_async
from tests.media.record.make import AGENT_PORT, CALL, CALLER_PORT, START_US, job, pcap, spooled, stream

LEFT, RIGHT = voice(1, 3.0), voice(2, 3.0)
GOOD = pcap(stream(LEFT, CALLER_PORT), stream(RIGHT, AGENT_PORT, ssrc=2))


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool" / "m1"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "vault", 0)


def half_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file() and ".half" in path.name]


def test_filed(spool: Path, store: Store) -> None:
    """A good recording becomes a stereo WAV under its day, with its hash and a sidecar; the spool is empty then."""
    spooled(spool, GOOD)
    done = file(job(spool, 3000), store)
    assert isinstance(done, Filed)
    data = (store.root / done.path).read_bytes()
    assert done.path == f"2026/09/21/{CALL}-{START_US // 1000}.wav"
    assert (done.sha256, done.bytes, done.duration_ms) == (hashlib.sha256(data).hexdigest(), len(data), 3000)
    samples, rate = read_wav(store.root / done.path)
    assert rate == 8000
    assert (samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    assert (samples[:, 1] == decode_alaw(encode_alaw(RIGHT))).all()
    about = json.loads((store.root / done.path).with_suffix(".json").read_text())
    assert (about["call"], about["sha256"], about["complaint"], about["caller"]["lost"]) == (CALL, done.sha256, "", 0)
    assert recordings(spool) == []
    assert file(job(spool, 3000), store) == done, "asked again, the same answer"


def test_the_name_picks_among_recordings_of_a_call(spool: Path, store: Store) -> None:
    """A call that was recorded twice has two files; the job's name says which."""
    spooled(spool, GOOD, "first", f"{CALL}-0001")
    spooled(spool, pcap(stream(RIGHT, CALLER_PORT), stream(LEFT, AGENT_PORT)), "second", f"{CALL}-0002")
    done = file(job(spool, 3000, "second"), store)
    assert isinstance(done, Filed)
    samples, _ = read_wav(store.root / done.path)
    assert (samples[:, 0] == decode_alaw(encode_alaw(RIGHT))).all()
    assert [one.name for one in recordings(spool)] == ["first"]


HEARD = START_US // 1000 + 2000  # rtpengine heard somebody two seconds into the talk


@pytest.mark.parametrize(
    ("data", "talk_ms", "last", "detail"),
    [
        (GOOD, 9000, (HEARD + 6000, HEARD), "the last 5020 ms of the caller"),
        (GOOD, 9000, (HEARD, HEARD + 6000), "the last 5020 ms of the agent"),
        (pcap(stream(LEFT, CALLER_PORT)), 3000, (HEARD, HEARD), "nothing from the agent"),
        (pcap(stream(RIGHT, AGENT_PORT)), 3000, (HEARD, HEARD), "nothing from the caller"),
    ],
)
def test_a_recording_that_lacks_what_was_heard_is_kept_but_told(
    spool: Path, store: Store, data: bytes, talk_ms: int, last: tuple[int, int], detail: str
) -> None:
    """What rtpengine heard and the recording lacks is told, and where the rest is; asked again, the same answer."""
    spooled(spool, data)
    what = replace(job(spool, talk_ms), caller_last_ms=last[0], agent_last_ms=last[1])
    done = file(what, store)
    assert isinstance(done, NotFiled)
    assert done.reason == "REASON_MEDIA_FAILED"
    assert detail in done.detail
    assert read_wav(next(store.root.rglob("*.wav")))[0].any()
    assert file(what, store) == done


@pytest.mark.parametrize(
    ("data", "last", "note"),
    [
        (GOOD, (HEARD, HEARD), "no audio from either side for 4020 ms"),  # both hold at the end
        (pcap(stream(LEFT, CALLER_PORT)), (HEARD, 0), "the agent sent no audio"),  # muted
        (pcap(stream(RIGHT, AGENT_PORT)), (0, HEARD), "the caller sent no audio"),
        (
            pcap(
                stream(LEFT[:8000], CALLER_PORT),
                stream(LEFT, CALLER_PORT, start_us=START_US + 4_000_000),
                stream(RIGHT[:8000], AGENT_PORT),
            ),
            (HEARD + 5000, HEARD - 1000),
            "no audio from either side for 3020 ms",
        ),
        (pcap(stream(LEFT, CALLER_PORT, step=0), stream(RIGHT, AGENT_PORT)), (HEARD, HEARD), "the caller's RTP clock is wrong"),
    ],
)
def test_silence_is_no_fault(spool: Path, store: Store, data: bytes, last: tuple[int, int], note: str) -> None:
    """A pause, a hold, a muted side and a false clock give a file as long as the talk, with a note; asked again, the same."""
    spooled(spool, data)
    what = replace(job(spool, 7000), caller_last_ms=last[0], agent_last_ms=last[1])
    done = file(what, store)
    assert isinstance(done, Filed)
    assert note in done.note
    assert done.duration_ms == 7000
    assert json.loads((store.root / done.path).with_suffix(".json").read_text())["note"] == done.note
    assert file(what, store) == done


def test_strangers_are_left_out(spool: Path, store: Store) -> None:
    """Audio of others to a party's port is not in the file, and that is noted; a job with a sender that is none says so."""
    thief = stream(RIGHT, CALLER_PORT, ssrc=7, place=("127.0.8.8", 9000))
    data = pcap(stream(LEFT, CALLER_PORT), thief, stream(RIGHT, AGENT_PORT, ssrc=2))
    spooled(spool, data)
    done = file(replace(job(spool, 3000), caller_senders=("127.0.0.1:5000",)), store)
    assert isinstance(done, Filed)
    assert "150 packets of others to the caller's port left out" in done.note
    assert (read_wav(store.root / done.path)[0][:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    spooled(spool, data)
    bad = file(replace(job(spool, 3000, call=CALL), caller_senders=("x",), started_ms=5), store)
    assert isinstance(bad, NotFiled) and "no address:port" in bad.detail


def test_another_recording_of_the_call_is_never_taken(spool: Path, store: Store) -> None:
    """The only recording of a call has another name than the job's: it is not filed as this one, and stays."""
    spooled(spool, GOOD, "first")
    done = file(job(spool, 3000, "second"), store)
    assert isinstance(done, NotFiled) and "no pcap of that name" in done.detail
    assert [one.name for one in recordings(spool)] == ["first"]


@pytest.mark.parametrize("data", [b"", b"nonsense" * 10, GOOD[:24], GOOD[:30]])
def test_an_unusable_pcap_is_set_aside(spool: Path, store: Store, data: bytes) -> None:
    """An empty or broken pcap is NotFiled and moved out of the way, not thrown away."""
    spooled(spool, data)
    done = file(job(spool, 3000), store)
    assert isinstance(done, NotFiled)
    assert [path.read_bytes() for path in (spool / "unusable").glob("*.pcap")] == [data]
    assert recordings(spool) == []


def test_no_pcap(spool: Path, store: Store) -> None:
    """Nothing in the spool, not even the folder: NotFiled."""
    done = file(job(spool, 3000), store)
    assert isinstance(done, NotFiled)
    assert "no pcap" in done.detail


def test_low_space_stops_before_writing(spool: Path, store: Store) -> None:
    """With less free space than asked for: DISK_FULL, an empty vault, the pcap still there; with space again it is filed."""
    path = spooled(spool, GOOD)
    full = replace(store, min_free_mb=200, free=lambda _: 199)
    done = file(job(spool, 3000), full)
    assert isinstance(done, NotFiled)
    assert done.reason == "REASON_DISK_FULL"
    assert path.exists()
    assert not list(store.root.rglob("*.wav"))
    assert isinstance(file(job(spool, 3000), store), Filed)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB: less than the WAV needs."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("mounting a tmpfs takes root")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.real
def test_a_really_full_disk(spool: Path, tiny: Path) -> None:
    """ENOSPC in the middle of writing: DISK_FULL, nothing half-written stays, the pcap does."""
    path = spooled(spool, GOOD)
    done = file(job(spool, 3000), Store(tiny / "vault", 0))
    assert isinstance(done, NotFiled)
    assert done.reason == "REASON_DISK_FULL"
    assert path.exists()
    assert not [one for one in tiny.rglob("*") if one.is_file()]


def test_a_disk_that_fails_while_syncing(spool: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error as late as fsync leaves neither a file nor half of one, and the pcap untouched."""

    def fails(_: int) -> None:
        raise OSError(errno.EIO, "disk")

    path = spooled(spool, GOOD)
    monkeypatch.setattr(os, "fsync", fails)
    done = file(job(spool, 3000), store)
    assert isinstance(done, NotFiled)
    assert done.reason == "REASON_MEDIA_FAILED"
    assert path.exists()
    assert not list(store.root.rglob("*.wav")) and not half_files(store.root)


def test_leftovers_are_filed_or_told(spool: Path, store: Store) -> None:
    """After a crash: a job that was noted is filed as asked, a finished recording by a guess, a living one left alone."""
    other, living = CallId(CALL[:-1] + "2"), CallId(CALL[:-1] + "3")
    spooled(spool, GOOD)
    assert leftovers(spool, store, quiet_s=60, age_s=60) == []  # may belong to the run that is on
    remember(job(spool, 3000))
    spooled(spool, GOOD, "other", f"{other}-0a")
    spooled(spool, GOOD, "living", f"{living}-0b", finished=False)
    spooled(spool, b"nonsense", "bad", "bad-0c")
    done = {one.call: one for one in leftovers(spool, store, quiet_s=60)}
    assert isinstance(done[CALL], Filed)
    assert isinstance(done[other], Filed)
    assert isinstance(done[CallId("bad")], NotFiled)
    assert living not in done
    assert list(remembered(spool)) == []
    samples, _ = read_wav(store.root / done[other].path)  # type: ignore[union-attr]
    assert (samples[:, 0] == decode_alaw(encode_alaw(LEFT))).all()
    done = {one.call: one for one in leftovers(spool, store, quiet_s=-1)}
    assert isinstance(done[living], Filed), "rtpengine died with it"


async def test_the_worker_files_and_survives_its_own_death(spool: Path, tmp_path: Path) -> None:
    """Jobs go through another process of low priority; killed, it is started again for the next job; it ends with us."""
    vault = RecordingVault(tmp_path / "vault", 0)
    spooled(spool, GOOD)
    assert isinstance(await vault.file(job(spool, 3000)), Filed)
    pid = vault.pid
    assert os.getpriority(os.PRIO_PROCESS, pid) == 10
    os.kill(pid, 9)
    await until_async(lambda: not vault.pid, 5, "the worker is gone")
    second = CallId(CALL[:-1] + "2")
    spooled(spool, GOOD, stem=f"{second}-01")
    assert isinstance(await vault.file(job(spool, 3000, call=second)), Filed)
    assert not list((spool / "jobs").glob("*.json"))
    assert vault.pid not in (0, pid)
    pid = vault.pid
    await vault.close()
    assert not Path(f"/proc/{pid}").exists()


DYING = """
import os, sys
from pathlib import Path
mark = Path(sys.argv[1])
if not mark.exists():
    sys.stdin.buffer.readline()
    mark.write_text("died")
    os._exit(9)
from media.record.worker import main
sys.argv = [sys.argv[0], *sys.argv[2:]]
sys.exit(main())
"""


async def test_a_worker_that_dies_during_a_job_still_files_it(spool: Path, tmp_path: Path) -> None:
    """The job that a worker took with it to its end is done by the next one."""
    vault, mark = RecordingVault(tmp_path / "vault", 0), tmp_path / "mark"
    vault._words = ["-c", DYING, str(mark), *vault._words[2:]]
    spooled(spool, GOOD)
    done = await vault.file(job(spool, 3000))
    assert mark.exists() and isinstance(done, Filed)
    await vault.close()


async def test_a_call_id_that_is_a_path_goes_nowhere(spool: Path, tmp_path: Path) -> None:
    """A call id with dots and slashes is refused before any file is named after it."""
    vault = RecordingVault(tmp_path / "vault", 0)
    done = await vault.file(job(spool, 3000, call=CallId("../../evil")))
    assert isinstance(done, NotFiled)
    assert done.reason == "REASON_BAD_MESSAGE"
    assert not list(tmp_path.rglob("*evil*"))
