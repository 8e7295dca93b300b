"""Takes headers off messages that cross the border. Looks before it edits: a look costs 1 us, the expression 10 us and more."""

from __future__ import annotations

import KSR

OURS = "^X-Tierline-"  # as a POSIX expression: nobody outside may send one, nobody outside gets one
_MARK = "\nx-tierline-"


def _text() -> str | None:
    """The message in lower case; None if it is no UTF-8 (an ISUP body, a display name in GBK), then nothing can be ruled out."""
    try:
        return str(KSR.kx.get_msgbuf()).lower()
    except UnicodeDecodeError:
        return None


def inwards() -> None:
    """What comes from outside loses the platform's headers."""
    text = _text()
    if text is None or _MARK in text:
        KSR.textops.remove_hf_re(OURS)


def outwards() -> None:
    """What a media node sends out loses the platform's headers and the names of the software (they may tell the node)."""
    text = _text()
    if text is None or _MARK in text:
        KSR.textops.remove_hf_re(OURS)
    if text is None or "\nserver" in text:
        KSR.hdr.remove("Server")
    if text is None or "\nuser-agent" in text:
        KSR.hdr.remove("User-Agent")
