"""What waits for the database: small, in order, bounded, and never before a probe."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from contracts.stores import NOW_MS, commit_of
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.envelope import decode
from trunkpulse.model import Reason, StateChange, Trunk, TrunkState
from trunkpulse.ports import HealthCommit, StoredHealth, StoreUnavailable
from trunkpulse.recorder import Decided, Recorder, TrunkRecord
from trunkpulse.recorder.record import PENDING_LIMIT
from trunkpulse.recorder.writer import BATCH, GRACE_SECONDS, LOOK_SECONDS, OVERDUE_SECONDS
from virtual_time import run_virtual

UP, DOWN = TrunkState.AVAILABLE, TrunkState.DOWN
REASONS = {UP: Reason.KEEPALIVE_RESTORED, DOWN: Reason.KEEPALIVE_FAILURE}


class Shop(MemoryStore):
    """A store that can be away, and that notes when it was written to."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.loads_fail = False
        self.refused = asyncio.Event()
        self.commits: list[tuple[float, list[str]]] = []

    async def commit(self, commits: Sequence[HealthCommit]) -> frozenset[str]:
        if self.away:
            self.refused.set()
            raise StoreUnavailable("The database is away.")
        now = asyncio.get_running_loop().time()
        self.commits.append((now, [commit.health.trunk_id for commit in commits]))
        return await super().commit(commits)

    async def load(
        self, progress: Callable[[int, int], None] | None = None
    ) -> dict[str, StoredHealth]:
        if self.loads_fail:
            self.refused.set()
            raise StoreUnavailable("The database is away.")
        return await super().load(progress)


class Desk:
    """A recorder, and what it said."""

    def __init__(self) -> None:
        self.store = Shop()
        self.told: list[StateChange] = []
        self.conflicts: list[tuple[str, int]] = []
        self.recorder = Recorder(
            self.store,
            instance_id="edge-1",
            region="us-east",
            rng=random.Random(1),
            recorded=lambda changes, _: self.told.extend(changes),
            conflicted=self._conflicted,
        )

    def _conflicted(self, record: TrunkRecord, stored: StoredHealth | None) -> None:
        self.conflicts.append((record.trunk.id, stored.sequence if stored else 0))

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.recorder.run())
        yield
        task.cancel()
        await asyncio.wait({task})

    def change(self, record: TrunkRecord, state: TrunkState) -> None:
        record.add(decided(record.state, state))
        self.recorder.enqueue(record)


def record_of(trunk_id: str) -> TrunkRecord:
    return TrunkRecord(Trunk(id=trunk_id, name=trunk_id, targets=()), None)


def decided(previous: TrunkState, state: TrunkState) -> Decided:
    return Decided(NOW_MS, previous, state, REASONS[state], 0, None, ())


def told(story: Callable[[], Coroutine[object, object, None]]) -> None:
    run_virtual(story)


def test_changes_of_a_trunk_are_written_in_order_without_a_gap() -> None:
    async def story() -> None:
        desk, record = Desk(), record_of("a")
        for state in (UP, DOWN, UP):
            desk.change(record, state)
        async with desk.at_work():
            await desk.recorder.flushed()
        events = [decode(event.body) for event in await desk.store.read()]
        assert [(each.sequence, each.state) for each in events] == [(1, UP), (2, DOWN), (3, UP)]
        assert events == desk.told
        assert len({each.event_id for each in events}) == 3
        assert (await desk.store.load())["a"].sequence == 3

    told(story)


def test_while_the_database_is_away_a_trunk_that_goes_back_and_forth_stays_small() -> None:
    async def story() -> None:
        desk, record = Desk(), record_of("a")
        desk.store.away = True
        async with desk.at_work():
            desk.change(record, UP)
            await desk.store.refused.wait()
            for number in range(100):
                desk.change(record, DOWN if number % 2 == 0 else UP)
                assert len(record.pending) <= PENDING_LIMIT
            desk.store.away = False
            await desk.recorder.flushed()
        events = [decode(event.body) for event in await desk.store.read(limit=1000)]
        assert [each.sequence for each in events] == list(range(1, len(events) + 1))
        states = [TrunkState.UNKNOWN, *(each.state for each in events)]
        assert [each.previous_state for each in events] == states[:-1]
        assert states[-1] is UP
        assert (await desk.store.load())["a"].sequence == len(events)

    told(story)


def test_at_the_end_only_changes_that_wait_are_worth_a_warning() -> None:
    async def story() -> None:
        desk = Desk()
        desk.recorder.enqueue(record_of("a"))
        desk.recorder.enqueue(record_of("b"))
        with capture_logs() as quiet:
            desk.recorder.name_unwritten()
        desk.change(record_of("c"), UP)
        with capture_logs() as lines:
            desk.recorder.name_unwritten()
        assert [(line["log_level"], line["trunks"]) for line in quiet] == [("info", 2)]
        assert [(line["log_level"], line["trunks"]) for line in lines] == [
            ("warning", 1),
            ("info", 2),
        ]
        assert all(line["problem"] and line["done"] for line in lines)

    told(story)


def test_what_could_not_be_written_is_written_first_once_the_database_is_back() -> None:
    async def story() -> None:
        desk = Desk()
        desk.store.away = True
        names = [f"t{number}" for number in range(BATCH + 10)]
        for name in names:
            desk.change(record_of(name), UP)
        async with desk.at_work():
            await desk.store.refused.wait()
            assert len(desk.recorder) == len(names)
            late = record_of("late")
            desk.change(late, UP)
            desk.store.away = False
            await desk.recorder.written(late)
        assert [name for _, batch in desk.store.commits for name in batch] == [*names, "late"]
        assert len(desk.recorder) == 0

    told(story)


@pytest.mark.parametrize("stays", [True, False])
def test_overdue_probes_go_first_for_a_while(*, stays: bool) -> None:
    async def story() -> None:
        desk, loop = Desk(), asyncio.get_running_loop()
        late = {"seconds": 2 * OVERDUE_SECONDS}
        desk.recorder.overdue_seconds = lambda: late["seconds"]
        if not stays:
            loop.call_later(2.5 * LOOK_SECONDS, late.update, {"seconds": 0.0})
        for number in range(3 * BATCH):
            desk.change(record_of(f"t{number}"), UP)
        begun = loop.time()
        async with desk.at_work():
            await desk.recorder.flushed()
        waits = [moment - begun for moment, _ in desk.store.commits]
        wait = GRACE_SECONDS if stays else 3 * LOOK_SECONDS
        assert waits[0] == pytest.approx(wait, abs=LOOK_SECONDS)
        assert waits[-1] == pytest.approx(wait * 3 if stays else wait, abs=4 * LOOK_SECONDS)

    told(story)


def test_a_single_change_does_not_wait_long_for_overdue_probes() -> None:
    async def story() -> None:
        desk, loop = Desk(), asyncio.get_running_loop()
        desk.recorder.overdue_seconds = lambda: 2 * OVERDUE_SECONDS
        async with desk.at_work():
            for number in range(3):
                begun = loop.time()
                desk.change(record_of(f"t{number}"), UP)
                await desk.recorder.flushed()
                assert loop.time() - begun == pytest.approx(LOOK_SECONDS, abs=LOOK_SECONDS / 2)

    told(story)


def test_a_conflict_is_looked_into_again_if_the_database_goes_away_meanwhile() -> None:
    async def story() -> None:
        desk, mine, other = Desk(), record_of("mine"), record_of("other")
        await desk.store.commit([commit_of("mine", 1)])  # by somebody else
        desk.store.loads_fail = True
        desk.change(mine, UP)
        desk.change(other, UP)
        async with desk.at_work():
            await desk.store.refused.wait()
            desk.store.loads_fail = False
            await desk.recorder.flushed()
        assert desk.conflicts == [("mine", 1)]
        assert [change.trunk_id for change in desk.told] == ["other"]
        assert not mine.queued
        assert not other.queued

    told(story)
