"""The faults of `make mutants` are chosen by the seed and can matter."""

from __future__ import annotations

import random
from pathlib import Path

from tests.bench.faults import faults

SOURCE = '''from __future__ import annotations

LONGEST: int | None = 4711


def smaller(one: int | None, other: int | float) -> int | None:
    """a < b"""
    return one if one is not None and one < other else None
'''


def chosen(root: Path, seed: int, count: int = 5) -> list[tuple[int, str]]:
    return [(fault.line, fault.after) for fault in faults(root, ["one.py", "two.py"], count, random.Random(seed))]


def test_faults_are_chosen_by_the_seed(tmp_path: Path) -> None:
    """The same seed chooses the same faults; each is one that a program can show: no annotation, docstring or tuned number."""
    (tmp_path / "one.py").write_text(SOURCE)
    (tmp_path / "two.py").write_text("")
    assert chosen(tmp_path, 1) == chosen(tmp_path, 1)
    found = [one for seed in range(20) for one in chosen(tmp_path, seed)]
    assert {line for line, _ in found} == {8}
    assert len({after for _, after in found}) > 5
    assert all("int | None = 4711" in after and '"""a < b"""' in after and "-> int | None" in after for _, after in found)
