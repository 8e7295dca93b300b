"""The tables of the ledger: facts as they came, and the rows folded from them (fold.py, stretches.py). Times are UTC ms, 0 = not.

`fact` is the truth; `call`, `segment`, `menu_step`, `recording`, `agent_state` can be made anew from it at any time. A column that
is not known is "" or 0, never NULL, so that equal facts always give equal rows.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

# Written by hand as JSON text (database.py): one dump a fact, no more.
_Json = JSON().with_variant(JSONB(), "postgresql")
_HAS_CALL = text("call <> ''")
_NO_CALL = text("call = ''")


def _text(primary_key: bool = False) -> Any:
    return Field(default="", sa_type=Text, primary_key=primary_key, nullable=False)


def _big(primary_key: bool = False) -> Any:
    return Field(default=0, sa_type=BigInteger, primary_key=primary_key, nullable=False)


class FactRow(SQLModel, table=True):
    """One fact, as it came. Never changed."""

    __tablename__ = "fact"
    __table_args__ = (
        Index("fact_call", "call", sqlite_where=_HAS_CALL, postgresql_where=_HAS_CALL),
        Index("fact_rest", "tenant", "at_ms", sqlite_where=_NO_CALL, postgresql_where=_NO_CALL),
    )
    id: str = _text(primary_key=True)
    at_ms: int = _big()
    tenant: str = _text()
    source: str = _text()
    kind: str = _text()
    call: str = _text()
    agent: str = _text()
    body: Any = Field(default=None, sa_type=_Json, nullable=False)


class CallRow(SQLModel, table=True):
    """One call: the call detail record (话单)."""

    __tablename__ = "call"
    __table_args__ = (Index("call_tenant_first", "tenant", "first_ms", "id"),)
    id: str = _text(primary_key=True)
    tenant: str = _text()
    first_ms: int = _big()  # the first thing known of it
    last_ms: int = _big()  # the last
    edge: str = _text()
    trunk: str = _text()
    calling: str = _text()
    called: str = _text()
    country: str = _text()  # home area of the caller
    province: str = _text()
    city: str = _text()
    carrier: str = _text()
    node: str = _text()  # media node
    routed_by: str = _text()  # router, fallback:<why>, edge
    sip_status: int = Field(default=0)  # final answer as the edge saw it
    started_ms: int = _big()  # the media node answered
    entered_ms: int = _big()  # entered its first queue
    answered_ms: int = _big()  # first bridged with an agent
    ended_ms: int = _big()
    waited_ms: int = _big()  # of the stretch that was answered, else of the last one
    talk_ms: int = _big()  # as the media node measured it
    router_talk_ms: int = _big()  # as the router did, all agents together
    queue: str = _text()  # the last one
    agent: str = _text()  # the last one that talked
    language: str = _text()
    menu_path: str = _text()  # ids of the chosen items with "/" between
    offers: int = Field(default=0)
    state: str = _text()  # edge, menu, waiting, talking, ended
    result: str = (
        _text()
    )  # answered, abandoned, self_served, refused, failed, elsewhere (a guest whom not we answered); "" while it lasts
    reason: str = _text()
    side: str = _text()  # who ended it
    refused: str = _text()  # reason the router refused it for
    media_result: str = _text()  # result as the media node told it; "" if it told none
    recording: str = _text()  # filed, failed, deleted
    recorded_ms: int = _big()  # length of all recordings
    seen: int = Field(default=0)  # bit set of fold.SEEN: which kinds of facts there are


class SegmentRow(SQLModel, table=True):
    """A stretch of a call: in a queue, or at an agent (from the offer on)."""

    __tablename__ = "segment"
    call: str = _text(primary_key=True)
    key: str = _text(primary_key=True)  # q:<queue>:<entered_ms>, a:<offer>
    tenant: str = _text()
    kind: str = _text()  # queue, agent
    queue: str = _text()
    agent: str = _text()
    seat: str = _text()
    start_ms: int = _big()  # entered the queue; offered
    answered_ms: int = _big()
    end_ms: int = _big()  # 0 while it lasts
    waited_ms: int = _big()
    talk_ms: int = _big()
    outcome: str = _text()  # answered, or the reason of the leaving or of the failed offer
    side: str = _text()  # who ended the conversation


class MenuStepRow(SQLModel, table=True):
    """A choice in the menu, or a wrong or missing input."""

    __tablename__ = "menu_step"
    id: str = _text(primary_key=True)  # of the fact
    call: str = Field(default="", sa_type=Text, index=True, nullable=False)
    tenant: str = _text()
    at_ms: int = _big()
    menu: str = _text()
    item: str = _text()
    language: str = _text()
    what: str = _text()  # chosen, wrong, none
    tries: int = Field(default=0)


class RecordingRow(SQLModel, table=True):
    """A recording that was filed, or one that failed and why."""

    __tablename__ = "recording"
    id: str = _text(primary_key=True)  # of the fact
    call: str = Field(default="", sa_type=Text, index=True, nullable=False)
    tenant: str = _text()
    at_ms: int = _big()
    path: str = _text()  # relative to the vault; "" if it failed or was deleted
    sha256: str = _text()
    duration_ms: int = _big()
    talk_ms: int = _big()
    bytes: int = _big()
    started_ms: int = _big()
    reason: str = _text()  # why it failed; deleted
    detail: str = _text()


class AgentStateRow(SQLModel, table=True):
    """An agent was in this state from `start_ms` to `end_ms` (0: still)."""

    __tablename__ = "agent_state"
    __table_args__ = (Index("agent_state_line", "tenant", "agent", "start_ms", "seq"),)
    id: str = _text(primary_key=True)  # of the fact
    tenant: str = _text()
    agent: str = _text()
    start_ms: int = _big()
    seq: int = _big()  # tells facts of one millisecond apart
    end_ms: int = _big()
    state: str = _text()
    reason: str = _text()
    seat: str = _text()
    call: str = _text()


class BadFactRow(SQLModel, table=True):
    """A stream entry that is no fact: kept for people to look at."""

    __tablename__ = "bad_fact"
    entry: str = _text(primary_key=True)  # id on the stream
    tenant: str = _text(primary_key=True)
    at_ms: int = _big()  # when it was read
    why: str = _text()
    raw: str = _text()


class DeletionRow(SQLModel, table=True):
    """What was deleted on a day because it had been kept long enough. The row is also the claim of the console that deletes."""

    __tablename__ = "deletion"
    tenant: str = _text(primary_key=True)
    day: str = _text(primary_key=True)  # of the centre, ISO 8601
    kind: str = _text(primary_key=True)  # recordings, spool, calls, agent_states, bad_facts
    at_ms: int = _big()  # when it began
    before_ms: int = _big()  # what was older than this
    count: int = _big()  # files, calls or rows


class PositionRow(SQLModel, table=True):
    """How far a stream has been read; moves in the transaction of the rows. One process at a time holds it."""

    __tablename__ = "position"
    stream: str = _text(primary_key=True)
    entry: str = _text()  # last entry whose rows are stored
    holder: str = _text()
    until_ms: int = _big()  # the holder's lease


class UserRow(SQLModel, table=True):
    """A person who may log in."""

    __tablename__ = "user"
    tenant: str = _text(primary_key=True)
    id: str = _text(primary_key=True)
    name: str = _text()
    role: str = _text()  # agent, supervisor, administrator
    seat: str = _text()
    password: str = _text()  # argon2 hash; "" cannot log in
    active: bool = Field(default=True)  # False: no longer in the configuration
    must_change: bool = Field(default=False)  # the password is a first one: another one must be chosen


class SessionRow(SQLModel, table=True):
    """A log-in of a browser. The cookie's value is not kept, only its SHA-256."""

    __tablename__ = "session"
    token: str = _text(primary_key=True)
    tenant: str = _text()
    user: str = _text()
    created_ms: int = _big()
    expires_ms: int = Field(default=0, sa_type=BigInteger, index=True, nullable=False)


class ActRow(SQLModel, table=True):
    """What somebody did at the console that others may want to know of. Never changed."""

    __tablename__ = "act"
    __table_args__ = (Index("act_time", "tenant", "at_ms", "id"),)
    id: str = _text(primary_key=True)
    tenant: str = _text()
    at_ms: int = _big()
    who: str = _text()  # login; of a failed log-in the name that was tried
    role: str = _text()  # that they had then; "" nobody was logged in
    address: str = _text()  # of the browser
    verb: str = _text()  # one of trail.VERBS
    subject: str = _text()  # agent, login, call or version it was done to
    before: Any = Field(default=None, sa_type=_Json, nullable=False)
    after: Any = Field(default=None, sa_type=_Json, nullable=False)


class RuleVersionRow(SQLModel, table=True):
    """A version of the rule book. Never changed; the highest one is to be in force."""

    __tablename__ = "rule_version"
    tenant: str = _text(primary_key=True)
    version: int = _big(primary_key=True)
    at_ms: int = _big()  # when it was taken
    who: str = _text()  # login; "": the installation's file
    why: str = _text()
    document: str = _text()  # JSON of ops/rulebook.py, as text: its sha256 counts every character
    sha256: str = _text()


class SeatRow(SQLModel, table=True):
    """A seat that was made while running: what the edge must know of it. Seats of the installation stand in credentials.json."""

    __tablename__ = "seat"
    tenant: str = _text(primary_key=True)
    seat: str = _text(primary_key=True)
    ha1: str = _text()


def table(model: type[SQLModel]) -> Table:
    """The SQLAlchemy table of a model, for statements written by hand."""
    return SQLModel.metadata.tables[str(model.__tablename__)]
