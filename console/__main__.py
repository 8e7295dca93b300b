"""`python -m console --config FILE`: the console and the ledger of a centre."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from console.app import serve
from ops import lifecycle, log
from ops.config import ConfigError, load


def main() -> int:
    """Run the console; 78 for a wrong configuration."""
    parser = argparse.ArgumentParser(prog="python -m console", description="The web console and the ledger of a centre.")
    parser.add_argument("--config", required=True, help="the centre's TOML file, or the JSON that `tierline up` made of it")
    words = parser.parse_args()
    log.setup("console")
    try:
        config = load(words.config)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 78
    lifecycle.run(partial(serve, config))
    return 0


if __name__ == "__main__":
    sys.exit(main())
