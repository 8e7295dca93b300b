"""Names of the script's methods that Kamailio calls. tests/sip checks that each exists on the script object."""

from __future__ import annotations

RESUME = "ksr_resume"
REPLY = "ksr_reply"
FAILURE = "ksr_failure"
REPLY_DIALOG = "ksr_reply_dialog"
REPLY_SEAT = "ksr_reply_seat"
REPLY_AWAY = "ksr_reply_away"
FAILURE_AWAY = "ksr_failure_away"
REPLY_LENT = "ksr_reply_lent"
FAILURE_LENT = "ksr_failure_lent"
REPLY_OUT = "ksr_reply_out"
FAILURE_OUT = "ksr_failure_out"
ASKER = "ksr_asker"
XHTTP = "ksr_xhttp_event"
WEBSOCKET = "ksr_websocket_event"
