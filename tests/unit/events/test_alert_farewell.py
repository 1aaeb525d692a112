"""A stream that is deleted closes its alerts first, as far as its destination lets it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from random import Random

import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from alert_bench import LATER, TAKEN, Pager
from alert_lane_bench import AVAILABLE, DOWN, RESOLVE, TRIGGER, Bench
from contracts.stores import stream
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import Deliveries
from trunkpulse.events.subscriptions import Subscriptions
from trunkpulse.model import AlertSettings, Destination, EventStream
from trunkpulse.ports import (
    Alert,
    AlertCommit,
    AlertRecord,
    DestinationInvalid,
    SinkAnswer,
    StoreUnavailable,
)
from unit.http.api_parts import Lanes, SetClock
from vaults import a_vault
from virtual_time import run_virtual

EACH_TRUNK = AlertSettings(group_by=())


def run_deliveries(
    scenario: Callable[[Bench, Deliveries], Awaitable[None]],
    *,
    told: list[EventDict] | None = None,
) -> list[EventDict]:
    """Run it with the stream of a bench; what was logged as left open, and as ``told``."""
    logs: list[EventDict] = []

    async def main() -> None:
        bench = Bench(EACH_TRUNK)

        def sink_for(_stream: EventStream) -> Pager:
            if bench.pager.closed and bench.pager.answer is impossible:
                raise DestinationInvalid("The destination has no key.")
            bench.pager.closed = False
            return bench.pager

        with capture_logs() as said:
            async with asyncio.TaskGroup() as tasks:
                deliveries = Deliveries(
                    tasks,
                    outbox=bench.store,
                    sink_for=sink_for,
                    clock=bench.clock,
                    rng=Random(1),
                    grounds=bench.surroundings.grounds,
                )
                await scenario(bench, deliveries)
                await deliveries.drain(0)
        assert bench.pager.closed
        logs.extend(each for each in said if each["event"] == "alerts.left_open")
        if told is not None:
            told.extend(each for each in said if each["event"] == "alert.told")

    run_virtual(main)
    return logs


async def open_two(bench: Bench, deliveries: Deliveries) -> None:
    """Alerts of a and of b."""
    await deliveries.apply([bench.stream])
    await bench.change(DOWN, "a", "b")
    deliveries.wake(["noc"])
    await bench.clock.advance(20)
    assert bench.kinds == [TRIGGER, TRIGGER]


async def impossible(_alert: Alert) -> SinkAnswer:
    """Stands for a destination that no sink can be made for."""
    raise AssertionError


def test_each_open_alert_is_resolved_once_and_says_why() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        await deliveries.part_from(bench.stream)
        assert bench.kinds == [TRIGGER, TRIGGER, RESOLVE, RESOLVE]
        opened, closed = bench.pager.alerts[:2], bench.pager.alerts[2:]
        assert {each.alert_id for each in opened} == {each.alert_id for each in closed}
        assert closed[0].title.startswith("Event stream noc is deleted, and its alerts are closed")
        assert closed[0].total_down == 0
        await bench.clock.advance(600)
        assert len(bench.pager.alerts) == 4  # nothing is told of it any more

    told: list[EventDict] = []
    assert run_deliveries(scenario, told=told) == []
    assert [each["kind"] for each in told] == ["trigger", "trigger", "resolve", "resolve"]


def test_a_stream_that_is_paused_closes_its_alerts_too() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        paused = replace(bench.stream, paused=True)
        await deliveries.apply([paused])
        await bench.clock.advance(5)
        await deliveries.part_from(paused)
        assert bench.kinds[2:] == [RESOLVE, RESOLVE]

    assert run_deliveries(scenario) == []


def test_what_is_resolved_already_or_was_never_told_is_left_alone() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        await bench.change(AVAILABLE, "a")
        await bench.change(DOWN, "c")
        deliveries.wake(["noc"])
        await bench.clock.advance(5)
        assert bench.kinds[2:] == [RESOLVE]
        await deliveries.part_from(bench.stream)
        resolved = [alert for alert in bench.pager.alerts if alert.kind is RESOLVE]
        assert [alert.members[0].trunk_id for alert in resolved] == ["a", "b"]

    assert run_deliveries(scenario) == []


def test_what_is_not_taken_stays_open_and_the_log_names_it() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        refused = bench.pager.alerts[1].alert_id

        async def answer(alert: Alert) -> SinkAnswer:
            return LATER if alert.alert_id == refused else TAKEN

        bench.pager.answer = answer
        await deliveries.part_from(bench.stream)
        assert bench.kinds[2:] == [RESOLVE, RESOLVE]
        left.append(refused)

    left: list[str] = []
    (entry,) = run_deliveries(scenario)
    assert entry["alerts"] == left
    assert (entry["count"], entry["problem"]) == (1, "503 Service Unavailable")


def test_a_destination_that_does_not_answer_is_not_waited_for_long() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        records = [
            AlertRecord(key=f"k{n}", labels=(), alert_id=f"more-{n}", opened_ms=1, asked_ms=1)
            for n in range(100)
        ]
        await bench.store.save_alerts("noc", AlertCommit(alerts=tuple(records)))

        async def never(_alert: Alert) -> SinkAnswer:
            return await asyncio.Future[SinkAnswer]()

        bench.pager.answer = never
        started = bench.clock.monotonic()
        await deliveries.part_from(bench.stream)
        assert bench.clock.monotonic() - started <= 11

    (entry,) = run_deliveries(scenario)
    assert (entry["count"], len(entry["alerts"])) == (102, 20)
    assert entry["problem"] == "no answer within 10 seconds"


def test_a_destination_that_cannot_be_reached_as_configured_keeps_its_alerts() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        await open_two(bench, deliveries)
        await deliveries.apply([replace(bench.stream, paused=True)])
        await bench.clock.advance(5)
        bench.pager.answer = impossible
        await deliveries.part_from(bench.stream)

    (entry,) = run_deliveries(scenario)
    assert (entry["count"], entry["problem"]) == (2, "The destination has no key.")


def test_messages_are_not_taken_back() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries) -> None:
        chat = Destination(type="apprise", url="")
        bench.stream = replace(bench.stream, destination=chat)
        await open_two(bench, deliveries)
        await deliveries.part_from(bench.stream)
        assert bench.kinds == [TRIGGER, TRIGGER]

    assert run_deliveries(scenario) == []


class LanesWithoutStore(Lanes):
    """Lanes that cannot find out what is open."""

    async def part_from(self, stream: EventStream) -> None:
        await super().part_from(stream)
        self.streams = {}
        raise StoreUnavailable("the plug is pulled")


@pytest.mark.parametrize("fails", [False, True])
async def test_a_deletion_closes_alerts_first_and_a_failed_one_leaves_all_as_it_was(
    *, fails: bool
) -> None:
    async def tell(_streams: object) -> None:
        """Nobody records anything here."""

    lanes = LanesWithoutStore() if fails else Lanes()
    store = MemoryStore()
    subscriptions = Subscriptions(
        store,
        a_vault(),
        clock=SetClock(),
        deliveries=lanes,
        writing=asyncio.Lock(),
        tell=tell,
    )
    await subscriptions.load([])
    await subscriptions.create(stream("made"))
    if fails:
        with pytest.raises(StoreUnavailable):
            await subscriptions.delete("made")
        assert [each.id for each in await store.load_streams()] == ["made"]
        assert set(lanes.streams) == {"made"}
    else:
        await subscriptions.delete("made")
        assert await store.load_streams() == []
        assert lanes.streams == {}
    assert lanes.parted == ["made"]
