"""`python -m sip.ship --config F`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ops import lifecycle, log
from ops.config import ConfigError, load
from sip.ship import app


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m sip.ship", description="Ship accounting lines to the facts stream.")
    parser.add_argument("--config", required=True, type=Path, help="the centre's TOML file or its resolved JSON")
    arguments = parser.parse_args()
    log.setup("ship")
    try:
        config = load(arguments.config)
    except ConfigError as error:
        print(f"ship: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    lifecycle.run(lambda stop: app.main(config, stop))


if __name__ == "__main__":
    main()
