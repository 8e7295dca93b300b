"""The busy hour in small as data: who calls, which keys are pressed, what is said, how it ends, what the ledger must say.

Scenes follow each other only where the outcome depends on it: callers give up because nobody is ready yet; a seat does not answer
because it is the only one that is ready. Within a scene calls come as they come.
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICE = "12345"
ANSWERED, ABANDONED, REFUSED, SELF_SERVED = "answered", "abandoned", "refused", "self_served"
RING_ONLY = "1006"  # the seat where nobody picks up
BARESIP = ("1001", "1002")
SIMULATED = ("1003", "1004", "1005")


@dataclass(frozen=True, slots=True)
class Want:
    """What the ledger must say of a call. "" does not matter."""

    result: str
    side: str = ""  # who ended it
    reason: str = ""
    queue: str = ""
    offers: int = 1  # at least, if answered
    wrong_keys: int = 0  # at least


@dataclass(frozen=True, slots=True)
class Call:
    """One call. Times in seconds."""

    name: str
    calling: str
    want: Want
    at: float = 0.0  # after the begin of its scene
    digits: str = ""
    talk: float = 4.0
    hangup_by: str = "caller"
    give_up: float = 75.0
    called: str = SERVICE
    trunk: str = "carrier-a"
    about: str = ""  # what it shows, for people
    expect: str = "talked"  # result as the caller's phone sees it


@dataclass(frozen=True, slots=True)
class Scene:
    """Calls that are placed together."""

    name: str
    title: str
    calls: tuple[Call, ...]


def answered(queue: str, side: str = "caller", offers: int = 1, wrong_keys: int = 0) -> Want:
    """A conversation, ended by `side`."""
    return Want(ANSWERED, side, "hangup", queue, offers, wrong_keys)


def by_agent(name: str, calling: str, queue: str, at: float, digits: str) -> Call:
    """A call that the agent ends: the caller asks for it with # and waits (docs/adr/0803)."""
    return Call(name, calling, answered(queue, "agent"), at, digits, hangup_by="agent", about="the agent hangs up")


GONE = Want(ABANDONED, "caller", "hangup", "billing")

OPENING = Scene(
    "opening",
    "before opening time: nobody is ready for bills yet",
    (
        Call("impatient 1", "13812345601", GONE, 0.0, "0", give_up=9, expect="gave_up", about="gives up while waiting"),
        Call("impatient 2", "13923456702", GONE, 0.3, "22", give_up=10, expect="gave_up", about="gives up while waiting"),
        Call("impatient 3", "18634567803", GONE, 0.6, "20", give_up=11, expect="gave_up", about="gives up while waiting"),
        Call("patient 1", "13745678904", answered("billing"), 1.2, "0", about="waits until somebody is ready"),
        Call("patient 2", "15056789005", answered("billing"), 2.0, "23", about="waits until somebody is ready"),
        Call("banned", "13900000000", Want(REFUSED), 0.4, expect="refused", about="stands on the black list"),
        Call("banned range", "13911112006", Want(REFUSED), 0.8, expect="refused", about="number range on the black list"),
        Call("wrong number", "13512340007", Want(REFUSED), 1.0, called="99999", expect="refused", about="not one of our numbers"),
        Call(
            "looks around",
            "13612340008",
            Want(SELF_SERVED, "caller"),
            0.5,
            "1",
            give_up=5,
            expect="gave_up",
            about="hangs up in the menu",
        ),
        Call("hours", "13212340009", Want(SELF_SERVED, "caller"), 1.5, "12", give_up=8, expect="gave_up", about="listens and goes"),
        Call(
            "known faults", "13312340010", Want(SELF_SERVED, "system", "menu_end"), 0.2, "33", expect="ended", about="menu ends it"
        ),
    ),
)
FIELD = Scene(
    "faults",
    "faults and complaints: half of them ended by the agent",
    (
        Call("fault 1", "13012340011", answered("faults"), 0.0, "31", trunk="carrier-b"),
        by_agent("fault 2", "13112340012", "faults", 0.5, "31"),
        Call("complaint 1", "15812340013", answered("complaints"), 1.0, "32"),
        by_agent("complaint 2", "15912340014", "complaints", 6.0, "32"),
        by_agent("fault 3", "18812340015", "faults", 3.0, "31"),
        Call("fault 4", "18912340016", answered("faults"), 4.0, "3w1", trunk="carrier-b", about="thinks between the keys"),
        by_agent("complaint 3", "17712340017", "complaints", 7.0, "30"),
    ),
)
RUSH = Scene(
    "rush",
    "the rush: more calls than agents",
    (
        Call("bill 1", "13412340018", answered("billing"), 0.0, "22"),
        Call("bill 2", "13512340019", answered("billing"), 0.3, "23", trunk="carrier-b"),
        Call("English", "13612340020", answered("billing"), 0.6, "8w20", about="in English"),
        Call("wrong key", "13712340021", answered("billing", wrong_keys=1), 1.0, "7w0", about="a key without a meaning first"),
        Call("wrong keys", "13812340022", answered("billing", wrong_keys=3), 1.3, "7w6w7", about="wrong three times: an agent"),
        Call("cut off", "13912340023", answered("billing"), 1.6, "24", about="goes before the others (priority)"),
        Call("bill 3", "15012340024", answered("billing"), 2.0, "22", talk=3),
        Call("bill 4", "15112340025", answered("billing"), 2.3, "41", talk=3, trunk="carrier-b"),
        Call("back and forth", "15212340026", answered("billing"), 2.6, "1w9w0", about="9 goes back"),
        Call("bill 5", "15312340027", answered("billing"), 3.0, "0", talk=3),
        Call("bill 6", "15512340028", answered("billing"), 3.5, "0", talk=3),
        Call("bill 7", "15612340029", answered("billing"), 4.0, "22", talk=3, trunk="carrier-b"),
    ),
)
NO_ANSWER = Scene(
    "no answer",
    "one seat rings and nobody picks up: the call goes to another one",
    (
        Call("forgotten 1", "15712340030", answered("faults", offers=2), 0.0, "31", about="seat 1006 does not answer"),
        Call("forgotten 2", "18012340031", answered("faults"), 1.0, "31", about="waits behind it"),
        by_agent("forgotten 3", "18112340032", "faults", 1.5, "31"),
    ),
)
SCENES = (OPENING, FIELD, RUSH, NO_ANSWER)
CALLS = tuple(call for scene in SCENES for call in scene.calls)
