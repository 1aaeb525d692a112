"""What Alembic executes to run migrations: on the connection that ``migrate`` hands over."""

from __future__ import annotations

from alembic import context

from trunkpulse.adapters.storage.tables import metadata

# The caller has begun the transaction and commits it.
context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
