"""Where random tests get their seeds from, and how many examples they try: the only place that decides it.

`make test` always tries the same examples, so that a run that was green stays green. `make explore` sets TIERLINE_SEED to a new
number for each round and prints it: TIERLINE_SEED=<number> repeats that round. TIERLINE_EXAMPLES sets the examples of long stories.
"""

from __future__ import annotations

import os
import random

import pytest
from hypothesis import HealthCheck, Phase, core, settings

SEED = int(os.environ.get("TIERLINE_SEED", "0"))  # 0: the fixed examples
EXAMPLES = int(os.environ.get("TIERLINE_EXAMPLES", "0"))  # 0: as each test says
SHRINK = os.environ.get("TIERLINE_SHRINK", "1") != "0"  # 0: the first failure is enough, no shorter one is looked for
explored = pytest.mark.hypothesis  # for tests that draw examples inside themselves; those with @given have the mark already


def examples(usual: int) -> int:
    """How many examples a long story tries that usually tries `usual`; three times as many when exploring."""
    return EXAMPLES or (3 * usual if SEED else usual)


def generator(own: int) -> random.Random:
    """Random numbers for one test; `own` tells it apart from others."""
    return random.Random(own + (SEED << 16))


def load_profile() -> None:
    """Choose how Hypothesis draws. How long an example takes is never judged: it depends on what else the machine does."""
    phases = tuple(Phase) if SHRINK else (Phase.explicit, Phase.generate)
    quiet = [HealthCheck.too_slow]
    always = settings(derandomize=not SEED, database=None, deadline=None, suppress_health_check=quiet, phases=phases)
    settings.register_profile("tierline", always)
    settings.load_profile("tierline")
    core.global_force_seed = SEED or None  # type: ignore[assignment]  # as --hypothesis-seed does
