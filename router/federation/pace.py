"""When a load report is sent: when something changed, at most five a second, at least one a second. No I/O, no clock."""

from __future__ import annotations

from tierline.federation.v1 import federation_pb2 as pb

LOOK_S = 0.2  # the store is asked so often: no report can follow another faster (docs/adr/1003)
AT_LEAST_MS = 1_000


class Pace:
    """Of one reporter."""

    def __init__(self) -> None:
        self._last: bytes | None = None
        self._sent_ms = 0

    def anew(self) -> None:
        """Somebody new listens: the next report is sent whatever it says."""
        self._last = None

    def due(self, report: pb.Report, now_ms: int) -> bool:
        """Whether this one (without its time) is to be sent now."""
        said = report.SerializeToString(deterministic=True)
        if said == self._last and now_ms - self._sent_ms < AT_LEAST_MS:
            return False
        self._last, self._sent_ms = said, now_ms
        return True
