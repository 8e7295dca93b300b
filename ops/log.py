"""Logs: one JSON object a line on standard error. No digits of a capture, no passwords, no whole phone numbers (ops/numbers.py)."""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

_PLAIN = frozenset(vars(logging.makeLogRecord({})))


class JsonLines(logging.Formatter):
    """`log.info("call ended", extra={"call": call})` -> {"at":..,"level":..,"service":..,"text":..,"call":..}."""

    def __init__(self, service: str) -> None:
        super().__init__()
        self.service = service

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON; an exception is told in `error` with its trace in `trace`."""
        line: dict[str, Any] = {"at": round(record.created, 3), "level": record.levelname.lower(), "service": self.service}
        line |= {"logger": record.name, "text": record.getMessage()}
        line |= {k: v for k, v in vars(record).items() if k not in _PLAIN and k not in ("message", "asctime", "taskName")}
        if record.exc_info:
            line |= {"error": repr(record.exc_info[1]), "trace": self.formatException(record.exc_info)}
        return json.dumps(line, ensure_ascii=False, default=str)


def setup(service: str, level: str = "INFO") -> None:
    """Send all logs of this process to standard error as JSON lines."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(service))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
