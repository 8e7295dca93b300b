"""The four transaction machines of RFC 3261 §17 with the corrections of RFC 6026, as tables.

T1 is the round trip guess, T2 the longest pause between repeats, T4 how long the network keeps a message. Over a reliable transport
nothing is repeated (A, E, G do not run) and nothing is waited for (D, I, J, K are zero). Accepted is RFC 6026's state: an INVITE
that was answered 2xx stays known for 64*T1, because 2xx and their ACKs travel end to end and the user of the transaction repeats
them. Timer C is a proxy's (§16.6), and ours: an INVITE that somebody said 1xx to and nobody ever answered is not kept for ever.
"""

from __future__ import annotations

from enum import StrEnum

from media.ua.table import Table

T1 = 500
T2 = 4_000
T4 = 5_000
TIMEOUT = 64 * T1  # B, F, H, J, L, M, and D over UDP: 32 s
PATIENCE = 360_000  # C: no word about an INVITE that was going on; longer than any phone of ours rings, CANCEL included
TRYING = 200  # 100 is sent if nothing else was by then, RFC 3261 §17.2.1


class State(StrEnum):
    """States of all four machines."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    TERMINATED = "terminated"


OPEN = frozenset([State.CALLING, State.TRYING, State.PROCEEDING])  # of a client transaction without a final answer


class On(StrEnum):
    """What happens to a transaction. Timers by their letters."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    REQUEST = "request"  # a repeat of the request that made it
    ACK = "ack"
    SEND_PROVISIONAL = "send 1xx"
    SEND_SUCCESS = "send 2xx"
    SEND_FAILURE = "send 300-699"
    NO_TRANSPORT = "no transport"
    TRYING = "timer 100"
    A = "timer A"
    B = "timer B"
    C = "timer C"
    D = "timer D"
    E = "timer E"
    F = "timer F"
    G = "timer G"
    H = "timer H"
    I = "timer I"  # noqa: E741 RFC 3261 calls it so
    J = "timer J"
    K = "timer K"
    L = "timer L"
    M = "timer M"


class Do(StrEnum):
    """What a transaction does on the way."""

    TELL = "tell the user the response"
    TELL_TIMEOUT = "tell the user that nobody answered"
    TELL_BROKEN = "tell the user that it cannot be sent"
    TELL_ACK = "tell the user the ACK"
    SEND = "send the response given"
    SEND_TRYING = "send 100"
    RESEND = "send the last message again"
    ACK = "make the ACK, keep and send it"
    STOP = "stop all timers"
    AGAIN_A = "timer A, doubled"
    START_C = "timer C anew"
    AGAIN_E = "timer E, doubled up to T2"
    SLOW_E = "timer E at T2"
    AGAIN_G = "timer G, doubled up to T2"
    START_D = "timer D"
    START_G = "timer G"
    START_H = "timer H"
    START_I = "timer I"
    START_J = "timer J"
    START_K = "timer K"
    START_L = "timer L"
    START_M = "timer M"
    END = "forget the transaction"


_C, _T, _P, _CO = State.CALLING, State.TRYING, State.PROCEEDING, State.COMPLETED
_AC, _CF, _END = State.ACCEPTED, State.CONFIRMED, State.TERMINATED

INVITE_CLIENT_STATES = (_C, _P, _CO, _AC, _END)
INVITE_CLIENT_EVENTS = (On.PROVISIONAL, On.SUCCESS, On.FAILURE, On.NO_TRANSPORT, On.A, On.B, On.C, On.D, On.M)
_ACCEPT = (_AC, (Do.STOP, Do.START_M, Do.TELL))
_REFUSE = (_CO, (Do.STOP, Do.ACK, Do.START_D, Do.TELL))
INVITE_CLIENT: Table[State, On, Do] = Table(
    "INVITE client transaction",
    {
        (_C, On.PROVISIONAL): (_P, (Do.STOP, Do.START_C, Do.TELL)),
        (_C, On.SUCCESS): _ACCEPT,
        (_C, On.FAILURE): _REFUSE,
        (_C, On.NO_TRANSPORT): (_END, (Do.STOP, Do.TELL_BROKEN, Do.END)),
        (_C, On.A): (_C, (Do.RESEND, Do.AGAIN_A)),
        (_C, On.B): (_END, (Do.STOP, Do.TELL_TIMEOUT, Do.END)),
        (_P, On.PROVISIONAL): (_P, (Do.STOP, Do.START_C, Do.TELL)),
        (_P, On.SUCCESS): _ACCEPT,
        (_P, On.FAILURE): _REFUSE,
        (_P, On.C): (_END, (Do.STOP, Do.TELL_TIMEOUT, Do.END)),
        (_CO, On.FAILURE): (_CO, (Do.RESEND,)),
        (_CO, On.D): (_END, (Do.END,)),
        (_AC, On.SUCCESS): (_AC, (Do.TELL,)),
        (_AC, On.M): (_END, (Do.END,)),
    },
    {
        _C: (On.C, On.D, On.M),
        _P: (On.NO_TRANSPORT, On.A, On.B, On.D, On.M),
        _CO: (On.PROVISIONAL, On.SUCCESS, On.NO_TRANSPORT, On.A, On.B, On.C, On.M),
        _AC: (On.PROVISIONAL, On.FAILURE, On.NO_TRANSPORT, On.A, On.B, On.C, On.D),
        _END: INVITE_CLIENT_EVENTS,
    },
)

CLIENT_STATES = (_T, _P, _CO, _END)
CLIENT_EVENTS = (On.PROVISIONAL, On.SUCCESS, On.FAILURE, On.NO_TRANSPORT, On.E, On.F, On.K)
_DONE = (_CO, (Do.STOP, Do.START_K, Do.TELL))
_NOBODY = (_END, (Do.STOP, Do.TELL_TIMEOUT, Do.END))
CLIENT: Table[State, On, Do] = Table(
    "non-INVITE client transaction",
    {
        (_T, On.PROVISIONAL): (_P, (Do.TELL,)),
        (_T, On.SUCCESS): _DONE,
        (_T, On.FAILURE): _DONE,
        (_T, On.NO_TRANSPORT): (_END, (Do.STOP, Do.TELL_BROKEN, Do.END)),
        (_T, On.E): (_T, (Do.RESEND, Do.AGAIN_E)),
        (_T, On.F): _NOBODY,
        (_P, On.PROVISIONAL): (_P, (Do.TELL,)),
        (_P, On.SUCCESS): _DONE,
        (_P, On.FAILURE): _DONE,
        (_P, On.E): (_P, (Do.RESEND, Do.SLOW_E)),
        (_P, On.F): _NOBODY,
        (_CO, On.K): (_END, (Do.END,)),
    },
    {
        _T: (On.K,),
        _P: (On.NO_TRANSPORT, On.K),
        _CO: (On.PROVISIONAL, On.SUCCESS, On.FAILURE, On.NO_TRANSPORT, On.E, On.F),
        _END: CLIENT_EVENTS,
    },
)

INVITE_SERVER_STATES = (_P, _CO, _AC, _CF, _END)
INVITE_SERVER_EVENTS = (
    On.REQUEST, On.ACK, On.SEND_PROVISIONAL, On.SEND_SUCCESS, On.SEND_FAILURE, On.NO_TRANSPORT, On.TRYING, On.G, On.H, On.I, On.L,
)  # fmt: skip
INVITE_SERVER: Table[State, On, Do] = Table(
    "INVITE server transaction",
    {
        (_P, On.REQUEST): (_P, (Do.RESEND,)),
        (_P, On.SEND_PROVISIONAL): (_P, (Do.STOP, Do.SEND)),
        (_P, On.SEND_SUCCESS): (_AC, (Do.STOP, Do.SEND, Do.START_L)),
        (_P, On.SEND_FAILURE): (_CO, (Do.STOP, Do.SEND, Do.START_G, Do.START_H)),
        (_P, On.TRYING): (_P, (Do.SEND_TRYING,)),
        (_CO, On.REQUEST): (_CO, (Do.RESEND,)),
        (_CO, On.ACK): (_CF, (Do.STOP, Do.START_I)),
        (_CO, On.G): (_CO, (Do.RESEND, Do.AGAIN_G)),
        (_CO, On.H): (_END, (Do.STOP, Do.END)),
        (_AC, On.ACK): (_AC, (Do.TELL_ACK,)),
        (_AC, On.SEND_SUCCESS): (_AC, (Do.SEND,)),
        (_AC, On.L): (_END, (Do.END,)),
        (_CF, On.I): (_END, (Do.END,)),
    },
    {
        _P: (On.ACK, On.NO_TRANSPORT, On.G, On.H, On.I, On.L),
        _CO: (On.SEND_PROVISIONAL, On.SEND_SUCCESS, On.SEND_FAILURE, On.NO_TRANSPORT, On.TRYING, On.I, On.L),
        _AC: (On.REQUEST, On.SEND_PROVISIONAL, On.SEND_FAILURE, On.NO_TRANSPORT, On.TRYING, On.G, On.H, On.I),
        _CF: tuple(event for event in INVITE_SERVER_EVENTS if event is not On.I),
        _END: INVITE_SERVER_EVENTS,
    },
)

SERVER_STATES = (_T, _P, _CO, _END)
SERVER_EVENTS = (On.REQUEST, On.SEND_PROVISIONAL, On.SEND_SUCCESS, On.SEND_FAILURE, On.NO_TRANSPORT, On.J)
_ANSWER = (_CO, (Do.SEND, Do.START_J))
SERVER: Table[State, On, Do] = Table(
    "non-INVITE server transaction",
    {
        (_T, On.SEND_PROVISIONAL): (_P, (Do.SEND,)),
        (_T, On.SEND_SUCCESS): _ANSWER,
        (_T, On.SEND_FAILURE): _ANSWER,
        (_P, On.REQUEST): (_P, (Do.RESEND,)),
        (_P, On.SEND_PROVISIONAL): (_P, (Do.SEND,)),
        (_P, On.SEND_SUCCESS): _ANSWER,
        (_P, On.SEND_FAILURE): _ANSWER,
        (_CO, On.REQUEST): (_CO, (Do.RESEND,)),
        (_CO, On.J): (_END, (Do.END,)),
    },
    {
        _T: (On.REQUEST, On.NO_TRANSPORT, On.J),
        _P: (On.NO_TRANSPORT, On.J),
        _CO: (On.SEND_PROVISIONAL, On.SEND_SUCCESS, On.SEND_FAILURE, On.NO_TRANSPORT),
        _END: SERVER_EVENTS,
    },
)
