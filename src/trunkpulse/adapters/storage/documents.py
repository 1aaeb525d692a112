"""DocumentStore on a database: a row for each document, whatever its kind."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from sqlalchemy import Connection, delete, select

from trunkpulse.adapters.storage.engine import (
    BATCH_ROWS,
    Database,
    batches,
    in_turn,
    insert_or_update,
    undisturbed,
)
from trunkpulse.adapters.storage.tables import documents
from trunkpulse.ports import Document, DocumentChanged, DocumentKind

__all__ = ["DatabaseDocuments"]


class DatabaseDocuments(Database):
    """What administrators make."""

    @undisturbed
    async def load_documents(
        self, kind: DocumentKind, *, after: str = "", limit: int = 10_000
    ) -> list[Document]:
        """Those of a kind whose ids come after ``after``, by id."""
        query = select(documents).where(documents.c.kind == kind.value, documents.c.id > after)
        async with self._reading() as connection:
            found = await connection.execute(query.order_by(documents.c.id).limit(limit))
            return [Document(**{**row, "kind": kind}) for row in found.mappings()]

    @undisturbed
    async def find_documents(self, kind: DocumentKind, ids: Collection[str]) -> list[Document]:
        """Those of a kind that have one of these ids, by id."""
        query = select(documents).where(documents.c.kind == kind.value)
        together: list[Document] = []
        async with self._reading() as connection:
            for some in batches(sorted(ids)):
                found = await connection.execute(query.where(documents.c.id.in_(some)))
                together += [Document(**{**row, "kind": kind}) for row in found.mappings()]
        return sorted(together, key=lambda each: each.id)

    @in_turn
    async def save_documents(self, saved: Sequence[Document]) -> None:
        """Write all of them or none; raises DocumentChanged."""
        await self._at_once(partial(_save, saved))

    @in_turn
    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        """They are gone, all at once."""
        await self._at_once(partial(_drop, kind, list(ids)))

    @in_turn
    async def drop_expired(self, now_ms: int) -> int:
        """Drop some of those that have expired."""
        return await self._at_once(partial(_drop_expired, now_ms), lasting=False)


def _save(saved: Sequence[Document], connection: Connection) -> None:
    for some in batches(saved):
        for kind in {each.kind for each in some}:
            _check_revisions(connection, kind, [each for each in some if each.kind is kind])
        rows = [
            {
                "kind": each.kind.value,
                "id": each.id,
                "definition": dict(each.definition),
                "secrets": dict(each.secrets),
                "revision": each.revision,
                "created_ms": each.created_ms,
                "changed_ms": each.changed_ms,
                "expires_ms": each.expires_ms,
            }
            for each in some
        ]
        connection.execute(insert_or_update(connection, documents), rows)


def _check_revisions(connection: Connection, kind: DocumentKind, saved: Sequence[Document]) -> None:
    query = select(documents.c.id, documents.c.revision).where(
        documents.c.kind == kind.value, documents.c.id.in_([each.id for each in saved])
    )
    found = connection.execute(query.with_for_update())
    present: dict[str, int] = {row.id: row.revision for row in found}
    for each in saved:
        if present.get(each.id, 0) != each.revision - 1:
            raise DocumentChanged(kind, each.id)


def _drop(kind: DocumentKind, ids: Sequence[str], connection: Connection) -> None:
    for some in batches(ids):
        connection.execute(
            delete(documents).where(documents.c.kind == kind.value, documents.c.id.in_(some))
        )


def _drop_expired(now_ms: int, connection: Connection) -> int:
    query = select(documents.c.kind, documents.c.id).where(documents.c.expires_ms < now_ms)
    found = connection.execute(query.limit(BATCH_ROWS)).all()
    for kind, document_id in found:
        connection.execute(
            delete(documents).where(documents.c.kind == kind, documents.c.id == document_id)
        )
    return len(found)
