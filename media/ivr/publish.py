"""`tierline publish`: checks the menu, makes what is missing of its prompts, and switches callers over to it in one step."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from media.ivr import music, prompts, voice
from media.ivr.flow import Flow, FlowError, Spoken
from media.ivr.flow_checks import asked
from media.ivr.flow_reader import load
from media.ivr.voice import Speech, VoiceError
from ops import config, menu
from ops.audio import Samples, au_bytes
from ops.centre import CentreConfig
from ops.cli import Command, CommandError
from ops.supervise import in_force

TONES: dict[str, Callable[[], Samples]] = {prompts.MUSIC: music.hold_music, prompts.RING_BACK: music.ring_back}
PREVIOUS = "previous.json"  # calls that began before the switch still play its files
Progress = Callable[[int, int], None]  # prompts made, of how many


@dataclass(frozen=True, slots=True)
class Result:
    """What a publishing did."""

    version: str
    made: int
    kept: int
    removed: int


def speeches(flow: Flow) -> Iterator[tuple[str, str, Speech]]:
    """(prompt, language, words) of everything that is spoken, places in the line included."""
    for name, texts in flow.prompts.items():
        for language, spoken in texts.items():
            if name in ("position", "expected"):
                yield from _numbered(name, language, spoken)
            else:
                yield name, language, Speech(spoken.text, spoken.voice)


def _numbered(name: str, language: str, spoken: Spoken) -> Iterator[tuple[str, str, Speech]]:
    """One prompt for each place in the line, or for each minute of the wait."""
    last, named = (prompts.LAST_POSITION, prompts.position) if name == "position" else (prompts.LAST_MINUTE, prompts.expected)
    for n in range(2, last + 1):
        text = spoken.text.replace("{n}", str(n)).replace("{ahead}", str(n - 1)).replace("{minutes}", str(n))
        yield named(n), language, Speech(text, spoken.voice)


def publish(flow_file: Path, folder: Path, queues: list[str], progress: Progress) -> Result:
    """Publish a menu file into a folder. Raises FlowError, VoiceError, OSError; then what was published before stays."""
    flow = load(flow_file, queues)
    folder.mkdir(parents=True, exist_ok=True)
    wanted = list(speeches(flow))
    missing = sorted({speech for _, _, speech in wanted if not (folder / speech.file).exists()}, key=lambda speech: speech.file)
    _speak_all(missing, folder, progress)
    index: dict[str, Any] = {"version": prompts.VERSION, "flow": _flow_copy(flow_file, folder), "prompts": {}, menu.QUEUES: {}}
    for where, queue in asked(flow):
        index[menu.QUEUES].setdefault(queue, []).append(where)
    for name, language, speech in wanted:
        index["prompts"].setdefault(name, {})[language] = _entry(folder / speech.file)
    for name, make in TONES.items():
        index["prompts"][name] = {"": _entry(_tone(folder, make()))}
    _switch(folder, index)
    removed = _sweep(folder)
    return Result(flow.version, len(missing), len({speech for _, _, speech in wanted}) - len(missing), removed)


def _speak_all(missing: list[Speech], folder: Path, progress: Progress) -> None:
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(voice.speak, speech, folder) for speech in missing]
        try:
            for number, job in enumerate(jobs, 1):
                job.result()
                progress(number, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _entry(path: Path) -> dict[str, Any]:
    return {"file": path.name, "ms": voice.length_ms(path)}


def _tone(folder: Path, samples: Samples) -> Path:
    data = au_bytes(samples)
    return _keep(folder, f"{hashlib.sha256(data).hexdigest()[:24]}.au", data)


def _flow_copy(flow_file: Path, folder: Path) -> str:
    data = flow_file.read_bytes()
    return _keep(folder, f"flow-{hashlib.sha256(data).hexdigest()[:24]}.toml", data).name


def _keep(folder: Path, name: str, data: bytes) -> Path:
    """Write a file named by its content, whole or not at all."""
    path, half = folder / name, folder / f".{name}"
    if not path.exists():
        half.write_bytes(data)
        half.replace(path)
    return path


def _switch(folder: Path, index: dict[str, Any]) -> None:
    """The new index takes the place of the old one in one step; the old one is remembered."""
    text = json.dumps(index, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    current, half = folder / prompts.INDEX, folder / f".{prompts.INDEX}"
    if current.exists() and current.read_text(encoding="utf-8") == text:
        return
    half.write_text(text, encoding="utf-8")
    with half.open("rb") as file:
        os.fsync(file.fileno())
    if current.exists():
        (folder / PREVIOUS).write_bytes(current.read_bytes())
    half.replace(current)


def _sweep(folder: Path) -> int:
    """Remove what neither the current nor the previous index names; how many files."""
    named = "".join(path.read_text(encoding="utf-8") for name in (prompts.INDEX, PREVIOUS) if (path := folder / name).exists())
    unused = [path for path in folder.iterdir() if path.suffix in (".au", ".toml") and path.name not in named]
    for path in unused:
        path.unlink()
    return len(unused)


# ---- the command ------------------------------------------------------------------------------------------------
def flow_file(centre: CentreConfig) -> Path:
    """The menu file that the configuration names: relative to where the configuration stands."""
    return centre.path.parent / centre.media.flow


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", default="centre.toml", type=Path, help="configuration of the centre")
    parser.add_argument("--state", type=Path, help="state folder; prompts go into prompts/ below it")
    parser.add_argument("--check", action="store_true", help="only check the menu")
    parser.add_argument("--starting", action="store_true", help=argparse.SUPPRESS)  # by `tierline up`


def _show(done: int, total: int) -> None:
    """Progress: in place on a terminal, elsewhere a line now and then."""
    if sys.stderr.isatty():
        print(f"\rmaking prompts: {done}/{total}", end="\n" if done == total else "", file=sys.stderr, flush=True)
    elif done % 50 == 0 or done == total:
        print(f"making prompts: {done}/{total}", file=sys.stderr)


def _queues(args: argparse.Namespace, centre: CentreConfig) -> tuple[list[str], str]:
    """Queues that a menu may lead to, and who says so: the rules in force if the centre of the state folder runs, else the file.
    At the start of a centre both count, as they do for its media nodes: no rule keeps it from starting."""
    file = [queue.id for queue in centre.queue]
    if args.starting:
        book = in_force.now(centre)
        return [*file, *(queue.id for queue in book.queue if queue.id not in file)] if book else file, str(centre.path)
    running = in_force.running(args.state or centre.state)
    if running is None:
        return file, f"{centre.path}: no centre runs in {args.state or centre.state}"
    if (book := in_force.now(running)) is None:
        print(f"the rules in force are not known now; queues are those of {centre.path}", file=sys.stderr)
        return file, str(centre.path)
    return [queue.id for queue in book.queue], f"the rules in force, version {book.version}"


def run(args: argparse.Namespace) -> int:
    """Publish; 0 when callers hear the new version. Raises CommandError."""
    centre = config.load(args.config)
    file, (queues, source) = flow_file(centre), _queues(args, centre)
    try:
        if args.check:
            print(f"{file}: version {load(file, queues).version} can be published (queues of {source})")
            return 0
        result = publish(file, (args.state or centre.state) / "prompts", queues, _show)
    except FlowError as error:
        raise CommandError(f"{error}\n(queues are those of {source})") from error
    except (VoiceError, OSError) as error:
        raise CommandError(str(error)) from error
    print(f"published {result.version}: {result.made} prompts made, {result.kept} kept, {result.removed} files removed")
    return 0


COMMAND = Command("publish", "check the menu, make its prompts, switch callers over to it", _arguments, run)
