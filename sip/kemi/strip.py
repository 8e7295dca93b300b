"""Takes headers off messages that cross the border. Looks before it edits: a look costs 1 us, a POSIX expression 60 us."""

from __future__ import annotations

import re

import KSR

OURS = "^X-Tierline-"  # as a POSIX expression: nobody outside may send one, nobody outside gets one
_MARK = "\nx-tierline-"
_NAME = re.compile("\n(x-tierline-[!-9;-~]+):")


def _text() -> str | None:
    """The message in lower case; None if it is no UTF-8 (an ISUP body, a display name in GBK), then nothing can be ruled out."""
    try:
        return str(KSR.kx.get_msgbuf()).lower()
    except UnicodeDecodeError:
        return None


def _ours(text: str | None) -> None:
    """Off with the platform's headers: by name, or by the expression if one is written in any odd way."""
    if text is not None and _MARK not in text:
        return
    names = _NAME.findall(text) if text else []
    if text is None or len(names) != text.count(_MARK):
        KSR.textops.remove_hf_re(OURS)
        return
    for name in set(names):
        KSR.hdr.remove(name)


def inwards() -> None:
    """What comes from outside loses the platform's headers."""
    _ours(_text())


def outwards() -> None:
    """What a media node sends out loses the platform's headers and the names of the software (they may tell the node)."""
    text = _text()
    _ours(text)
    if text is None or "\nserver" in text:
        KSR.hdr.remove("Server")
    if text is None or "\nuser-agent" in text:
        KSR.hdr.remove("User-Agent")
