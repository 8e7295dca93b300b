"""Publishing: prompts made once, switched in one step, loaded again; music that loops."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import redis

from media.ivr import music, prompts, voice
from media.ivr.flow import FlowError
from media.ivr.prompts import NotPublished, expected, position, read
from media.ivr.publish import publish
from media.ivr.voice import Speech, VoiceError
from ops import cli, keys, menu, rulebook
from ops.audio import AU_HEADER, RATE, read_au
from ops.centre import Centre, CentreConfig, Media, Ports, Queue
from ops.config import dump
from ops.supervise.files import Folder
from tests.kit.redis_server import RedisServer
from tests.media.ivr.test_flow import FLOW, QUEUES, SMALL


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "menu.toml"
    path.write_text(SMALL)
    return path


def quietly(speech: Speech, folder: Path) -> None:
    """In place of espeak-ng where only the handling of files is looked at."""
    prompts_file = folder / speech.file
    prompts_file.write_bytes(AU_HEADER.pack(b".snd", 24, 800, 27, RATE, 1) + b"\xd5" * 800)


@pytest.mark.real
def test_words_become_sound(tmp_path: Path) -> None:
    """espeak-ng and sox make A-law at 8 kHz of both languages; the same words give the same bytes."""
    for speech in (Speech("您好,欢迎致电客户服务热线。", "zh"), Speech("Welcome to customer service.", "en")):
        voice.speak(speech, tmp_path)
        first = (tmp_path / speech.file).read_bytes()
        sound = read_au(tmp_path / speech.file)
        assert 1.5 * RATE < len(sound) < 6 * RATE
        assert 8000 < np.abs(sound.astype(int)).max() < 32_000
        assert voice.length_ms(tmp_path / speech.file) == len(sound) * 1000 // RATE
        voice.speak(speech, tmp_path)
        assert (tmp_path / speech.file).read_bytes() == first


@pytest.mark.real
def test_mandarin_is_spoken_as_mandarin() -> None:
    """Characters become syllables of Mandarin: the plain voice would read their pinyin as English words."""
    words = ["espeak-ng", "-q", "-x", "-v", voice.VOICES["zh"][0], "您前面还有3位客户"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    assert "(en)" not in said


@pytest.mark.real
def test_the_command_publishes_the_service_menu(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`tierline publish` makes every prompt of the shipped menu in both languages; a second time it makes none."""
    config = tmp_path / "centre.toml"
    queues = "\n".join(f'[[queue]]\nid = "{queue}"\nskill = "{queue}"' for queue in QUEUES)
    config.write_text(f'[centre]\nname = "test"\n[media]\nflow = "{FLOW}"\n{queues}\n')
    assert cli.main(["publish", "--config", str(config)]) == 0
    assert cli.main(["publish", "--config", str(config)]) == 0
    assert ": 0 prompts made" in capsys.readouterr().out.splitlines()[-1]
    published = read(tmp_path / "var" / "prompts", QUEUES)
    named = [*(position(place) for place in range(1, 150)), *(expected(minutes) for minutes in range(1, 30))]
    for name in [*published.flow.prompts.keys() - {"position", "expected"}, *named]:
        for language in published.flow.languages:
            assert published.prompts.path(name, language).stat().st_size > 4000
            assert published.prompts.ms(name, language) > 500
    assert published.prompts.path("welcome", "zh") != published.prompts.path("welcome", "en")
    assert published.prompts.path(prompts.MUSIC, "zh") == published.prompts.path(prompts.MUSIC, "en")


@pytest.mark.real
def test_queues_of_the_rules_in_force(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """While the centre runs a menu must fit the rules in force, whatever the file says; at its start both count; else the file."""
    monkeypatch.setattr(voice, "speak", quietly)
    with RedisServer(tmp_path / "redis") as server:
        queues = tuple(Queue(queue, "s") for queue in QUEUES)
        ports, file = Ports(redis=server.port), tmp_path / "c.json"
        centre = CentreConfig(
            Centre("x"), queue=queues, media=Media(flow=str(small)), ports=ports, path=file, state=tmp_path / "run"
        )
        gone, *left = queues
        book = replace(rulebook.seed(centre), version=7, queue=(*left, Queue("new", "s")))
        redis.Redis(port=server.port).hset(keys.rules("main"), "document", rulebook.to_json(book))
        folder = Folder(centre.state)
        folder.path.mkdir()
        for path in (file, folder.config):
            path.write_text(dump(centre))
        words = ["publish", "--config", str(file), "--state", str(centre.state)]
        assert cli.main(words) == 0, "the file has it"
        folder.endpoints.write_text("{}")
        assert cli.main(words) == 1
        told = capsys.readouterr().err
        assert f'no queue "{gone.id}"' in told and "the rules in force, version 7" in told
        assert cli.main([*words, "--starting"]) == 0
        assert menu.asked(centre.prompts)[gone.id], "and it is told from where"
    assert cli.main(words) == 0, "no Redis, no rules"
    assert "not known" in capsys.readouterr().err


def test_only_what_changed_is_made_anew(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed text makes one prompt; the file of the old text stays one version longer, for calls that still play it."""
    monkeypatch.setattr(voice, "speak", quietly)
    folder = tmp_path / "prompts"
    first = publish(small, folder, list(QUEUES), lambda done, total: None)
    old = read(folder).prompts.path("hello", "en")
    for number in (1, 2):
        small.write_text(
            SMALL.replace('[prompts.hello]\nzh = "字"\nen = "word"', f'[prompts.hello]\nzh = "字"\nen = "another {number}"')
        )
        again = publish(small, folder, list(QUEUES), lambda done, total: None)
        assert (again.made, again.kept) == (1, first.made)
        assert read(folder).prompts.path("hello", "en") != old
    assert read(folder).prompts.path("hello", "en").exists()


def test_publishing_keeps_what_calls_in_progress_still_play(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the publishing before stay until the next but one: a call plays those that it began with."""
    monkeypatch.setattr(voice, "speak", quietly)
    folder, text = tmp_path / "prompts", small.read_text()
    versions: list[set[str]] = []
    for version in range(3):
        small.write_text(text.replace('en = "word"', f'en = "word {version}"'))
        publish(small, folder, list(QUEUES), lambda done, total: None)
        named = {path.name for path in folder.iterdir() if path.name in (folder / prompts.INDEX).read_text()}
        versions.append(named)
        there = {path.name for path in folder.iterdir()}
        assert there.issuperset(set().union(*versions[-2:])), "what is published, and what was before"
    assert versions[0] - versions[1] - versions[2], "each publishing has files of its own"
    assert not (versions[0] - versions[1] - versions[2]) & there


def test_a_failed_publishing_changes_nothing(small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken menu or a voice that fails leaves what callers hear as it was."""
    monkeypatch.setattr(voice, "speak", quietly)
    folder = tmp_path / "prompts"
    publish(small, folder, list(QUEUES), lambda done, total: None)
    before = (folder / "index.json").read_bytes()

    def fails(speech: Speech, folder: Path) -> None:
        raise VoiceError("no voice today")

    monkeypatch.setattr(voice, "speak", fails)
    small.write_text(SMALL.replace('en = "word"', 'en = "quite new"'))
    with pytest.raises(VoiceError):
        publish(small, folder, list(QUEUES), lambda done, total: None)
    small.write_text(SMALL.replace('menu = "bill"', 'menu = "nowhere"'))
    with pytest.raises(FlowError):
        publish(small, folder, list(QUEUES), lambda done, total: None)
    assert (folder / "index.json").read_bytes() == before
    assert read(folder).prompts.path("hello", "zh").exists()


@pytest.mark.parametrize(
    "index", ["", "[]", "{}", '{"version": 1}', '{"version": 2}', json.dumps({"version": 1, "flow": "x", "prompts": 3})]
)
def test_nothing_usable_published(tmp_path: Path, index: str) -> None:
    """No index, or one that is broken, says to publish."""
    with pytest.raises(NotPublished, match="tierline publish"):
        read(tmp_path)
    (tmp_path / "index.json").write_text(index)
    with pytest.raises((NotPublished, FlowError)):
        read(tmp_path)


def test_missing_programs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without espeak-ng the error says what to run."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VoiceError, match="espeak-ng is not installed: run 'make setup'"):
        voice.speak(Speech("hello", "en"), tmp_path)


def test_hold_music_loops_without_a_seam() -> None:
    """About twenty seconds, neither silent nor clipped, and the step from its end to its start no larger than elsewhere in it."""
    sound = music.hold_music().astype(int)
    assert 15 * RATE < len(sound) < 25 * RATE
    assert 5000 < np.abs(sound).max() < 12_000
    steps = np.abs(np.diff(sound))
    assert abs(sound[0] - sound[-1]) <= np.percentile(steps, 99.9)
    quiet = np.abs(sound[: len(sound) // 800 * 800].reshape(-1, 800)).max(axis=1)
    assert quiet.min() > 300, "no hole of a tenth of a second"


def test_ring_back_is_a_tone_and_a_pause() -> None:
    """450 Hz for a second, four seconds of silence."""
    sound = music.ring_back()
    spectrum = np.abs(np.fft.rfft(sound[:RATE]))
    assert int(spectrum.argmax()) == 450
    assert not sound[RATE:].any()
    assert len(sound) == 5 * RATE
