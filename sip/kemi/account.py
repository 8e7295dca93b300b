"""Accounting and counters of calls: a fact when an INVITE enters, a fact with its final answer."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import KSR

from ops import ids
from ops.clock import SystemClock
from ops.facts import Fact
from sip.kemi.journal import Journal
from sip.kemi.settings import Settings

ENTERED = "invites_total"
LOST = "unwritten_total"


class Entry(NamedTuple):
    """What is known of an INVITE when it enters."""

    call: str
    trunk: str
    called: str
    calling: str
    leg: str = ""  # what its lines are named after when it is not the call's first INVITE


def count(name: str, label: str) -> None:
    """Add one to a counter of kamailio.cfg."""
    KSR.xhttp_prom.counter_inc_l1(name, 1, label)


def text(pseudo: str) -> str:
    """A pseudo-variable as text, "" when it is absent or no UTF-8: for accounting, which must not fail on bad bytes."""
    try:
        return str(KSR.pv.gete(pseudo))
    except UnicodeDecodeError:
        return ""


class Accounts:
    """Writes the lines. A full disk costs the line and a counter, never the call."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._journal = Journal(Path(settings.journal))
        self._clock = SystemClock()

    def new_call(self) -> str:
        """A CallId."""
        return ids.uuid7(self._clock.now_ms())

    def entered(self, entry: Entry) -> None:
        """An INVITE without To tag came in."""
        body = {"edge": self._settings.edge, "trunk": entry.trunk, "calling": entry.calling, "called": entry.called}
        body |= {"source_address": text("$si"), "sip_call_id": text("$ci")}
        self._write(entry.call, "edge_invite", f"{entry.leg or entry.call}:e:invite", body)
        count(ENTERED, entry.trunk or "unknown")

    def ended(self, call: str, status: int, reason: str, routed_by: str, leg: str = "") -> None:
        """Its transaction got its final answer. A repeat writes the same id again, which is harmless."""
        body = {"edge": self._settings.edge, "sip_status": status, "sip_reason": reason, "routed_by": routed_by}
        self._write(call, "edge_outcome", f"{leg or call}:e:outcome", body)

    def _write(self, call: str, kind: str, name: str, body: dict[str, str | int]) -> None:
        body = {key: value for key, value in body.items() if value not in ("", 0)}
        source = f"edge:{self._settings.edge}"
        fact = Fact(name, self._clock.now_ms(), self._settings.tenant, source, kind, body, call)
        try:
            self._journal.write(fact)
        except OSError as error:
            count(LOST, kind)
            KSR.err(f"accounting line of call {call} not written: {error}\n")
