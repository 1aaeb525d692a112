from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from starlette.types import Message

from access_world import GateFor
from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.feed import FeedLimits
from unit.http.api_world import World, running

LIVE = "/api/v2/events/live"


@dataclass
class Reader:
    """A client of the live feed, seen from the server's side."""

    world: World
    query: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    chunks: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    hung_up: asyncio.Event = field(default_factory=asyncio.Event)
    given_up: asyncio.Event = field(default_factory=asyncio.Event)
    """What was sent was not taken, and is not waited for any more."""
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    status: int = 0
    ended: bool = False

    def __post_init__(self) -> None:
        self.reads.set()

    async def run(self) -> None:
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "path": LIVE,
            "raw_path": LIVE.encode(),
            "query_string": self.query.encode(),
            "root_path": "",
            "headers": [(b"host", b"127.0.0.1"), *self.headers],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 8080),
        }
        await self.world.app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        try:
            await self.reads.wait()
        except asyncio.CancelledError:
            self.given_up.set()
            raise
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.chunks.put_nowait(message["body"])
        self.ended = not message.get("more_body", False)

    async def events(self, count: int) -> list[tuple[int, str]]:
        """The next ``count`` events as (position, sequence and state)."""
        found: list[tuple[int, str]] = []
        while len(found) < count:
            for frame in (await self.chunks.get()).decode().split("\n\n"):
                lines = dict(line.split(": ", 1) for line in frame.splitlines() if line)
                if "id" in lines:
                    assert lines["event"] == "telephony.trunks.stateChange"
                    found.append((int(lines["id"]), lines["data"]))
        return found

    async def farewell(self) -> dict[str, str]:
        """The last message of a stream that has ended: why it did."""
        last = b""
        while not self.chunks.empty():
            last = await self.chunks.get()
        fields = dict(line.split(": ", 1) for line in last.decode().rstrip().splitlines())
        assert fields["event"] == "feed.ended"
        data = json.loads(fields["data"])
        assert isinstance(data, dict)
        return data


@asynccontextmanager
async def reading(
    world: World, query: str = "", last_event_id: int | None = None
) -> AsyncIterator[Reader]:
    headers = () if last_event_id is None else ((b"last-event-id", b"%d" % last_event_id),)
    reader = Reader(world, query, headers)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(reader.run())
        yield reader
        reader.hung_up.set()


async def test_a_reader_hears_what_is_recorded_from_now_on() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        async with reading(world) as reader:
            assert await reader.chunks.get() == b"retry: 2000\n\n"
            await world.flap("carrier-b", 2)
            heard = await reader.events(2)
            recorded = await world.store.read(after=2)
            assert heard == [(event.position, event.body) for event in recorded]
        assert reader.status == 200
        assert world.feed.clients == 0


async def test_a_reader_goes_on_after_the_last_event_that_it_had() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 5)
        async with reading(world, "after=1", last_event_id=4) as reader:
            assert [position for position, _ in await reader.events(3)] == [5, 6, 7]
        async with reading(world, "after=5") as reader:
            assert [position for position, _ in await reader.events(2)] == [6, 7]


async def test_a_reader_far_behind_gets_everything_in_order() -> None:
    async with running() as world:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 250)
        async with reading(world, "after=0&trunkId=carrier-b") as reader:
            positions = [position for position, _ in await reader.events(251)]
            assert positions == list(range(2, 253))


async def test_who_is_far_behind_is_not_kept_waiting_between_pages() -> None:
    impatient = World(limits=FeedLimits(heartbeat_seconds=0.0))
    async with running(world=impatient) as world:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 250)
        async with reading(world, "after=0") as reader:
            assert await reader.chunks.get() == b"retry: 2000\n\n"
            pages = [await reader.chunks.get() for _ in range(3)]
            assert [page.count(b"event: ") for page in pages] == [100, 100, 52]
            assert (await reader.chunks.get()).startswith(b":")


async def test_who_is_limited_hears_of_their_trunks_alone() -> None:
    world = World(gate=GateFor(Limits(carriers=frozenset({"acme"}))))
    async with running(world=world):
        for trunk_id in ("carrier-b", "carrier-a", "carrier-b"):
            world.clock.seconds += 1
            world.succeed(trunk_id)
            world.fail(trunk_id)
            await world.pipeline.recorder.flushed()
        [theirs, *_] = await world.store.read(trunk_id="carrier-a")
        async with reading(world, "after=0") as reader:
            assert await reader.events(1) == [(theirs.position, theirs.body)]
            world.feed.close()


async def test_a_reader_whose_limits_change_is_told_and_cut_off() -> None:
    gate = GateFor()
    impatient = World(gate=gate, limits=FeedLimits(heartbeat_seconds=0.0))
    async with running(world=impatient) as world, asyncio.TaskGroup() as tasks:
        reader = Reader(world)
        run = tasks.create_task(reader.run())
        assert await reader.chunks.get() == b"retry: 2000\n\n"
        gate.limits = Limits(regions=frozenset())
        await run
        assert (await reader.farewell())["reason"] == "access_ended"
        assert world.feed.clients == 0


async def test_silence_is_filled_with_comments() -> None:
    quiet = World(limits=FeedLimits(heartbeat_seconds=0.0))
    async with running(world=quiet) as world, reading(world) as reader:
        assert await reader.chunks.get() == b"retry: 2000\n\n"
        assert (await reader.chunks.get()).startswith(b":")


async def test_a_slow_reader_is_cut_and_can_resume() -> None:
    limits = FeedLimits(send_seconds=0.01, farewell_seconds=0.01)
    async with running(world=World(limits=limits)) as world:
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        slow = Reader(world, "after=0")
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(slow.run())
            assert [position for position, _ in await slow.events(2)] == [1, 2]
            slow.reads.clear()
            await world.flap("carrier-b", 3)
            await connection  # ends by itself: nobody hung up
        assert not slow.ended
        assert world.feed.clients == 0
        async with reading(world, last_event_id=2) as reader:
            assert [position for position, _ in await reader.events(3)] == [3, 4, 5]


async def test_a_slow_reader_that_wakes_up_is_told_why_it_was_cut() -> None:
    limits = FeedLimits(send_seconds=0.01, farewell_seconds=60)
    async with running(world=World(limits=limits)) as world:
        world.succeed("carrier-b")
        await world.pipeline.recorder.flushed()
        slow = Reader(world, "after=0")
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(slow.run())
            await slow.events(2)
            slow.reads.clear()
            await world.flap("carrier-b", 3)
            await slow.given_up.wait()
            slow.reads.set()
            await connection
        assert slow.ended
        assert (await slow.farewell())["reason"] == "slow_reader"
        async with reading(world, last_event_id=2) as reader:
            assert [position for position, _ in await reader.events(3)] == [3, 4, 5]


async def test_a_reader_of_few_events_need_not_have_the_others_looked_through_again() -> None:
    quiet = World(limits=FeedLimits(heartbeat_seconds=0.0))
    async with running(world=quiet) as world:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 1)
        last = await world.store.last_position()
        async with reading(world, "after=0&state=DEGRADED") as reader:
            assert await reader.chunks.get() == b"retry: 2000\n\n"
            assert await reader.chunks.get() == b": still here\nid: %d\n\n" % last
            assert await reader.chunks.get() == b": still here\n\n"


async def test_there_are_only_so_many_readers() -> None:
    async with running(world=World(limits=FeedLimits(clients=1))) as world, world.client() as http:
        async with reading(world) as reader:
            await reader.chunks.get()
            refused = await http.get(LIVE)
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert "retry-after" in refused.headers
        async with reading(world) as reader:
            assert await reader.chunks.get() == b"retry: 2000\n\n"


async def test_readers_are_let_go_when_the_feed_closes() -> None:
    async with running() as world, world.client() as http:
        reader = Reader(world)
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(reader.run())
            await reader.chunks.get()
            world.feed.close()
            await connection
        assert reader.ended
        assert (await reader.farewell())["reason"] == "shutting_down"
        assert (await http.get(LIVE)).status_code == 503


async def test_a_lost_database_ends_the_stream_cleanly() -> None:
    async with running() as world:
        reader = Reader(world, "after=0")
        async with asyncio.TaskGroup() as tasks:
            connection = tasks.create_task(reader.run())
            await reader.events(1)
            world.store.plugged = False
            world.feed.wake()
            await connection
            world.store.plugged = True
        assert reader.ended
        assert (await reader.farewell())["reason"] == "log_unavailable"


async def test_a_bad_position_is_a_422() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(LIVE, headers={"last-event-id": "yesterday"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "header.last-event-id"
