"""Create the tables of event streams, their deliveries in detail, alerts and maintenance."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_row_id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """From states, events, deliveries and minutes."""
    op.create_table(
        "event_streams",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("secrets", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    op.create_table(
        "stream_health",
        sa.Column("stream_id", sa.Text(), primary_key=True),
        sa.Column("failing_since_ms", sa.BigInteger(), nullable=False),
        sa.Column("failed_ms", sa.BigInteger(), nullable=False),
        sa.Column("disabled_ms", sa.BigInteger()),
        sa.Column("detail", sa.Text(), nullable=False),
    )
    op.create_table(
        "delivery_attempts",
        sa.Column("id", _row_id, primary_key=True),
        sa.Column("delivery_id", sa.BigInteger(), nullable=False),
        sa.Column("stream_id", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at_ms", sa.BigInteger(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("result", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("response", sa.Text(), nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "alert_groups",
        sa.Column("stream_id", sa.Text(), primary_key=True),
        sa.Column("group_key", sa.Text(), primary_key=True),
        sa.Column("labels", sa.JSON(), nullable=False),
        sa.Column("alert_id", sa.Text(), nullable=False),
        sa.Column("opened_ms", sa.BigInteger(), nullable=False),
        sa.Column("asked_ms", sa.BigInteger()),
        sa.Column("told_ms", sa.BigInteger()),
        sa.Column("due_ms", sa.BigInteger()),
        sa.Column("pinned", sa.JSON(), nullable=False),
    )
    op.create_table(
        "alert_members",
        sa.Column("stream_id", sa.Text(), primary_key=True),
        sa.Column("group_key", sa.Text(), primary_key=True),
        sa.Column("trunk_id", sa.Text(), primary_key=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since_ms", sa.BigInteger(), nullable=False),
        sa.Column("flapping", sa.Boolean(), nullable=False),
        sa.Column("silent_until_ms", sa.BigInteger()),
    )
    op.create_table(
        "maintenance_windows",
        sa.Column("id", sa.Text(), primary_key=True),
        sa.Column("definition", sa.JSON(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_ms", sa.BigInteger(), nullable=False),
        sa.Column("changed_ms", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_delivery_attempts_delivery", "delivery_attempts", ["delivery_id"])
    op.create_index("ix_delivery_attempts_stream", "delivery_attempts", ["stream_id", "id"])
    op.add_column("deliveries", sa.Column("replayed_ms", sa.BigInteger()))
    listed = sa.text("attempts >= 0")
    op.create_index(
        "ix_deliveries_stream",
        "deliveries",
        ["stream_id", "id"],
        sqlite_where=listed,
        postgresql_where=listed,
    )
    in_trouble = sa.text("result IN ('parked', 'dead')")
    op.create_index(
        "ix_deliveries_trouble",
        "deliveries",
        ["stream_id", "result", "id"],
        sqlite_where=in_trouble,
        postgresql_where=in_trouble,
    )
