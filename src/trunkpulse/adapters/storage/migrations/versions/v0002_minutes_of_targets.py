"""Create the tables of the numbers of targets, minute by minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From states, events and deliveries alone."""
    op.create_table(
        "measured_targets",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("trunk_id", sa.Text(), nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.UniqueConstraint("trunk_id", "uri", "place", name="uq_measured_targets"),
    )
    op.create_table(
        "target_minutes",
        sa.Column("target_id", sa.BigInteger(), primary_key=True),
        sa.Column("minute", sa.BigInteger(), primary_key=True),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.Column("losses", sa.Integer(), nullable=False),
        sa.Column("rtt_sum_us", sa.BigInteger(), nullable=False),
        sa.Column("rtt_max_us", sa.BigInteger(), nullable=False),
        sa.Column("smoothed_rtt_us", sa.BigInteger()),
        sa.Column("jitter_us", sa.BigInteger()),
        sa.Column("state", sa.Text(), nullable=False),
        sqlite_with_rowid=False,
    )
