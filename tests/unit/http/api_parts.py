"""What the world of the API is made of: a clock that a test sets, a store with a plug to pull."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.model import EventStream, TransportProtocol
from trunkpulse.ports import (
    Address,
    Certificate,
    DestinationInvalid,
    Document,
    DocumentKind,
    FoundEvents,
    HealthCommit,
    KeptStream,
    Location,
    Obstacle,
    RecordedEvent,
    ResolutionFailed,
    StoreUnavailable,
    WantedEvents,
)
from trunkpulse.sip.uri import SipUri

WALL = 1_700_000_000.0


class SetClock:
    """Time stands still until a test moves it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.seconds

    def boot(self) -> float:
        return 1000.0 + self.seconds

    def wall(self) -> float:
        return WALL + self.seconds


class Sent:
    """A transport that tells where datagrams go."""

    def __init__(self) -> None:
        self.destinations: asyncio.Queue[Address] = asyncio.Queue()
        self.shown: Certificate | None = None
        """What every far side shows."""
        self.local_address: Address = ("127.0.0.1", 40000)

    @property
    def protocol(self) -> TransportProtocol:
        return TransportProtocol.UDP

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept."""

    def drain(self) -> None:
        """Nothing waits to be read."""

    def dropped_datagrams(self) -> int:
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        return self.shown

    def send(self, data: bytes, destination: Address) -> None:
        self.destinations.put_nowait(destination)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def close(self) -> None:
        """Nothing to release."""


class NoNames:
    async def locate(self, uri: SipUri) -> Location:
        raise ResolutionFailed(f"{uri.host} does not exist")


class SwitchedStore(MemoryStore):
    """The in-memory store, with a plug to pull."""

    def __init__(self) -> None:
        super().__init__()
        self.plugged = True
        self.missed = asyncio.Event()
        """Somebody asked while the plug was pulled."""

    def _reach(self) -> None:
        if not self.plugged:
            self.missed.set()
            raise StoreUnavailable("the plug is pulled")

    def cut_audit(self, kept: slice) -> None:
        """Somebody who may write to the database leaves these entries only."""
        self._audit = self._audit[kept]

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        self._reach()
        return await super().commit(commits)

    async def read(
        self, *, after: int = 0, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        self._reach()
        return await super().read(after=after, limit=limit, trunk_id=trunk_id)

    async def latest(
        self, *, before: int | None = None, limit: int = 100, trunk_id: str | None = None
    ) -> list[RecordedEvent]:
        self._reach()
        return await super().latest(before=before, limit=limit, trunk_id=trunk_id)

    async def search(
        self,
        wanted: WantedEvents,
        *,
        after: int | None,
        limit: int,
        looks: int,
        newest_first: bool = False,
    ) -> FoundEvents:
        self._reach()
        return await super().search(
            wanted, after=after, limit=limit, looks=looks, newest_first=newest_first
        )

    async def last_position(self) -> int:
        self._reach()
        return await super().last_position()

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        self._reach()
        await super().drop_documents(kind, ids)

    async def save_documents(self, saved: Sequence[Document]) -> None:
        self._reach()
        await super().save_documents(saved)

    async def save_stream(self, stream: KeptStream) -> None:
        self._reach()
        await super().save_stream(stream)

    async def drop_backlog(self, stream_id: str) -> None:
        self._reach()
        await super().drop_backlog(stream_id)

    async def drop_stream(self, stream_id: str) -> None:
        self._reach()
        await super().drop_stream(stream_id)


class Lanes:
    """Whom it would be delivered to."""

    def __init__(self) -> None:
        self.streams: dict[str, EventStream] = {}
        self.impossible: set[str] = set()
        """URLs that no sink can be made for."""
        self.enabled: list[str] = []
        """Streams whose destinations may be tried again."""
        self.held = False
        """Everything waits."""
        self.parted: list[str] = []
        """Streams whose open alerts were to be closed."""

    async def apply(self, streams: Iterable[EventStream]) -> None:
        together = {stream.id: stream for stream in streams}
        for stream in together.values():
            if stream.enabled:
                await self.check(stream)
        self.streams = together

    async def enable(self, stream_id: str) -> bool:
        self.enabled.append(stream_id)
        return True

    async def hold(self, *, held: bool) -> None:
        self.held = held

    async def part_from(self, stream: EventStream) -> None:
        self.parted.append(stream.id)

    async def check(self, stream: EventStream) -> None:
        if stream.destination.url in self.impossible:
            raise DestinationInvalid(f"The destination of {stream.id} is impossible.")
