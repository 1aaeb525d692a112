"""What all registries over the document store have in common."""

from __future__ import annotations

from trunkpulse.admission.errors import TooManyKept
from trunkpulse.ports import Document, DocumentKind, DocumentStore

__all__ = ["as_kept", "load_all"]

_PAGE = 5000


async def load_all(store: DocumentStore, kind: DocumentKind, *, most: int) -> list[Document]:
    """Every document of a kind, by id.

    Raises TooManyKept if there are more than ``most`` (then nothing was made by this program), and
    StoreUnavailable.
    """
    found: list[Document] = []
    while True:
        page = await store.load_documents(
            kind, after=found[-1].id if found else "", limit=min(_PAGE, most + 1)
        )
        found += page
        if len(found) > most:
            raise TooManyKept(
                f"The database holds more than {most:,} documents of the kind {kind.value}, which "
                "is more than this program ever makes; restore it from a copy."
            )
        if len(page) < min(_PAGE, most + 1):
            return found


async def as_kept(store: DocumentStore, kind: DocumentKind, document_id: str) -> Document | None:
    """A document as the store has it by now; None if it has none. Raises StoreUnavailable.

    For a registry whose memory is behind: a write of its own may have been made, and only the
    answer been lost on the way back.
    """
    found = await store.find_documents(kind, [document_id])
    return found[0] if found else None
