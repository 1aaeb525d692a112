"""Create the tables of states, events and deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From nothing."""
    counters = op.create_table(
        "counters",
        sa.Column("name", sa.Text(), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(counters, [{"name": "event_position", "value": 0}])
    op.create_table(
        "trunk_health",
        sa.Column("trunk_id", sa.Text(), primary_key=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("since_ms", sa.BigInteger()),
        sa.Column("admin_enabled", sa.Boolean(), nullable=False),
        sa.Column("targets", sa.JSON(), nullable=False),
    )
    op.create_table(
        "owed_recoveries",
        sa.Column("stream_id", sa.Text(), primary_key=True),
        sa.Column("trunk_id", sa.Text(), primary_key=True),
    )
    op.create_table(
        "events",
        sa.Column("position", _row_id, primary_key=True, autoincrement=False),
        sa.Column("event_id", sa.Text(), nullable=False, unique=True),
        sa.Column("trunk_id", sa.Text(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
    )
    op.create_index("ix_events_trunk_id_position", "events", ["trunk_id", "position"])
    op.create_index("ix_events_at_ms", "events", ["at_ms"])
    op.create_table(
        "deliveries",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("trunk_id", sa.Text(), nullable=False),
        sa.Column("position", sa.BigInteger(), sa.ForeignKey("events.position"), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("first_attempt_ms", sa.BigInteger()),
        sa.Column("times_parked", sa.Integer(), nullable=False),
        sa.Column("due_ms", sa.BigInteger()),
        sa.Column("claimed_by", sa.Text()),
        sa.Column("result", sa.Text()),
        sa.Column("settled_ms", sa.BigInteger()),
        sa.Column("detail", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_deliveries_position", "deliveries", ["position"])
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["stream_id", "due_ms", "times_parked", "position"],
        sqlite_where=sa.text("due_ms IS NOT NULL"),
        postgresql_where=sa.text("due_ms IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_pending",
        "deliveries",
        ["stream_id", "trunk_id", "id"],
        sqlite_where=sa.text("result IS NULL"),
        postgresql_where=sa.text("result IS NULL"),
    )
