"""The call list as a spreadsheet takes it: CSV in UTF-8 with a mark, heads and words in the user's language, local times."""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from console.api.words import words
from console.ledger.fold import Row
from ops.centre import CentreConfig

MARK = b"\xef\xbb\xbf"  # Excel takes a file without it for one in the code page of the machine
_PHONE = re.compile(r"\+?[0-9]+")
_UNSEEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202f\u2060-\u206f\ufeff]+")


def safe(text: str) -> str:
    """Text that no spreadsheet takes for a formula, in whatever width its first sign is written and whatever stands before it."""
    if _PHONE.fullmatch(text):
        return text
    hidden = _UNSEEN.match(text)
    first = unicodedata.normalize("NFKC", text[hidden.end() if hidden else 0 :][:1])
    control = hidden is not None and not hidden.group().isspace()
    return f"'{text}" if first[:1] in tuple("=+-@|%\u2212") or control or text[:1] in tuple("\t\r\n") else text


@dataclass(frozen=True, slots=True)
class Sheet:
    """How the rows of one export are written."""

    language: str
    zone: ZoneInfo
    queues: dict[str, str]
    agents: dict[str, str]

    @classmethod
    def of(cls, config: CentreConfig, language: str) -> Sheet:
        """In this language, in the time zone of the centre."""
        queues = {queue.id: (queue.zh if language == "zh" else queue.en) or queue.id for queue in config.queue}
        agents = {agent.id: agent.name for agent in config.agent}
        return cls(language, ZoneInfo(config.centre.zone), queues, agents)

    def heads(self) -> bytes:
        """The mark and the first line."""
        return MARK + _lines([[self.head(name) for name, _ in COLUMNS]])

    def head(self, name: str) -> str:
        """Of one column; that of a time names the zone."""
        zone = f" ({self.zone.key})" if dict(COLUMNS)[name] is _moment else ""
        return words(self.language)[f"csv.{name}"] + zone

    def rows(self, rows: Iterable[Row]) -> bytes:
        """A line for each row."""
        return _lines([[safe(write(self, row, name)) for name, write in COLUMNS] for row in rows])

    def word(self, group: str, name: str) -> str:
        """A word of a closed list; one that the dictionary does not have, as it is."""
        return words(self.language).get(f"{group}.{name}", name) if name else ""


def _lines(rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode()


Write = Callable[[Sheet, Row, str], str]


def _text(sheet: Sheet, row: Row, name: str) -> str:
    return str(row[name])


def _moment(sheet: Sheet, row: Row, name: str) -> str:
    """Wall-clock time of the centre; "" where there is none."""
    value = row[f"{name}_ms"]
    return f"{datetime.fromtimestamp(value / 1000, sheet.zone):%Y-%m-%d %H:%M:%S}" if value else ""


def _seconds(sheet: Sheet, row: Row, name: str) -> str:
    return f"{row[f'{name}_ms'] / 1000:.1f}"


def _word(group: str) -> Write:
    return lambda sheet, row, name: sheet.word(group, str(row[name]))


def _result(sheet: Sheet, row: Row, name: str) -> str:
    return sheet.word("result", row["result"] or "open")


def _callback(sheet: Sheet, row: Row, name: str) -> str:
    return sheet.word("calls", f"callback_{row['callback']}") if row["callback"] else ""


def _queue(sheet: Sheet, row: Row, name: str) -> str:
    return sheet.queues.get(row["queue"], str(row["queue"]))


def _agent_name(sheet: Sheet, row: Row, name: str) -> str:
    return sheet.agents.get(row["agent"], "")


COLUMNS: tuple[tuple[str, Write], ...] = (
    ("first", _moment),
    ("calling", _text),
    ("called", _text),
    ("country", _text),
    ("province", _text),
    ("city", _text),
    ("carrier", _text),
    ("trunk", _text),
    ("language", _word("language")),
    ("menu_path", _text),
    ("queue", _queue),
    ("agent", _text),
    ("agent_name", _agent_name),
    ("result", _result),
    ("reason", _word("reason")),
    ("side", _word("side")),
    ("waited", _seconds),
    ("talk", _seconds),
    ("offers", _text),
    ("started", _moment),
    ("entered", _moment),
    ("answered", _moment),
    ("ended", _moment),
    ("recording", _word("recording")),
    ("callback", _callback),
    ("node", _text),
    ("routed_by", _word("routed")),
    ("sip_status", _text),
    ("id", _text),
)
