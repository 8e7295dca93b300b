"""Versions of the rule book, and seats made while running."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "rule_version",
        sa.Column("tenant", sa.Text(), nullable=False, primary_key=True),
        sa.Column("version", sa.BigInteger(), nullable=False, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
    )
    op.create_table(
        "seat",
        sa.Column("tenant", sa.Text(), nullable=False, primary_key=True),
        sa.Column("seat", sa.Text(), nullable=False, primary_key=True),
        sa.Column("ha1", sa.Text(), nullable=False),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("rule_version")
    op.drop_table("seat")
