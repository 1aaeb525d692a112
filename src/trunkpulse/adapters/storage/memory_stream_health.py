"""StreamWatch without a disk, and the numbers of events that are not of a trunk."""

from __future__ import annotations

from collections.abc import Mapping

from trunkpulse.ports import StreamHealth

__all__ = ["MemoryStreamHealth"]


class MemoryStreamHealth:
    """Which streams are in trouble, in plain dictionaries."""

    def __init__(self) -> None:
        super().__init__()
        self._stream_health: dict[str, StreamHealth] = {}
        self._sequences: dict[str, int] = {}
        """By what an event is filed under, that of its last one."""

    async def stream_health(self) -> Mapping[str, StreamHealth]:
        """By stream id; one that is well is absent."""
        return dict(self._stream_health)

    async def note_health(self, stream_id: str, health: StreamHealth | None) -> None:
        """Remember this of a stream; None: it is well."""
        if health is None:
            self._stream_health.pop(stream_id, None)
        else:
            self._stream_health[stream_id] = health

    async def stream_sequence(self, stream_id: str) -> int:
        """Of the last event about this stream itself; 0 before the first."""
        return self._sequences.get(f"stream:{stream_id}", 0)

    def _comes_next(self, entity: str, sequence: int) -> bool:
        """True, and it is remembered, if it follows on the last event of ``entity``."""
        if sequence != self._sequences.get(entity, 0) + 1:
            return False
        self._sequences[entity] = sequence
        return True
