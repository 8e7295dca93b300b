"""The life of an INVITE usage (RFC 5057: what an INVITE makes and a BYE ends), for both directions, as tables.

Rules behind the rows: a CANCEL goes out only after a 1xx came (RFC 3261 §9.1); the called side sends BYE only after the ACK, or
when none came in 32 s (§15); a 2xx that crosses our CANCEL is acknowledged and ended (§9.1); a BYE in the early dialog ends the
INVITE with 487 (§15.1.2); an INVITE whose CANCEL ends nothing is given up after 32 s (§9.1).
"""

from __future__ import annotations

from enum import StrEnum

from media.ua.table import Table


class Is(StrEnum):
    """States of both machines."""

    CALLING = "calling"  # our INVITE is out, nothing came back
    EARLY = "early"  # a 1xx came
    HELD = "cancel held"  # to be cancelled as soon as a 1xx comes
    CANCELLING = "cancelling"  # CANCEL is out
    RINGING = "ringing"  # their INVITE is unanswered
    ANSWERED = "answered"  # our 2xx is out, no ACK yet
    CLOSING = "closing"  # hung up, BYE waits for the ACK
    UP = "up"
    OVER = "over"


class Ev(StrEnum):
    """What happens to a usage."""

    RING = "command Ring"
    ANSWER = "command Answer"
    REJECT = "command Reject"
    HANGUP = "command Hangup"
    CANCEL = "CANCEL"
    BYE = "BYE"
    ACK = "ACK"
    NO_ACK = "no ACK in 32 s"
    NO_PRACK = "no PRACK in 32 s"
    LOST = "peer is gone"  # 481, 408 inside the dialog, session timer
    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    AGAIN = "refused, to be repeated"  # 401, 407, 422
    SILENCE = "no answer at all"
    BROKEN = "cannot be sent"
    EXPIRED = "rang too long"
    CANCEL_DONE = "no end 32 s after CANCEL"


class Act(StrEnum):
    """What a usage does on the way."""

    RING = "send 1xx"
    ANSWER = "send 2xx until the ACK"
    REFUSE = "refuse as told"
    REFUSE_480 = "refuse with 480"
    REFUSE_487 = "refuse with 487"
    REFUSE_504 = "refuse with 504"
    OK = "answer 200"
    BYE = "send BYE"
    CANCEL = "send CANCEL"
    ACK = "send ACK"
    ACK_AGAIN = "send the ACK again, or end a fork"
    REPEAT = "send INVITE again"
    NOTE = "note the early dialog"
    MARK_EXPIRED = "it will fail with 408"
    MARK_CANCELLED = "it will fail with 487"
    TELL_PROGRESS = "event Progress"
    TELL_ANSWERED = "event Answered"
    TELL_CONFIRMED = "event Confirmed"
    TELL_FAILED = "event Failed"
    TELL_ENDED = "event Ended by us"
    TELL_REMOTE = "event Ended by them"
    TELL_CANCELLED = "event Ended, cancelled"
    TELL_LOST = "event Ended, lost"
    FORGET = "forget the dialogs"


_OVER = Is.OVER
_UP_ROWS = {
    (Is.UP, Ev.HANGUP): (_OVER, (Act.BYE, Act.TELL_ENDED, Act.FORGET)),
    (Is.UP, Ev.BYE): (_OVER, (Act.OK, Act.TELL_REMOTE, Act.FORGET)),
    (Is.UP, Ev.LOST): (_OVER, (Act.BYE, Act.TELL_LOST, Act.FORGET)),
    (Is.UP, Ev.NO_ACK): (_OVER, (Act.BYE, Act.TELL_LOST, Act.FORGET)),  # of a re-INVITE
}

INCOMING_STATES = (Is.RINGING, Is.ANSWERED, Is.CLOSING, Is.UP, Is.OVER)
INCOMING_WIRE = (Ev.CANCEL, Ev.BYE, Ev.ACK, Ev.NO_ACK, Ev.NO_PRACK, Ev.LOST)  # what is not a command of ours: total over these
INCOMING: Table[Is, Ev, Act] = Table(
    "incoming INVITE",
    {
        (Is.RINGING, Ev.RING): (Is.RINGING, (Act.RING,)),
        (Is.RINGING, Ev.ANSWER): (Is.ANSWERED, (Act.ANSWER,)),
        (Is.RINGING, Ev.REJECT): (_OVER, (Act.REFUSE, Act.TELL_ENDED, Act.FORGET)),
        (Is.RINGING, Ev.HANGUP): (_OVER, (Act.REFUSE_480, Act.TELL_ENDED, Act.FORGET)),
        (Is.RINGING, Ev.CANCEL): (_OVER, (Act.REFUSE_487, Act.TELL_CANCELLED, Act.FORGET)),
        (Is.RINGING, Ev.BYE): (_OVER, (Act.OK, Act.REFUSE_487, Act.TELL_CANCELLED, Act.FORGET)),
        (Is.RINGING, Ev.NO_PRACK): (_OVER, (Act.REFUSE_504, Act.TELL_LOST, Act.FORGET)),
        (Is.ANSWERED, Ev.ACK): (Is.UP, (Act.TELL_CONFIRMED,)),
        (Is.ANSWERED, Ev.HANGUP): (Is.CLOSING, (Act.TELL_ENDED,)),
        (Is.ANSWERED, Ev.BYE): (_OVER, (Act.OK, Act.TELL_REMOTE, Act.FORGET)),
        (Is.ANSWERED, Ev.NO_ACK): (_OVER, (Act.BYE, Act.TELL_LOST, Act.FORGET)),
        (Is.ANSWERED, Ev.LOST): (_OVER, (Act.BYE, Act.TELL_LOST, Act.FORGET)),
        (Is.CLOSING, Ev.ACK): (_OVER, (Act.BYE, Act.FORGET)),
        (Is.CLOSING, Ev.NO_ACK): (_OVER, (Act.BYE, Act.FORGET)),
        (Is.CLOSING, Ev.BYE): (_OVER, (Act.OK, Act.FORGET)),
        (Is.CLOSING, Ev.LOST): (_OVER, (Act.BYE, Act.FORGET)),
        **_UP_ROWS,
    },
    {
        Is.RINGING: (Ev.ACK, Ev.NO_ACK, Ev.LOST),
        Is.ANSWERED: (Ev.CANCEL, Ev.NO_PRACK),
        Is.CLOSING: (Ev.CANCEL, Ev.NO_PRACK),
        Is.UP: (Ev.CANCEL, Ev.ACK, Ev.NO_PRACK),
        Is.OVER: INCOMING_WIRE,
    },
)

OUTGOING_STATES = (Is.CALLING, Is.EARLY, Is.HELD, Is.CANCELLING, Is.UP, Is.OVER)
OUTGOING_WIRE = (
    Ev.PROVISIONAL, Ev.SUCCESS, Ev.FAILURE, Ev.AGAIN, Ev.SILENCE, Ev.BROKEN, Ev.EXPIRED, Ev.CANCEL_DONE,
    Ev.BYE, Ev.ACK, Ev.NO_ACK, Ev.LOST, Ev.CANCEL,
)  # fmt: skip
_FAIL = (_OVER, (Act.TELL_FAILED, Act.FORGET))
_CONNECT = (Is.UP, (Act.ACK, Act.TELL_ANSWERED))
_PROGRESS = (Is.EARLY, (Act.NOTE, Act.TELL_PROGRESS))
_CROSSED = (_OVER, (Act.ACK, Act.BYE, Act.TELL_FAILED, Act.FORGET))
OUTGOING: Table[Is, Ev, Act] = Table(
    "outgoing INVITE",
    {
        (Is.CALLING, Ev.PROVISIONAL): _PROGRESS,
        (Is.CALLING, Ev.SUCCESS): _CONNECT,
        (Is.CALLING, Ev.FAILURE): _FAIL,
        (Is.CALLING, Ev.AGAIN): (Is.CALLING, (Act.REPEAT,)),
        (Is.CALLING, Ev.SILENCE): _FAIL,
        (Is.CALLING, Ev.BROKEN): _FAIL,
        (Is.CALLING, Ev.HANGUP): (Is.HELD, (Act.MARK_CANCELLED,)),
        (Is.CALLING, Ev.EXPIRED): (Is.HELD, (Act.MARK_EXPIRED,)),
        (Is.EARLY, Ev.PROVISIONAL): _PROGRESS,
        (Is.EARLY, Ev.SUCCESS): _CONNECT,
        (Is.EARLY, Ev.FAILURE): _FAIL,
        (Is.EARLY, Ev.AGAIN): (Is.CALLING, (Act.REPEAT,)),
        (Is.EARLY, Ev.HANGUP): (Is.CANCELLING, (Act.MARK_CANCELLED, Act.CANCEL)),
        (Is.EARLY, Ev.EXPIRED): (Is.CANCELLING, (Act.MARK_EXPIRED, Act.CANCEL)),
        (Is.EARLY, Ev.BYE): (Is.CANCELLING, (Act.MARK_CANCELLED, Act.OK, Act.CANCEL)),  # not allowed to them (§15), but clear
        (Is.HELD, Ev.PROVISIONAL): (Is.CANCELLING, (Act.CANCEL,)),
        (Is.HELD, Ev.SUCCESS): _CROSSED,
        (Is.HELD, Ev.FAILURE): _FAIL,
        (Is.HELD, Ev.AGAIN): _FAIL,
        (Is.HELD, Ev.SILENCE): _FAIL,
        (Is.HELD, Ev.BROKEN): _FAIL,
        (Is.CANCELLING, Ev.SUCCESS): _CROSSED,
        (Is.CANCELLING, Ev.FAILURE): _FAIL,
        (Is.CANCELLING, Ev.AGAIN): _FAIL,
        (Is.CANCELLING, Ev.CANCEL_DONE): _FAIL,
        (Is.CANCELLING, Ev.BYE): (Is.CANCELLING, (Act.OK,)),
        (Is.UP, Ev.SUCCESS): (Is.UP, (Act.ACK_AGAIN,)),
        (Is.OVER, Ev.SUCCESS): (_OVER, (Act.ACK_AGAIN,)),
        **_UP_ROWS,
    },
    {
        Is.CALLING: (Ev.CANCEL_DONE, Ev.BYE, Ev.ACK, Ev.NO_ACK, Ev.LOST, Ev.CANCEL),
        Is.EARLY: (Ev.SILENCE, Ev.BROKEN, Ev.CANCEL_DONE, Ev.ACK, Ev.NO_ACK, Ev.LOST, Ev.CANCEL),
        Is.HELD: (Ev.EXPIRED, Ev.CANCEL_DONE, Ev.BYE, Ev.ACK, Ev.NO_ACK, Ev.LOST, Ev.CANCEL, Ev.HANGUP),
        Is.CANCELLING: (
            Ev.PROVISIONAL, Ev.SILENCE, Ev.BROKEN, Ev.EXPIRED, Ev.ACK, Ev.NO_ACK, Ev.LOST, Ev.CANCEL, Ev.HANGUP,
        ),
        Is.UP: (Ev.PROVISIONAL, Ev.FAILURE, Ev.AGAIN, Ev.SILENCE, Ev.BROKEN, Ev.EXPIRED, Ev.CANCEL_DONE, Ev.ACK, Ev.CANCEL),
        Is.OVER: tuple(event for event in OUTGOING_WIRE if event is not Ev.SUCCESS),
    },
)  # fmt: skip


class Talk(StrEnum):
    """Offer and answer inside a dialog (RFC 3264, RFC 3261 §14): whose offer is open."""

    STABLE = "stable"
    THEIRS = "theirs"  # we owe an answer
    OURS = "ours"  # they owe one


class Turn(StrEnum):
    """What happens to offers."""

    OFFER = "offer comes"
    ACCEPT = "command AcceptOffer"
    ACCEPT_LATE = "command AcceptOffer, our 200 is the offer"
    REJECT = "command RejectOffer"
    WITHDRAW = "CANCEL of a re-INVITE"
    SEND = "we offer"
    SETTLED = "answer or refusal to ours"


class Say(StrEnum):
    """What is done about offers."""

    TELL = "event Reoffer"
    RETRY = "500 with Retry-After"  # RFC 3261 §14.2, RFC 3311 §5.2
    GLARE = "491"
    ACCEPT = "200"
    REFUSE = "refuse as told"
    TERMINATE = "487"
    SEND = "re-INVITE"
    BUSY = "event Reanswered with 491"


OFFERS: Table[Talk, Turn, Say] = Table(
    "offers in a dialog",
    {
        (Talk.STABLE, Turn.OFFER): (Talk.THEIRS, (Say.TELL,)),
        (Talk.STABLE, Turn.SEND): (Talk.OURS, (Say.SEND,)),
        (Talk.THEIRS, Turn.OFFER): (Talk.THEIRS, (Say.RETRY,)),
        (Talk.THEIRS, Turn.ACCEPT): (Talk.STABLE, (Say.ACCEPT,)),
        (Talk.THEIRS, Turn.ACCEPT_LATE): (Talk.OURS, (Say.ACCEPT,)),
        (Talk.THEIRS, Turn.REJECT): (Talk.STABLE, (Say.REFUSE,)),
        (Talk.THEIRS, Turn.WITHDRAW): (Talk.STABLE, (Say.TERMINATE,)),
        (Talk.THEIRS, Turn.SEND): (Talk.THEIRS, (Say.BUSY,)),
        (Talk.OURS, Turn.OFFER): (Talk.OURS, (Say.GLARE,)),
        (Talk.OURS, Turn.SEND): (Talk.OURS, (Say.BUSY,)),
        (Talk.OURS, Turn.SETTLED): (Talk.STABLE, ()),
    },
    {  # a command may cross the CANCEL that took its offer away
        Talk.STABLE: (Turn.ACCEPT, Turn.ACCEPT_LATE, Turn.REJECT, Turn.WITHDRAW, Turn.SETTLED),
        Talk.THEIRS: (Turn.SETTLED,),
        Talk.OURS: (Turn.ACCEPT, Turn.ACCEPT_LATE, Turn.REJECT, Turn.WITHDRAW),
    },
)
