"""The event streams that were made through the API, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

__all__ = ["KeptStream", "StreamStore"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStream:
    """A stream at rest."""

    id: str
    definition: Mapping[str, object]
    """What may be read by whoever has the database, as JSON."""
    secrets: Mapping[str, str] = field(repr=False)
    """What may not, each sealed by the vault."""
    revision: int
    """Counts its changes from 1."""
    created_ms: int
    changed_ms: int


class StreamStore(Protocol):
    """Where streams are kept that no file declares. Each call raises StoreUnavailable."""

    async def load_streams(self) -> list[KeptStream]:
        """All of them, the oldest first."""

    async def save_stream(self, stream: KeptStream) -> None:
        """Write it, in place of one with the same id; durable on return."""

    async def drop_backlog(self, stream_id: str) -> None:
        """Drop what waits for a stream that is about to go, so that little is left to drop with it.

        In transactions so small that commits get their turn in between. Of each trunk the newest
        goes first: whatever happens, nothing is left waiting behind what is no more.
        """

    async def drop_stream(self, stream_id: str) -> None:
        """It is gone, with all that waits for it; the row goes last.

        Safe to repeat. Events stay, and so does what was delivered; ``drop_remains`` follows.
        """

    async def drop_remains(self, stream_id: str) -> None:
        """Drop what a stream that is gone was owed, its alerts and what was said to it.

        In small transactions, as with ``drop_backlog``. Safe to repeat.
        """
