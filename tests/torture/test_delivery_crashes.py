"""A thousand crashes between claim, send, answer and mark: no loss, no disorder, ids that stay.

Most lives end within this process, at a step that chance picks: that is exact about the place, and
takes milliseconds. Some are processes of their own that are killed with SIGKILL, in case that what
is exact is not what happens. The database is a file in both cases, and the checker knows only what
the receivers were sent and what the log of events holds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from contracts.stores import commit_of, url_of
from torture import delivering_child
from torture.crashing import (
    CrashingOutbox,
    CrashingSink,
    Life,
    Receivers,
    check,
    power_may_fail,
)
from torture.delivering_child import STREAMS, TRUNKS, lanes
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.place import locate
from trunkpulse.events.lane import StreamDelivery

CRASHES = 1_000
LIVES_OF_A_STORE = 20
"""It holds nothing but connections, and to open them takes longer than to die."""
KILLS = 50
SETTLED_BETWEEN_CHANGES = 3
"""Batches of deliveries, so that they keep up with the changes."""
SEED = 20261123
PLACES = {
    "before a commit",
    "committed",
    "before a claim",
    "claimed and not sent",
    "before a send",
    "received and not answered",
    "answered and not marked",
    "within a transaction",
    "marked",
}


async def record_for_ever(
    store: DatabaseStore,
    life: Life,
    rng: random.Random,
    acknowledged: set[str],
    running: Sequence[StreamDelivery],
) -> None:
    """Change some trunks again and again, each change told to every stream."""
    sequences = {trunk_id: health.sequence for trunk_id, health in (await store.load()).items()}
    while True:
        commits = []
        for trunk_id in rng.sample(TRUNKS, rng.randint(1, 3)):
            sequences[trunk_id] = sequences.get(trunk_id, 0) + 1
            commits.append(commit_of(trunk_id, sequences[trunk_id], tell=STREAMS))
        await life.step("before a commit")
        assert not await life.within(store.commit(commits))
        acknowledged.update(each.change.event_id for each in commits if each.change is not None)
        await life.step("committed")
        for lane in running:
            lane.wake()
        for _ in range(SETTLED_BETWEEN_CHANGES):
            life.marked.clear()
            await life.marked.wait()


async def live(
    store: DatabaseStore, life: Life, rng: random.Random, receivers: Receivers, said: set[str]
) -> None:
    """One life, until it ends."""
    await store.release()
    outbox = CrashingOutbox(store, life)
    running = lanes(outbox, lambda _: CrashingSink(receivers, life), SystemClock(), rng)
    with power_may_fail(life):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(lane.run()) for lane in running]
            tasks.append(group.create_task(record_for_ever(store, life, rng, said, running)))
            await life.ended.wait()
            for task in tasks:
                task.cancel()


async def live_on(store: DatabaseStore, rng: random.Random, receivers: Receivers) -> None:
    """A life in which everything is delivered."""
    life = Life()
    await store.release()
    outbox = CrashingOutbox(store, life)
    running = lanes(outbox, lambda _: CrashingSink(receivers, life), SystemClock(), rng)
    async with asyncio.TaskGroup() as group:
        for lane in running:
            group.create_task(lane.run())
        while True:
            life.marked.clear()
            due = [await store.next_due_ms(stream_id) for stream_id in STREAMS]
            if due == [None] * len(STREAMS):
                break
            await life.marked.wait()
        for lane in running:
            lane.drain(1)


async def test_a_thousand_crashes_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    url = url_of(tmp_path / "trunkpulse.db")
    clock = SystemClock()
    await (await DatabaseStore.open(url, instance_id="edge-1", clock=clock)).close()
    receivers = Receivers(rng)
    acknowledged: set[str] = set()
    places: Counter[str] = Counter()
    for _ in range(CRASHES // LIVES_OF_A_STORE):
        store = DatabaseStore(locate(url), instance_id="edge-1", clock=clock)
        for _ in range(LIVES_OF_A_STORE):
            life = Life(steps=rng.randint(0, 25))
            await live(store, life, rng, receivers, acknowledged)
            assert life.died_at is not None
            places[life.died_at] += 1
        await store.close()
    store = DatabaseStore(locate(url), instance_id="edge-1", clock=clock)
    receivers.share_taken = 1.0
    await live_on(store, rng, receivers)
    log = await store.read(limit=1_000_000)
    await store.close()

    assert places.keys() == PLACES
    assert min(places.values()) >= 10, places
    assert acknowledged <= {each.event_id for each in log}
    for stream_id in STREAMS:
        sent = check(log, receivers.arrivals[stream_id], complete=True)
        assert max(sent.values()) > 1  # something was cut off between send and mark


class Witness:
    """The receiver of processes that are killed: a port that answers each line that comes."""

    def __init__(self, rng: random.Random) -> None:
        self.receivers = Receivers(rng)
        self.came = asyncio.Event()

    async def start(self) -> int:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def sent(self, count: int) -> None:
        """Return once so many more deliveries have come."""
        wanted = self._count() + count
        while self._count() < wanted:
            self.came.clear()
            await self.came.wait()

    def _count(self) -> int:
        return sum(len(each) for each in self.receivers.arrivals.values())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if not line.endswith(b"\n"):
                    break  # it was killed in the middle of a line
                delivery = delivering_child.read_delivery(line)
                answer = self.receivers.answer(delivery)
                self.came.set()
                writer.write(answer.outcome.value.encode() + b"\n")
                await writer.drain()
        except ConnectionError:
            return  # it was killed while it was answered
        finally:
            writer.close()


async def test_processes_that_are_killed_lose_nothing_and_keep_the_order(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    file = tmp_path / "trunkpulse.db"
    clock = SystemClock()
    await (await DatabaseStore.open(url_of(file), instance_id="edge-1", clock=clock)).close()
    witness = Witness(rng)
    port = await witness.start()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        ["pytest", "trunkpulse.adapters.storage.database", "trunkpulse.events.lane"]
    )
    for _ in range(KILLS):
        child = context.Process(
            target=delivering_child.run, args=(str(file), port, rng.randrange(2**32))
        )
        child.start()
        await witness.sent(rng.randint(1, 25))
        child.kill()
        await asyncio.to_thread(child.join)
        assert child.exitcode == -9
        child.close()

    store = DatabaseStore(locate(url_of(file)), instance_id="edge-1", clock=clock)
    witness.receivers.share_taken = 1.0
    await live_on(store, rng, witness.receivers)
    log = await store.read(limit=1_000_000)
    await store.close()
    await witness.stop()
    for stream_id in STREAMS:
        check(log, witness.receivers.arrivals[stream_id], complete=True)
