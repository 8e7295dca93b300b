"""What stands in the tables, for comparisons."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import SQLModel

from console.ledger.database import Database
from console.ledger.models import AgentStateRow, CallRow, FactRow, MenuStepRow, RecordingRow, SegmentRow, table

FOLDED: tuple[type[SQLModel], ...] = (CallRow, SegmentRow, MenuStepRow, RecordingRow, AgentStateRow)
ALL: tuple[type[SQLModel], ...] = (FactRow, *FOLDED)


def rows(database: Database, model: type[SQLModel]) -> list[dict[str, Any]]:
    """All rows of a table in the order of their keys."""
    target = table(model)
    with database.read() as connection:
        return [dict(row._mapping) for row in connection.execute(select(target).order_by(*target.primary_key))]


def picture(database: Database, models: tuple[type[SQLModel], ...] = ALL) -> dict[str, list[dict[str, Any]]]:
    """All rows of several tables."""
    return {str(model.__tablename__): rows(database, model) for model in models}
