"""StreamStore without a disk: the same answers as a database, for simulations and tests."""

from __future__ import annotations

from trunkpulse.ports import KeptStream

__all__ = ["MemoryStreams"]


class MemoryStreams:
    """The event streams that no file declares, in a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self._streams: dict[str, KeptStream] = {}

    async def load_streams(self) -> list[KeptStream]:
        """All of them, the oldest first."""
        return sorted(self._streams.values(), key=lambda each: (each.created_ms, each.id))

    async def save_stream(self, stream: KeptStream) -> None:
        """Write it, in place of one with the same id."""
        self._streams[stream.id] = stream

    async def drop_stream(self, stream_id: str) -> None:
        """Forget it; what waits for it is for the store that has it to drop."""
        self._streams.pop(stream_id, None)
