"""Do the random stories and the contract suite notice a mistake? One-line mutations (mutations.py) of a copy of the tree, each run
against both; a table tells who caught which.

    python -m tests.properties.mutants [--only WORD] [--stories N] [--contract N] [--rest]

Not part of `make test`: each mutant takes some seconds to a minute. Nothing but the copy is changed.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.properties.mutations import ALL, Mutant

ROOT = Path(__file__).parents[2]
COPIED = ("flows", "media", "ops", "proto", "router", "tests")
PLUGIN = """from hypothesis import Phase, settings
settings.register_profile("found", phases=(Phase.generate,), database=None)
settings.load_profile("found")
"""  # it is enough to know that there is a story, the shortest one is not looked for
CAUGHT, SURVIVED = "caught", "SURVIVED"
LONGEST_S = 600


def copy(folder: Path) -> None:
    """What the tests need of the tree."""
    for name in COPIED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    (folder / "no_shrink.py").write_text(PLUGIN)


def changed(folder: Path, mutant: Mutant) -> dict[Path, str]:
    """The mutation made; the files as they were. AssertionError when a line is not there, or twice."""
    before: dict[Path, str] = {}
    for name, old, new in mutant.edits:
        path = folder / name
        text = path.read_text()
        assert text.count(old) == 1, f"{mutant.name}: {text.count(old)} times in {name}: {old}"
        before.setdefault(path, text)
        path.write_text(text.replace(old, new))
    return before


def caught(folder: Path, tests: Sequence[str], examples: int) -> str:
    """Whether these tests fail, each with so many examples."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no_shrink", "--timeout=0", *tests]
    env = os.environ | {"TIERLINE_EXAMPLES": str(examples), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(words, cwd=folder, env=env, capture_output=True, timeout=LONGEST_S, check=False)
    except subprocess.TimeoutExpired:
        return CAUGHT  # it hangs
    assert done.returncode in (0, 1), done.stdout.decode()[-2000:]
    return CAUGHT if done.returncode else SURVIVED


def stories(mutant: Mutant) -> list[str]:
    """Those of the store that has the mutation: of both if it is in what both share."""
    lua = all(name.endswith(".lua") for name, _, _ in mutant.edits)
    return ["tests/properties", "-k", "redis" if lua else "memory"]


def tried(folder: Path, mutant: Mutant, asked: argparse.Namespace) -> tuple[str, str]:
    """By the stories, by the contract suite."""
    before = changed(folder, mutant)
    try:
        told = caught(folder, stories(mutant), asked.stories) if asked.stories else ""
        held = caught(folder, ["tests/contract"], asked.contract) if asked.contract and told != asked.after else ""
        return told, held
    finally:
        for path, text in before.items():
            path.write_text(text)


def main() -> None:
    """The table, and how many got away unexplained as the exit code."""
    parser = argparse.ArgumentParser(description="Mutations against the proofs.")
    parser.add_argument("--only", default="", help="mutants whose name has this in it")
    parser.add_argument("--stories", type=int, default=60, help="examples of each story test, 0: none")
    parser.add_argument("--contract", type=int, default=20, help="examples of each stateful contract test, 0: none")
    quick = "ask the contract suite only for what the stories did not catch"
    parser.add_argument("--rest", dest="after", action="store_const", const=CAUGHT, default="-", help=quick)
    asked = parser.parse_args()
    chosen, away = [m for m in ALL if asked.only in m.name], 0
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        for mutant in chosen:
            told, held = tried(Path(name), mutant, asked)
            away += CAUGHT not in (told, held) and not mutant.why
            print(f"{mutant.name:44} stories {told:18} contract {held:18} {mutant.why}", flush=True)
    print(f"{len(chosen)} mutants, {away} got away")
    sys.exit(away)


if __name__ == "__main__":
    main()
