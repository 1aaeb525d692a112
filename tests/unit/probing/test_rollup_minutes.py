from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TargetState
from trunkpulse.ports import MinuteNumbers, StoreUnavailable, WantedMinutes
from trunkpulse.probing import rollup
from trunkpulse.probing.numbers import Numbers
from trunkpulse.probing.rollup import MinuteRollup
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from unit.probing.probed import OPTIONS, Wire
from virtual_time import VirtualClock, run_virtual

SETTINGS = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, Wire())
NOON = 28_333_320


class Pluggable(MemoryStore):
    """A store that can be away; ``written`` is every call that it took."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.written: list[int] = []
        self.asked = asyncio.Event()

    async def add_minutes(self, minutes: Sequence[MinuteNumbers]) -> None:
        self.asked.set()
        if self.away:
            raise StoreUnavailable("the plug is pulled")
        self.written.append(len(minutes))
        await super().add_minutes(minutes)


@dataclass
class HandClock:
    seconds: float = NOON * 60.0

    def monotonic(self) -> float:
        return self.seconds

    def wall(self) -> float:
        return self.seconds


@dataclass
class Bench:
    """Numbers, targets that use them, and the roll-up of both."""

    store: Pluggable = field(default_factory=Pluggable)
    clock: HandClock | VirtualClock = field(default_factory=HandClock)
    numbers: Numbers = field(default_factory=Numbers)
    targets: list[ProbeTarget] = field(default_factory=list)
    retention_days: int = 30

    def __post_init__(self) -> None:
        self.rollup = self.restarted()

    def restarted(self) -> MinuteRollup:
        return MinuteRollup(
            self.store,
            self.clock,
            self.numbers,
            self.measured,
            retention_days=lambda: self.retention_days,
        )

    def measured(self) -> Iterator[ProbeTarget]:
        yield from self.targets

    def add(self, owner: str, uri: str = "sip:192.0.2.1") -> ProbeTarget:
        target = ProbeTarget(uri, owner, SETTINGS, ("192.0.2.1", 5060))
        target.index = len(self.numbers)
        self.numbers.reset(target.index)
        self.targets.append(target)
        return target

    async def next_minute(self) -> None:
        assert isinstance(self.clock, HandClock)
        self.clock.seconds += 60.0
        await self.rollup.note()
        await self.rollup.write()

    async def kept(self, trunk_id: str) -> list[MinuteNumbers]:
        return await self.store.minutes(trunk_id, WantedMinutes(first=0, last=2 * NOON))


async def test_a_minute_holds_what_happened_in_it_and_how_it_ended() -> None:
    bench = Bench()
    target = bench.add("a")
    await bench.rollup.note()
    for rtt in (0.25, 0.5):
        bench.numbers.answered(target.index, rtt, 200)
    bench.numbers.lost(target.index)
    target.state = TargetState.AVAILABLE
    await bench.next_minute()
    bench.numbers.answered(target.index, 0.125, 200)
    await bench.next_minute()
    assert await bench.kept("a") == [
        MinuteNumbers(
            trunk_id="a",
            uri="sip:192.0.2.1",
            place="udp:192.0.2.1:5060",
            minute=NOON,
            answers=2,
            losses=1,
            rtt_sum_seconds=0.75,
            rtt_max_seconds=0.5,
            smoothed_rtt_seconds=0.28125,
            jitter_seconds=0.25,
            state=TargetState.AVAILABLE,
        ),
        MinuteNumbers(
            trunk_id="a",
            uri="sip:192.0.2.1",
            place="udp:192.0.2.1:5060",
            minute=NOON + 1,
            answers=1,
            losses=0,
            rtt_sum_seconds=0.125,
            rtt_max_seconds=0.125,
            smoothed_rtt_seconds=0.26171875,
            jitter_seconds=0.2578125,
            state=TargetState.AVAILABLE,
        ),
    ]


async def test_a_minute_without_an_attempt_is_not_written() -> None:
    bench = Bench()
    bench.add("a")
    await bench.rollup.note()
    await bench.next_minute()
    assert bench.store.written == []


RTTS = st.floats(min_value=1e-4, max_value=4.0).map(lambda each: round(each, 6))
HAPPENINGS = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 2), st.one_of(RTTS, st.none())),
        st.sampled_from(["minute", "back", "away", "restart"]),
    ),
    max_size=60,
)


class Lives(Bench):
    """The same targets over several lives of a process, and all that was noted of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.add("a")
        self.add("a", "sip:192.0.2.2")
        self.add("b")
        self.noted: list[list[float | None]] = [[], [], []]

    def attempt(self, place: int, rtt: float | None) -> None:
        self.noted[place].append(rtt)
        if rtt is None:
            self.numbers.lost(place)
        else:
            self.numbers.answered(place, rtt, 200)

    async def happen(self, what: str) -> None:
        assert isinstance(self.clock, HandClock)
        if what == "minute":
            await self.next_minute()
        elif what == "back":
            self.clock.seconds -= 90.0
        elif what == "away":
            self.store.away = not self.store.away
        else:
            self.store.away = False
            await self.rollup.note()
            await self.rollup.write()
            for target in self.targets:
                self.numbers.reset(target.index)
            self.rollup = self.restarted()
            await self.rollup.note()


@given(happenings=HAPPENINGS)
def test_all_minutes_together_are_what_was_noted(
    happenings: list[tuple[int, float | None] | str],
) -> None:
    """Whatever minutes end, clocks step back, databases go away and processes end in order."""

    async def live() -> None:
        lives = Lives()
        await lives.rollup.note()
        for each in happenings:
            if isinstance(each, str):
                await lives.happen(each)
            else:
                lives.attempt(*each)
        lives.store.away = False
        await lives.next_minute()
        kept = [*await lives.kept("a"), *await lives.kept("b")]
        for target, noted in zip(lives.targets, lives.noted, strict=True):
            own = [m for m in kept if (m.trunk_id, m.uri) == (target.owner, target.uri)]
            rtts = [rtt for rtt in noted if rtt is not None]
            assert sum(m.answers for m in own) == len(rtts)
            assert sum(m.losses for m in own) == noted.count(None)
            assert sum(m.rtt_sum_seconds for m in own) == pytest.approx(sum(rtts))
            assert max((m.rtt_max_seconds for m in own), default=0.0) == pytest.approx(
                max(rtts, default=0.0)
            )

    asyncio.run(live())


async def test_a_trunk_that_comes_to_be_measured_counts_from_then_on() -> None:
    bench = Bench()
    bench.add("a")
    late = bench.add("b")
    bench.targets.remove(late)
    await bench.rollup.note()
    for _ in range(100):
        bench.numbers.answered(late.index, 0.5, 200)
    bench.targets.append(late)
    await bench.next_minute()
    bench.numbers.answered(late.index, 0.25, 200)
    await bench.next_minute()
    (found,) = await bench.kept("b")
    assert (found.answers, found.rtt_max_seconds) == (1, 0.25)
    assert (bench.rollup.measures("b"), bench.rollup.measures("c")) == (True, False)


async def test_a_new_target_of_a_measured_trunk_counts_from_its_first_attempt() -> None:
    bench = Bench()
    bench.add("a")
    await bench.rollup.note()
    bench.numbers.lost(bench.add("a", "sip:192.0.2.2").index)
    await bench.next_minute()
    (found,) = await bench.kept("a")
    assert (found.uri, found.losses) == ("sip:192.0.2.2", 1)


async def test_a_slot_that_began_anew_is_not_counted_backwards() -> None:
    bench = Bench()
    target = bench.add("a")
    await bench.rollup.note()
    for _ in range(5):
        bench.numbers.answered(target.index, 0.5, 200)
    await bench.next_minute()
    bench.numbers.reset(target.index)
    bench.numbers.answered(target.index, 0.25, 200)
    await bench.next_minute()
    assert [each.answers for each in await bench.kept("a")] == [5, 1]


async def test_what_the_database_does_not_take_waits_and_then_the_oldest_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rollup, "WAITING_LIMIT", 3)
    bench = Bench()
    target = bench.add("a")
    await bench.rollup.note()
    bench.store.away = True
    for _ in range(5):
        bench.numbers.answered(target.index, 0.5, 200)
        await bench.next_minute()
    assert (len(bench.rollup), bench.rollup.dropped) == (3, 2)
    bench.store.away = False
    await bench.next_minute()
    assert [each.minute - NOON for each in await bench.kept("a")] == [2, 3, 4]
    assert len(bench.rollup) == 0


async def test_many_targets_are_written_in_batches_and_the_loop_gets_its_turns() -> None:
    bench = Bench()
    targets = [bench.add(f"t{n}") for n in range(1203)]
    await bench.rollup.note()
    for target in targets:
        bench.numbers.answered(target.index, 0.5, 200)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    await bench.next_minute()
    other.cancel()
    assert bench.store.written == [500, 500, 203]
    assert turns >= 3


def test_it_runs_at_each_full_minute_and_finishes_with_what_there_is() -> None:
    async def live() -> None:
        clock = VirtualClock()
        bench = Bench(clock=clock)
        target = bench.add("a")
        running = asyncio.create_task(bench.rollup.run())
        await asyncio.sleep(0)
        began = int(clock.wall()) // 60
        for _ in range(3):
            bench.numbers.answered(target.index, 0.5, 200)
            bench.store.asked.clear()
            await bench.store.asked.wait()
            assert 0.0 <= clock.wall() % 60 < 0.2
        bench.numbers.answered(target.index, 0.5, 200)
        await asyncio.sleep(7)
        bench.rollup.finish()
        await running
        kept = await bench.kept("a")
        assert [(each.minute - began, each.answers) for each in kept] == [
            (0, 1), (1, 1), (2, 1), (3, 1),
        ]  # fmt: skip

    run_virtual(live)


def test_old_minutes_are_pruned_within_the_hour() -> None:
    async def live() -> None:
        clock = VirtualClock()
        bench = Bench(clock=clock, retention_days=2)
        target = bench.add("a")
        running = asyncio.create_task(bench.rollup.run())
        await asyncio.sleep(0)
        first = int(clock.wall()) // 60
        bench.numbers.answered(target.index, 0.5, 200)
        await asyncio.sleep(2 * 86400 - 60)
        assert [each.minute for each in await bench.kept("a")] == [first]
        await asyncio.sleep(3600 + 120)
        assert await bench.kept("a") == []
        bench.rollup.finish()
        await running

    run_virtual(live)
