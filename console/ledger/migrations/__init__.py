"""Alembic migrations of the ledger; database.py runs them at start."""
