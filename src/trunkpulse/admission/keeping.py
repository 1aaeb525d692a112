"""What all registries over the document store have in common."""

from __future__ import annotations

from trunkpulse.admission.errors import TooManyKept
from trunkpulse.ports import Document, DocumentKind, DocumentStore

__all__ = ["load_all"]

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
