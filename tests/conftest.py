"""What every test may count on, whatever machine it runs on."""

from __future__ import annotations

import gc
import os
import signal
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.kit import chance, workers

# Tests speak with the loopback alone. Whoever proves what a proxy does sets one.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

chance.load_profile()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """No garbage is collected while the source of a failure is parsed.

    What a failed test leaves may fail again when it is collected (a gRPC server whose loop is closed). The trace of that is parsed
    too, and inside another parse Python before 3.11.5 raises SystemError (gh-106905): the whole run would end without its record.
    """
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    """SIGTERM is the end of a run as SIGINT is: what was started is stopped, and what failed until then is told."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if told := getattr(config, "workerinput", None):
        config.pluginmanager.register(workers.Worker(Path(told["room"])))
    elif config.getoption("dist", "no") != "no":
        config.pluginmanager.register(workers.Controller())
