"""What can be wrong, by name. rpc/errors.py is the one place that turns these into gRPC codes; store/redis.py the one place
that turns Lua's error replies into these (by `code`)."""

from __future__ import annotations


class RouterError(Exception):
    """Anything the router refuses or cannot do. `code` is its name on the wire between Lua and Python."""

    code = "ERROR"


class BadInput(RouterError):
    """A field of a request is wrong; the text is "<field>: <what>"."""

    code = "INPUT"

    def __init__(self, field: str, what: str) -> None:
        super().__init__(f"{field}: {what}")
        self.field = field


class NotAllowed(RouterError):
    """The (state, event) is not in the table."""

    code = "STATE"

    def __init__(self, state: str, event: str) -> None:
        super().__init__(f"{state} does not take {event}")


class NoPhone(RouterError):
    """The agent's seat has no registered phone: nobody could be connected."""

    code = "PHONE"

    def __init__(self, seat: str) -> None:
        super().__init__(f"seat {seat} has no registered phone: switch it on, or look why it does not register")


class UnknownAgent(RouterError):
    """No agent of that id ever logged in."""

    code = "AGENT"


class UnknownQueue(RouterError):
    """No queue of that id is configured, or it takes no new calls."""

    code = "QUEUE"


class UnknownCall(RouterError):
    """The message needs a call that the store does not know."""

    code = "CALL"


class OfferClosed(RouterError):
    """The offer named is not open, and what it says can no longer be taken in."""

    code = "OFFER"


class NumberNotAllowed(RouterError):
    """A callback to a number that may not be dialled."""

    code = "NUMBER"


class TooManyCallbacks(RouterError):
    """A callback to this number is open already, or there were enough of them today."""

    code = "CALLBACKS"


class OldEpoch(RouterError):
    """A node says hello with an epoch before the known one: an older process of it."""

    code = "EPOCH"


class NewerRules(RouterError):
    """A newer version of the rules is in force, or another book of the same version."""

    code = "RULES"


class StoreAway(RouterError):
    """The store does not answer. Whether a verb under way was done is unknown; all verbs may be repeated."""

    code = "AWAY"


class ConfigMissing(StoreAway):
    """The store was emptied: it must be given the configuration again first."""

    code = "CONFIG"


class UnknownNode(StoreAway):
    """A heartbeat of a node that is taken for lost: it must say hello and assert its calls again."""

    code = "NODE"


class NoMediaNode(StoreAway):
    """No media node takes calls as far as the store knows: the edge should fall back to its own probes."""

    code = "NODES"


class ScriptFailed(RouterError):
    """A defect in a script: nothing to repeat, to be mended."""

    code = "SCRIPT"
