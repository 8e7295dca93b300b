"""What was deleted when, and an index to find facts that belong to no call."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
_NO_CALL = sa.text("call = ''")


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "deletion",
        sa.Column("tenant", sa.Text(), nullable=False, primary_key=True),
        sa.Column("day", sa.Text(), nullable=False, primary_key=True),
        sa.Column("kind", sa.Text(), nullable=False, primary_key=True),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("before_ms", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
    )
    op.create_index("fact_rest", "fact", ["tenant", "at_ms"], sqlite_where=_NO_CALL, postgresql_where=_NO_CALL)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("fact_rest", "fact")
    op.drop_table("deletion")
