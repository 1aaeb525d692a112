"""DocumentStore without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from trunkpulse.ports import Document, DocumentChanged, DocumentKind

__all__ = ["MemoryDocuments"]


class MemoryDocuments:
    """What administrators make, in a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._documents: dict[tuple[DocumentKind, str], Document] = {}

    async def load_documents(
        self, kind: DocumentKind, *, after: str = "", limit: int = 10_000
    ) -> list[Document]:
        """Those of a kind whose ids come after ``after``, by id."""
        found = [each for each in self._documents.values() if each.kind is kind and each.id > after]
        return sorted(found, key=lambda each: each.id)[:limit]

    async def find_documents(self, kind: DocumentKind, ids: Collection[str]) -> list[Document]:
        """Those of a kind that have one of these ids, by id."""
        wanted = sorted(set(ids))
        return [self._documents[kind, each] for each in wanted if (kind, each) in self._documents]

    async def save_documents(self, saved: Sequence[Document]) -> None:
        """Write all of them or none; raises DocumentChanged."""
        for each in saved:
            present = self._documents.get((each.kind, each.id))
            if (present.revision if present else 0) != each.revision - 1:
                raise DocumentChanged(each.kind, each.id)
        self._documents.update({(each.kind, each.id): each for each in saved})

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        """They are gone, all at once."""
        for document_id in ids:
            self._documents.pop((kind, document_id), None)

    async def drop_expired(self, now_ms: int) -> int:
        """Drop those that have expired."""
        expired = [
            known_as
            for known_as, each in self._documents.items()
            if each.expires_ms is not None and each.expires_ms < now_ms
        ]
        for known_as in expired:
            del self._documents[known_as]
        return len(expired)
