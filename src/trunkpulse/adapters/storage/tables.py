"""The tables, the same in SQLite and PostgreSQL; ``migrations`` creates them.

Three rules carry the design:

* ``counters`` gives every event its position. The row is locked for the whole of a commit, so
  positions grow in the order in which commits become visible, and a reader that remembers the
  last one it saw never misses an event. A database sequence does not promise that, and the
  highest position in the table is lost when old events are pruned.
* A delivery is *pending* while ``result`` is null. Of the pending ones only the oldest of a
  stream and trunk, its *head*, has a ``due_ms``; all behind it have null and become head when
  the one before is settled or parked.
* A *parked* delivery is not pending: nothing waits for it. It keeps a ``due_ms`` of its own until
  it is delivered or dead. So finding due work is a walk over one small index, however many
  deliveries are settled or queued behind.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

__all__ = [
    "EVENT_POSITION",
    "REVISION",
    "alert_groups",
    "alert_members",
    "audit_entries",
    "counters",
    "deliveries",
    "delivery_attempts",
    "documents",
    "event_streams",
    "events",
    "maintenance_windows",
    "measured_targets",
    "metadata",
    "owed_recoveries",
    "stream_health",
    "target_minutes",
    "trunk_health",
]

metadata = MetaData()

REVISION = "0005"
"""The migration that leads to these tables: the newest one."""

# SQLite counts rows by itself only in a column declared INTEGER.
_row_id = BigInteger().with_variant(Integer(), "sqlite")

EVENT_POSITION = "event_position"
"""The counter that holds the position of the last event written."""

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

trunk_health = Table(
    "trunk_health",
    metadata,
    Column("trunk_id", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text),
    Column("sequence", BigInteger, nullable=False),
    Column("since_ms", BigInteger),
    Column("admin_enabled", Boolean, nullable=False),
    Column("targets", JSON, nullable=False),  # [[uri, state, last success in ms or null], …]
)

owed_recoveries = Table(
    "owed_recoveries",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("trunk_id", Text, primary_key=True),
)

events = Table(
    "events",
    metadata,
    Column("position", _row_id, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False, unique=True),
    Column("trunk_id", Text, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_events_trunk_id_position", "trunk_id", "position"),
    Index("ix_events_at_ms", "at_ms"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _row_id, primary_key=True),
    Column("stream_id", Text, nullable=False),
    Column("trunk_id", Text, nullable=False),
    Column("position", BigInteger, ForeignKey("events.position"), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("first_attempt_ms", BigInteger),
    Column("times_parked", Integer, nullable=False),
    Column("due_ms", BigInteger),  # while it is claimed, the end of the lease
    Column("claimed_by", Text),
    Column("result", Text),
    Column("settled_ms", BigInteger),
    Column("detail", Text, nullable=False),
    Column("replayed_ms", BigInteger),  # when somebody asked for it; null: it came of the event
    Column("alert_kind", Text),  # what of an alert it tells; null: it is of the event itself
    # An id is never used twice: a late report must not settle another delivery.
    sqlite_autoincrement=True,
)
Index("ix_deliveries_position", deliveries.c.position)
Index(
    "ix_deliveries_due",
    deliveries.c.stream_id,
    deliveries.c.due_ms,
    deliveries.c.times_parked,
    deliveries.c.position,
    sqlite_where=deliveries.c.due_ms.is_not(None),
    postgresql_where=deliveries.c.due_ms.is_not(None),
)
Index(
    "ix_deliveries_pending",
    deliveries.c.stream_id,
    deliveries.c.trunk_id,
    deliveries.c.id,
    sqlite_where=deliveries.c.result.is_(None),
    postgresql_where=deliveries.c.result.is_(None),
)

# For lists of all deliveries of a stream. Its condition always holds, and keeps it out of queries
# that do not say so: those have smaller indexes, which SQLite would not prefer to it.
_listed = deliveries.c.attempts >= 0
Index(
    "ix_deliveries_stream",
    deliveries.c.stream_id,
    deliveries.c.id,
    sqlite_where=_listed,
    postgresql_where=_listed,
)
_in_trouble = deliveries.c.result.in_(["parked", "dead"])
Index(
    "ix_deliveries_trouble",
    deliveries.c.stream_id,
    deliveries.c.result,
    deliveries.c.id,
    sqlite_where=_in_trouble,
    postgresql_where=_in_trouble,
)

# What is told of an alert is neither pending nor due, whatever became of it.
_of_alerts = deliveries.c.alert_kind.is_not(None)
Index(
    "ix_deliveries_alerts",
    deliveries.c.stream_id,
    deliveries.c.trunk_id,
    deliveries.c.id,
    sqlite_where=_of_alerts,
    postgresql_where=_of_alerts,
)

measured_targets = Table(
    "measured_targets",
    metadata,
    Column("id", _row_id, primary_key=True),
    Column("trunk_id", Text, nullable=False),
    Column("uri", Text, nullable=False),
    Column("place", Text, nullable=False),  # empty while its name led nowhere
    UniqueConstraint("trunk_id", "uri", "place", name="uq_measured_targets"),
)

# The one table that grows every minute. Its rows lie in the order of their key, one target's after
# each other, and hold small numbers only, so that a month of a target is about 2 MB.
target_minutes = Table(
    "target_minutes",
    metadata,
    Column("target_id", BigInteger, primary_key=True),
    Column("minute", BigInteger, primary_key=True),  # since the epoch
    Column("answers", Integer, nullable=False),
    Column("losses", Integer, nullable=False),
    Column("rtt_sum_us", BigInteger, nullable=False),
    Column("rtt_max_us", BigInteger, nullable=False),
    Column("smoothed_rtt_us", BigInteger),
    Column("jitter_us", BigInteger),
    Column("state", Text, nullable=False),
    sqlite_with_rowid=False,
)

# Streams that were made through the API; those of the file are not here.
event_streams = Table(
    "event_streams",
    metadata,
    Column("id", Text, primary_key=True),
    Column("definition", JSON, nullable=False),  # without secrets
    Column("secrets", JSON, nullable=False),  # {field: what the vault made of it}
    Column("revision", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

# Only streams that are in trouble have a row.
stream_health = Table(
    "stream_health",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("failing_since_ms", BigInteger, nullable=False),
    Column("failed_ms", BigInteger, nullable=False),
    Column("disabled_ms", BigInteger),
    Column("detail", Text, nullable=False),
)

# What was said on each attempt, for a person; bounded in number and size.
delivery_attempts = Table(
    "delivery_attempts",
    metadata,
    Column("id", _row_id, primary_key=True),
    Column("delivery_id", BigInteger, nullable=False),
    Column("stream_id", Text, nullable=False),
    Column("attempt", Integer, nullable=False),  # from 1
    Column("at_ms", BigInteger, nullable=False),
    Column("duration_ms", Integer, nullable=False),
    Column("result", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("response", Text, nullable=False),
    sqlite_autoincrement=True,
)
Index("ix_delivery_attempts_delivery", delivery_attempts.c.delivery_id)
Index("ix_delivery_attempts_stream", delivery_attempts.c.stream_id, delivery_attempts.c.id)

# What a stream that groups its events has told, and of whom: an open alert.
alert_groups = Table(
    "alert_groups",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("labels", JSON, nullable=False),  # [[name, value], …]
    Column("alert_id", Text, nullable=False),  # the same from trigger to resolve
    Column("opened_ms", BigInteger, nullable=False),
    Column("asked_ms", BigInteger),  # when the destination was first asked to open it
    Column("told_ms", BigInteger),  # when it last took what we told
    Column("due_ms", BigInteger),  # when there is something to tell
    Column("pinned", JSON, nullable=False),  # what it answered to the trigger
    # Of the last event that went into it; 0: none is known.
    Column("position", BigInteger, nullable=False, server_default="0"),
)
alert_members = Table(
    "alert_members",
    metadata,
    Column("stream_id", Text, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("trunk_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("since_ms", BigInteger, nullable=False),
    Column("flapping", Boolean, nullable=False),
    Column("silent_until_ms", BigInteger),  # under maintenance, and so not told
)

# Those that were made through the API; those of the file are not here.
maintenance_windows = Table(
    "maintenance_windows",
    metadata,
    Column("id", Text, primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("revision", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
)

# Whatever administrators make of which there are many kinds; see ``ports.documents``.
documents = Table(
    "documents",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("definition", JSON, nullable=False),
    Column("secrets", JSON, nullable=False),  # {field: what the vault made of it}
    Column("revision", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("changed_ms", BigInteger, nullable=False),
    Column("expires_ms", BigInteger),
)
Index(
    "ix_documents_expires",
    documents.c.expires_ms,
    sqlite_where=documents.c.expires_ms.is_not(None),
    postgresql_where=documents.c.expires_ms.is_not(None),
)

# What was done and refused, each entry chained to the one before.
audit_entries = Table(
    "audit_entries",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("record", Text, nullable=False),
    Column("previous", Text, nullable=False),
    Column("digest", Text, nullable=False),
)
