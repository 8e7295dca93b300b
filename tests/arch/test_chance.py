"""Random tests are the same in every run of `make test`, and others in every round of `make explore`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

DRAW = """
from hypothesis import given, strategies
from tests.kit import chance
chance.load_profile()
drawn = []
@given(strategies.integers(0, 2**40))
def draw(number):
    drawn.append(number)
draw()
print(drawn[:40], chance.generator(7).random())
"""


def drawn(**more: str) -> str:
    """What a process draws first."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TIERLINE_")}
    words = [sys.executable, "-c", DRAW]
    return subprocess.run(words, cwd=Path(__file__).parents[2], env=plain | more, capture_output=True, check=True, text=True).stdout


def test_the_same_examples_in_every_run() -> None:
    """Without a seed every process draws the same; a seed draws others, and the same again when it is told again."""
    fixed, one, other = drawn(), drawn(TIERLINE_SEED="11"), drawn(TIERLINE_SEED="12")
    assert drawn() == fixed and drawn(TIERLINE_SEED="11") == one
    assert len({fixed, one, other}) == 3
