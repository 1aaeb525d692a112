"""Which event streams there are: those that the file declares, and those made through the API.

Both kinds are told and delivered to alike, and their ids differ over both. What the file declares
changes with the file alone. All others are in the database, their secrets sealed.

A change is all or nothing: a destination that can never work is refused before anything is
written, what cannot be written is not applied, and no event falls in between, since commits wait
meanwhile. A stream that changes takes along what waits for it and what it is owed.

A stream that cannot be delivered to as this process was started (its secrets cannot be opened, or
what speaks to its destination is not installed) must not keep trunks from being probed. It is
*withheld*: told like the others, while what it is told waits, and not changed, so that nothing is
written over what the right key would open again.

What waits for a stream that goes may be much. Nearly all of it is dropped before commits have to
wait, and does not come back if the database fails then and the stream stays. What it is owed and
its alerts go when it is gone: it may not lose them and stay.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import structlog

from trunkpulse.events.keeping import kept, restored, withheld
from trunkpulse.model import EventStream
from trunkpulse.ports import (
    Clock,
    DestinationInvalid,
    KeptStream,
    Outbox,
    SecretUnreadable,
    StoreUnavailable,
    StreamStore,
    Vault,
)

__all__ = [
    "MOST_STREAMS",
    "StreamExists",
    "StreamManaged",
    "StreamRefused",
    "StreamWithheld",
    "Subscriptions",
    "TooManyStreams",
    "UnknownStream",
]

log = structlog.get_logger(__name__)

MOST_STREAMS = 1000
"""Made through the API; each has a task and a look into the database of its own."""


class StreamRefused(Exception):
    """There cannot be such a stream; the message is one sentence for a person.

    ├── StreamExists      its id is taken
    ├── StreamManaged     it is the file that says what becomes of it
    ├── StreamWithheld    it cannot be delivered to as things are
    └── TooManyStreams    there are ``MOST_STREAMS`` already
    """


class StreamExists(StreamRefused):
    """Another stream has this id."""


class StreamManaged(StreamRefused):
    """The stream is declared in the file, and changes with it alone."""


class StreamWithheld(StreamRefused):
    """It may be deleted, and goes on after a start that can deliver to it."""


class TooManyStreams(StreamRefused):
    """There are as many streams as there may be."""


class UnknownStream(KeyError):
    """There is no stream of this id."""


def _permitted() -> None:
    """Nothing is in the way."""


class Store(StreamStore, Outbox, Protocol):
    """Where streams are kept, and what waits for them."""


class Lanes(Protocol):
    """What delivers to streams."""

    async def apply(self, streams: Iterable[EventStream]) -> None:
        """Deliver to these and to no others; raises DestinationInvalid, and changes nothing."""

    async def enable(self, stream_id: str) -> bool:
        """Send again what waits for a stream that was given up; False if it was not."""

    async def hold(self, *, held: bool) -> None:
        """Deliver nothing to anybody from now on, or go on with what has waited."""

    async def part_from(self, stream: EventStream) -> None:
        """Deliver nothing more to it until `apply`, and close what is open at its destination."""

    async def check(self, stream: EventStream) -> None:
        """Raises DestinationInvalid if its destination can never work."""


class Subscriptions:
    """See the module's opening."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        *,
        clock: Clock,
        deliveries: Lanes,
        writing: asyncio.Lock,
        tell: Callable[[Sequence[EventStream]], Awaitable[None]],
    ) -> None:
        """``writing`` is held during each commit; ``tell`` has these streams told from then on."""
        self._store = store
        self._vault = vault
        self._clock = clock
        self._deliveries = deliveries
        self._writing = writing
        self._tell = tell
        self._changing = asyncio.Lock()
        self._of_file: dict[str, EventStream] = {}
        self._made: dict[str, EventStream] = {}
        self._kept: dict[str, KeptStream] = {}
        self.withheld: dict[str, str] = {}
        """By id, why nothing can be delivered to a stream: a sentence for a person."""
        self.all: tuple[EventStream, ...] = ()
        """Every stream, those of the file first; another object whenever one has changed."""

    async def load(self, of_file: Sequence[EventStream]) -> None:
        """Read what was kept; call once, before anybody is told.

        Raises StoreUnavailable, StreamExists if the file declares one of these too, and
        SecretUnreadable for one that another version wrote.
        """
        self._kept = {each.id: each for each in await self._store.load_streams()}
        self._made = {id_: await self._restored(each) for id_, each in self._kept.items()}
        self._check_distinct(of_file)
        self._of_file = {each.id: each for each in of_file}
        self.all = (*of_file, *self._made.values())

    async def apply_file(self, streams: Sequence[EventStream]) -> None:
        """From now on the file declares these; what was made through the API is left alone.

        Raises StreamExists, DestinationInvalid or StoreUnavailable; then nothing has changed.
        """
        async with self._changing:
            self._check_distinct(streams)
            together = (*streams, *self._made.values())
            await self._replace(together, lambda: self._store.sync_streams(together))
            self._of_file = {each.id: each for each in streams}

    async def hold(self, *, held: bool) -> None:
        """Have nothing delivered from now on, or what has waited; raises as `apply_file` does."""
        async with self._changing:
            await self._deliveries.hold(held=held)

    async def create(self, stream: EventStream) -> None:
        """Have ``stream`` told from now on; raises StreamRefused and what `change` raises."""
        async with self._changing:
            if stream.id in self._made or stream.id in self._of_file:
                raise StreamExists(
                    f"There is an event stream with the id {stream.id} already; choose another id."
                )
            if len(self._made) >= MOST_STREAMS:
                raise TooManyStreams(
                    f"There are {MOST_STREAMS:,} event streams, which is as many as there may be; "
                    "delete one first."
                )
            await self._store.drop_remains(stream.id)  # of one that was deleted in haste
            await self._write(stream)

    async def change(
        self, stream_id: str, edit: Callable[[EventStream], EventStream]
    ) -> EventStream:
        """Put what ``edit`` makes of a stream in its place, and return that.

        Raises UnknownStream, StreamManaged, DestinationInvalid, StoreUnavailable, what the vault
        raises and what ``edit`` raises; then nothing has changed.
        """
        async with self._changing:
            before = self._changeable_one(stream_id)
            stream = edit(before)
            if stream != before:
                await self._write(stream)
            return stream

    async def enable(self, stream_id: str) -> EventStream:
        """Have it told, and also delivered to if its destination had been given up.

        A stream of the file can have been given up too. Raises as `change` does.
        """
        async with self._changing:
            stream = self._of_file.get(stream_id)
            if stream is None or not stream.enabled:
                before = self._changeable_one(stream_id)
                stream = replace(before, enabled=True)
                if stream != before:
                    await self._write(stream)
            await self._deliveries.enable(stream_id)
            return stream

    def kept(self, stream_id: str) -> KeptStream | None:
        """How a stream that was made through the API is kept; None for every other."""
        return self._kept.get(stream_id)

    async def delete(self, stream_id: str, permit: Callable[[], None] = _permitted) -> None:
        """Tell it nothing more, and drop what waits for it; raises as `change` does.

        ``permit`` is asked when nobody can change it any more, and may raise what it likes.

        Alerts that are open at its destination are resolved first. If it stays after all, because
        the database failed, its next update opens them again.
        """
        async with self._changing:
            stream = self._made_one(stream_id)
            permit()
            made = {id_: each for id_, each in self._made.items() if id_ != stream_id}
            try:
                await self._deliveries.part_from(stream)
            except BaseException:
                await self._deliveries.apply(self.all)
                raise
            await self._replace(
                (*self._of_file.values(), *made.values()),
                lambda: self._store.drop_stream(stream_id),
            )
            self._made = made
            del self._kept[stream_id]
            self.withheld.pop(stream_id, None)
            try:
                await self._store.drop_remains(stream_id)
            except StoreUnavailable as problem:  # the next start drops them, or its next namesake
                log.warning("stream.remains_kept", stream=stream_id, problem=str(problem))

    async def _write(self, stream: EventStream) -> None:
        before = self._kept.get(stream.id)
        now_ms = int(self._clock.wall() * 1000)
        row = kept(stream, self._vault, now_ms=now_ms, before=before)
        made = {**self._made, stream.id: stream}
        await self._replace(
            (*self._of_file.values(), *made.values()), lambda: self._store.save_stream(row)
        )
        self._made = made
        self._kept[stream.id] = row

    async def _replace(
        self, streams: tuple[EventStream, ...], write: Callable[[], Awaitable[None]]
    ) -> None:
        """``streams`` instead of all that there are, once ``write`` has been done."""
        gone = {each.id for each in self.all}.difference(each.id for each in streams)
        await self._deliveries.apply(streams)
        try:
            for stream_id in gone:
                await self._store.drop_backlog(stream_id)
            # No commit may fall in between: it would tell streams as they are no more.
            async with self._writing:
                await write()
                await self._tell(streams)
        except BaseException:
            await self._deliveries.apply(self.all)
            raise
        self.all = streams

    async def _restored(self, row: KeptStream) -> EventStream:
        try:
            stream = restored(row, self._vault)
            if stream.enabled:
                await self._deliveries.check(stream)
        except (SecretUnreadable, DestinationInvalid) as problem:
            stream = withheld(row)
            self.withheld[row.id] = str(problem)
            log.error(
                "stream.withheld",
                stream=row.id,
                problem=str(problem),
                done="what it is told waits until a start that can deliver it",
            )
        return stream

    def _changeable_one(self, stream_id: str) -> EventStream:
        stream = self._made_one(stream_id)
        if problem := self.withheld.get(stream_id):
            raise StreamWithheld(
                f"Event stream {stream_id} is withheld and can only be deleted: {problem}"
            )
        return stream

    def _made_one(self, stream_id: str) -> EventStream:
        if declared := self._of_file.get(stream_id):
            where = declared.managed_by or "the configuration file"
            raise StreamManaged(
                f"Event stream {stream_id} is declared in {where}; change it there, and have the "
                "file read again."
            )
        try:
            return self._made[stream_id]
        except KeyError:
            raise UnknownStream(stream_id) from None

    def _check_distinct(self, of_file: Sequence[EventStream]) -> None:
        for stream in of_file:
            if stream.id in self._made:
                raise StreamExists(
                    f"{stream.managed_by or 'The file'} declares an event stream {stream.id!r}, "
                    "which has been made through the API already; give it another id in the file."
                )
