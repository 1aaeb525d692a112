"""What administrators make: trunks, routes, settings, users, roles, clients and so on, at rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

__all__ = ["Document", "DocumentChanged", "DocumentKind", "DocumentStore"]


class DocumentKind(StrEnum):
    """What a document is; ids are unique within a kind."""

    TRUNK = "trunk"
    ROUTE = "route"
    SETTINGS = "settings"
    USER = "user"
    ROLE = "role"
    CLIENT = "client"
    SESSION = "session"
    REVOKED_TOKEN = "revoked_token"  # noqa: S105 - no secret
    SIGNING_KEY = "signing_key"
    LICENSE = "license"
    IDEMPOTENT_ANSWER = "idempotent_answer"
    AUDIT_HEAD = "audit_head"
    ACCEPTED_ADVICE = "accepted_advice"
    TAKEN_OUT = "taken_out"


class DocumentChanged(Exception):
    """Somebody else has changed a document meanwhile; nothing was written."""

    def __init__(self, kind: DocumentKind, document_id: str) -> None:
        super().__init__(f"The {kind.value} {document_id} has been changed meanwhile.")
        self.kind = kind
        self.id = document_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One of them."""

    kind: DocumentKind
    id: str
    definition: Mapping[str, object]
    """What may be read by whoever has the database, as JSON."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """What may not, each sealed by the vault."""
    revision: int = 1
    """Counts its changes from 1."""
    created_ms: int
    changed_ms: int
    expires_ms: int | None = None
    """After this it means nothing any more and may be dropped at any time."""


class DocumentStore(Protocol):
    """Where they are kept. Each call raises StoreUnavailable."""

    async def load_documents(
        self, kind: DocumentKind, *, after: str = "", limit: int = 10_000
    ) -> list[Document]:
        """Those of a kind whose ids come after ``after``, by id, at most so many."""

    async def find_documents(self, kind: DocumentKind, ids: Collection[str]) -> list[Document]:
        """Those of a kind that have one of these ids, by id; of the others there are none."""

    async def save_documents(self, documents: Sequence[Document]) -> None:
        """Write all of them or none; durable on return.

        One with revision n takes the place of the one with revision n - 1; with revision 1 there
        must be none. Raises DocumentChanged if that is not so for one of them.
        """

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        """They are gone, all at once; safe to repeat."""

    async def drop_expired(self, now_ms: int) -> int:
        """Drop some of those that have expired before ``now_ms``; how many (0: there are none)."""
