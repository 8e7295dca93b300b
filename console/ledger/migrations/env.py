"""Alembic's entry: runs on the connection that console/ledger/database.py hands over, inside its transaction and lock."""

from alembic import context
from sqlmodel import SQLModel

import console.ledger.models  # noqa: F401  # tells SQLModel the tables

context.configure(connection=context.config.attributes["connection"], target_metadata=SQLModel.metadata, transactional_ddl=False)
context.run_migrations()
