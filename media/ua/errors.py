"""What can go wrong inside the user agent, by name."""

from __future__ import annotations


class SipError(Exception):
    """Anything this package raises on purpose."""


class BadUri(SipError, ValueError):
    """A URI that cannot be read; the text says why."""


class BadHeader(SipError, ValueError):
    """A header value that cannot be read; the text names header and fault."""


class BadSdp(SipError, ValueError):
    """A session description that cannot be read; the text says line and fault."""


class NotInTable(SipError):
    """A state machine was given an event it has no row for: a fault of ours, never of the peer."""

    def __init__(self, table: str, state: str, event: str) -> None:
        super().__init__(f"{table}: no row for {event} in state {state}")
        self.table, self.state, self.event = table, state, event


class UnsafeText(SipError, ValueError):
    """Text that would break out of its header (CR, LF or NUL) was given for sending."""
