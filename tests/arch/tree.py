"""The files of the repository, for checks on all of them."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("router", "media", "console", "ops", "sip")


@cache
def tracked() -> tuple[Path, ...]:
    """What git has, and what it would take: all files that are not ignored."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(words, cwd=ROOT, capture_output=True, check=True).stdout.decode().split("\0")
    return tuple(path for name in names if name and (path := ROOT / name).is_file())


def texts(*suffixes: str) -> Iterator[tuple[Path, str]]:
    """Files that are UTF-8 text: (path, text)."""
    for path in tracked():
        if not suffixes or path.suffix in suffixes:
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue


def product() -> Iterator[tuple[Path, ast.Module]]:
    """Parsed product code."""
    for path, text in texts(".py"):
        if path.relative_to(ROOT).parts[0] in PRODUCT:
            yield path, ast.parse(text)


def name(path: Path) -> str:
    """The path as people say it."""
    return str(path.relative_to(ROOT))
