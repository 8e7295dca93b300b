"""A small program in place of a service: answers /healthz, forks children that outlive it, can be told to misbehave.

python -m tests.ops.stand_in PORT [--children N] [--deaf] [--stubborn] [--die]
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Well(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing: the log is for what matters."""


def main() -> None:
    """See above."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--children", type=int, default=0, help="processes of the same session that only SIGKILL ends")
    parser.add_argument("--deaf", action="store_true", help="never answers")
    parser.add_argument("--stubborn", action="store_true", help="takes no notice of SIGTERM")
    parser.add_argument("--die", action="store_true", help="ends at once, saying why")
    args = parser.parse_args()
    if args.die:
        sys.exit("the disk is on fire")
    for _ in range(args.children):
        if os.fork() == 0:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            while True:
                time.sleep(60)
    if args.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while args.deaf:
        time.sleep(60)
    HTTPServer(("127.0.0.1", args.port), _Well).serve_forever()


if __name__ == "__main__":
    main()
