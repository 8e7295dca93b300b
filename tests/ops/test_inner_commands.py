"""Commands for a running centre say so when there is none."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ops.cli import CommandError
from ops.inner_commands import REDIS


def test_no_centre_was_started(tmp_path: Path) -> None:
    """`tierline redis` on a folder without a centre tells that, and which folder it looked into."""
    parser = argparse.ArgumentParser()
    REDIS.add_arguments(parser)
    with pytest.raises(CommandError, match=r"no centre was started in .*nowhere"):
        REDIS.run(parser.parse_args(["--state", str(tmp_path / "nowhere")]))
