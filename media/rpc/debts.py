"""What the router has not acknowledged yet, and what follows from it for a new stream. No I/O.

A new stream is not fed what the old one carried. What calls are now is asserted; of the old frames only those are repeated whose
effect no assertion can bring: how an offer failed, that a caller left the line or wants a callback, that a call ended. An Enqueue
without an acknowledgement is never repeated: either the call still waits, then its Assert says more, or it does not, then nobody
shall be offered to it.

A Redis whose machine died forgets its last second although all of it was acknowledged. What a node holds it says again; a wish to
be called back nobody holds, so it is repeated for a while after its acknowledgement too. Said twice it is one.
"""

from __future__ import annotations

from collections.abc import Iterable

from media.call.frames import Assert, Callback, Cancel, End, Frame, Held, Settle

LINGER_MS = 5_000  # more than AOF's second


class Debts:
    """Frames of one node on their way. Streams come and go; `seq` starts anew with each."""

    def __init__(self) -> None:
        self._wishes: list[tuple[int, int, Callback]] = []  # acknowledged: repeated until, order, frame
        self._owed: dict[int, Frame] = {}  # by an order of our own
        self._count = 0
        self._sent: dict[int, tuple[int, Frame]] = {}  # seq of this stream -> order, frame

    def __len__(self) -> int:
        return len(self._owed)

    def owe(self, frame: Frame) -> int:
        """A new frame; its order."""
        self._count += 1
        if isinstance(frame, Settle | Callback | Cancel | End):
            self._owed[self._count] = frame
        return self._count

    def sent(self, seq: int, order: int, frame: Frame) -> None:
        """It went out under this number."""
        self._sent[seq] = (order, frame)

    def frame(self, seq: int) -> Frame | None:
        """What went out under a number that is not acknowledged yet."""
        got = self._sent.get(seq)
        return got[1] if got else None

    def acked(self, seq: int, now_ms: int | None = None) -> None:
        """The effect of everything up to this number is stored. `now_ms`: of any clock; None: stored for good."""
        for known in [one for one in self._sent if one <= seq]:
            order, frame = self._sent.pop(known)
            if self._owed.pop(order, None) is not None and isinstance(frame, Callback) and now_ms is not None:
                self._wishes = [*self._fresh(now_ms), (now_ms + LINGER_MS, order, frame)]

    def _fresh(self, now_ms: int) -> list[tuple[int, int, Callback]]:
        return [wish for wish in self._wishes if wish[0] > now_ms]

    def restart(self, held: Iterable[Assert], now_ms: int | None = None) -> list[tuple[int, Frame]]:
        """What a new stream begins with: debts in their order, then what the node holds, in the order given.

        An answered offer whose conversation goes on is told, and paid, by its assertion.
        """
        self._sent.clear()
        held = list(held)
        talking = {(one.call, one.offer) for one in held if one.state is Held.TALKING}
        told = {key: order for order, frame in self._owed.items() if (key := _answered(frame)) in talking}
        debts = [(order, frame) for order, frame in self._owed.items() if order not in told.values()]
        wishes = [(order, frame) for _, order, frame in self._fresh(now_ms)] if now_ms is not None else []
        return [*wishes, *debts, *((told.get((one.call, one.offer), 0), one) for one in held)]


def _answered(frame: Frame) -> tuple[str, str]:
    """Call and offer that a frame tells to be answered."""
    return (frame.call, frame.offer) if isinstance(frame, Settle) and not frame.failed else ("", "")
