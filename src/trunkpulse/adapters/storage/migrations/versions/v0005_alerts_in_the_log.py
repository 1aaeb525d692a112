"""Let the log of deliveries hold what is told of alerts, filed under the events that caused it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """From documents and audit."""
    op.add_column("deliveries", sa.Column("alert_kind", sa.Text()))
    op.add_column(
        "alert_groups",
        sa.Column("position", sa.BigInteger(), nullable=False, server_default=sa.text("0")),
    )
    of_alerts = sa.text("alert_kind IS NOT NULL")
    op.create_index(
        "ix_deliveries_alerts",
        "deliveries",
        ["stream_id", "trunk_id", "id"],
        sqlite_where=of_alerts,
        postgresql_where=of_alerts,
    )
