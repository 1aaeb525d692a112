"""When a destination is given up, who hears of it, and how it begins anew."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from random import Random

from structlog.testing import capture_logs

from delivery_bench import BUSY, OK, Bench, Receiver, always
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import Deliveries
from trunkpulse.events.endurance import Endurance, judged
from trunkpulse.model import Destination, EventStream, EventType
from trunkpulse.ports import (
    Delivery,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    SinkAnswer,
    StoreUnavailable,
    StreamHealth,
)
from virtual_time import run_virtual

GONE = SinkAnswer(outcome=DeliveryOutcome.GONE, detail="410 Gone")
HOUR_MS = 3600 * 1000
DAY_MS = 24 * HOUR_MS
NOW_MS = 1_700_000_000_000


def failed(at_ms: int, *, gone: bool = False) -> DeliveryReport:
    return DeliveryReport(
        delivery_id=1,
        result=DeliveryResult.RETRY,
        at_ms=NOW_MS + at_ms,
        detail=f"failed at {at_ms}",
        gone=gone,
    )


def delivered(at_ms: int) -> DeliveryReport:
    return DeliveryReport(delivery_id=1, result=DeliveryResult.DELIVERED, at_ms=NOW_MS + at_ms)


def after(*reports: DeliveryReport) -> StreamHealth | None:
    return judged(None, reports)


def test_failure_counts_from_the_first_that_no_success_followed() -> None:
    assert after(delivered(0)) is None
    assert after(failed(0), delivered(1)) is None
    health = after(failed(0), delivered(1), failed(2), failed(3))
    assert health == StreamHealth(
        failing_since_ms=NOW_MS + 2, failed_ms=NOW_MS + 2, detail="failed at 2"
    )


def test_a_destination_is_given_up_after_five_days_of_nothing_but_failure() -> None:
    daily = [failed(day * DAY_MS) for day in range(5)]
    health = after(*daily)
    assert health is not None
    assert (health.disabled_ms, health.failed_ms) == (None, NOW_MS + 4 * DAY_MS)
    health = after(*daily, failed(5 * DAY_MS - 1))
    assert health is not None
    assert health.disabled_ms is None
    health = after(*daily, failed(5 * DAY_MS))
    assert health is not None
    assert health.disabled_ms == NOW_MS + 5 * DAY_MS
    assert after(*daily, delivered(5 * DAY_MS - 1), failed(5 * DAY_MS)) == StreamHealth(
        failing_since_ms=NOW_MS + 5 * DAY_MS,
        failed_ms=NOW_MS + 5 * DAY_MS,
        detail=f"failed at {5 * DAY_MS}",
    )


def test_after_days_of_which_nothing_is_known_the_count_begins_anew() -> None:
    health = after(failed(0), failed(DAY_MS), failed(6 * DAY_MS))
    assert health is not None
    assert (health.failing_since_ms, health.disabled_ms) == (NOW_MS + 6 * DAY_MS, None)


def test_a_destination_that_is_gone_is_given_up_at_once() -> None:
    health = after(failed(0, gone=True), delivered(1))
    assert health == StreamHealth(
        failing_since_ms=NOW_MS, failed_ms=NOW_MS, detail="failed at 0", disabled_ms=NOW_MS
    )


# --- with lanes ------------------------------------------------------------------------------


def a_stream(stream_id: str, *event_types: str, url: str = "http://127.0.0.1:9/") -> EventStream:
    return EventStream(
        id=stream_id,
        name=stream_id.upper(),
        destination=Destination(type="test", url=url),
        event_types=event_types or (EventType.STATE_CHANGE.value,),
    )


NOC = a_stream("noc")
OPS = a_stream("ops", EventType.STATE_CHANGE.value, EventType.STREAM_DISABLED.value)
Answers = Mapping[str, Callable[[Delivery], Awaitable[SinkAnswer]]]


class Scene:
    """Lanes of two streams, on the virtual loop that is running."""

    def __init__(self, tasks: asyncio.TaskGroup, answers: Answers, store: MemoryStore) -> None:
        self.bench = Bench()
        self.bench.store = self.store = store
        self.answers = dict(answers)
        self.receivers: dict[str, list[Receiver]] = {}
        self.recorded: list[frozenset[str]] = []
        self.endurance = Endurance(
            store,
            instance_id="edge-1",
            region="us-east",
            clock=self.bench.clock,
            rng=Random(1),
            writing=asyncio.Lock(),
            recorded=self._recorded,
        )
        self.deliveries = Deliveries(
            tasks,
            outbox=store,
            sink_for=self._sink,
            clock=self.bench.clock,
            rng=Random(1),
            endurance=self.endurance,
        )

    def _sink(self, stream: EventStream) -> Receiver:
        receiver = Receiver(self.answers.get(stream.id, always(OK)))
        self.receivers.setdefault(stream.id, []).append(receiver)
        return receiver

    def _recorded(self, told: frozenset[str]) -> None:
        self.recorded.append(told)
        self.deliveries.wake(told)

    async def begin(self) -> None:
        await self.endurance.load()
        await self.deliveries.apply([NOC, OPS])

    async def record(self, trunk_id: str = "a", *tell: str) -> None:
        told = tell or ("noc",)
        await self.bench.record(trunk_id, tell=told)
        self.deliveries.wake(told)

    def bodies(self, stream_id: str) -> list[str]:
        return [each.body for made in self.receivers[stream_id] for each in made.received]


def run_scene(
    scenario: Callable[[Scene], Awaitable[None]],
    answers: Answers | None = None,
    store: MemoryStore | None = None,
) -> None:
    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            scene = Scene(tasks, answers or {}, store or MemoryStore())
            await scene.begin()
            await scenario(scene)
            await scene.deliveries.drain(0)

    run_virtual(main)


def test_a_gone_destination_is_not_asked_again_and_the_other_streams_are_told() -> None:
    async def scenario(scene: Scene) -> None:
        with capture_logs() as logs:
            await scene.record("a")
            await scene.bench.clock.advance(3600)
        assert len(scene.receivers["noc"][0].received) == 1
        assert scene.receivers["noc"][0].closed
        (event,) = [json.loads(body) for body in scene.bodies("ops")]
        assert (event["eventType"], event["entityId"]) == ("events.streams.disabled", "noc")
        assert (event["reasonCode"], event["state"]) == ("DESTINATION_GONE", "DISABLED")
        assert event["metadata"]["detail"] == "410 Gone"
        assert scene.recorded == [frozenset({"ops"})]
        assert [(log["event"], log["stream"]) for log in logs] == [("stream.disabled", "noc")]

        await scene.record("b")
        await scene.bench.clock.advance(3600)
        assert len(scene.receivers["noc"][0].received) == 1
        waiting = await scene.store.deliveries("noc")
        assert [(each.event_id, each.state.value) for each in waiting] == [
            ("b-1", "pending"),
            ("a-1", "pending"),
        ]

    run_scene(scenario, {"noc": always(GONE)})


def test_what_waited_is_sent_once_the_stream_is_enabled_again() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.record("a")
        await scene.bench.clock.advance(60)
        await scene.record("a")
        assert not await scene.deliveries.enable("ops")
        scene.answers["noc"] = always(OK)
        assert await scene.deliveries.enable("noc")
        await scene.bench.clock.advance(60)
        assert scene.receivers["noc"][-1].accepted == ["a-1", "a-2"]
        assert scene.deliveries.health() == {}
        assert await scene.store.stream_health() == {}
        assert not await scene.deliveries.enable("noc")

    run_scene(scenario, {"noc": always(GONE)})


def test_a_stream_that_leads_elsewhere_now_begins_anew() -> None:
    async def scenario(scene: Scene) -> None:
        await scene.record("a")
        await scene.bench.clock.advance(60)
        await scene.deliveries.apply([replace(NOC, name="Renamed"), OPS])
        assert scene.endurance.is_disabled("noc")
        scene.answers["noc"] = always(OK)
        elsewhere = a_stream("noc", url="http://127.0.0.1:10/")
        await scene.deliveries.apply([elsewhere, OPS])
        await scene.bench.clock.advance(60)
        assert scene.receivers["noc"][-1].accepted == ["a-1"]
        assert await scene.store.stream_health() == {}

    run_scene(scenario, {"noc": always(GONE)})


def test_a_receiver_that_fails_for_five_days_is_given_up_and_nothing_is_lost() -> None:
    async def scenario(scene: Scene) -> None:
        for _ in range(6 * 24):
            await scene.record("a", "noc", "ops")
            await scene.bench.clock.advance(3600)
        health = scene.deliveries.health()["noc"]
        assert health.disabled_ms is not None
        lasted_ms = health.disabled_ms - health.failing_since_ms
        assert 5 * DAY_MS <= lasted_ms < 5 * DAY_MS + HOUR_MS
        told = [json.loads(body)["eventType"] for body in scene.bodies("ops")]
        assert told.count("events.streams.disabled") == 1
        assert told.count("telephony.trunks.stateChange") == 6 * 24
        states = {each.state.value for each in await scene.store.deliveries("noc", limit=1000)}
        assert states == {"pending", "parked", "dead"}

    run_scene(scenario, {"noc": always(BUSY)})


def test_a_receiver_that_takes_one_delivery_a_day_is_never_given_up() -> None:
    async def scenario(scene: Scene) -> None:
        async def once_a_day(_delivery: Delivery) -> SinkAnswer:
            hour = int(scene.bench.clock.wall() / 3600) % 24
            return OK if hour == 7 else BUSY

        scene.answers["noc"] = once_a_day
        await scene.deliveries.apply([OPS])
        await scene.deliveries.apply([NOC, OPS])
        for _ in range(8 * 24):
            await scene.record("a")
            await scene.bench.clock.advance(3600)
        assert not scene.endurance.is_disabled("noc")
        assert scene.bodies("ops") == []

    run_scene(scenario)


def test_a_restart_knows_since_when_a_destination_fails_and_that_it_is_given_up() -> None:
    store = MemoryStore()

    async def four_days(scene: Scene) -> None:
        for _ in range(4 * 24):
            await scene.record("a")
            await scene.bench.clock.advance(3600)
        assert "noc" in await store.stream_health()

    run_scene(four_days, {"noc": always(BUSY)}, store)
    since_ms = 0

    async def two_more(scene: Scene) -> None:
        nonlocal since_ms
        scene.bench.clock.step_wall(4 * 24 * 3600)
        since_ms = scene.endurance.health()["noc"].failing_since_ms
        for number in range(2 * 24):
            await scene.record(f"b{number}")
            await scene.bench.clock.advance(3600)
        assert scene.endurance.is_disabled("noc")
        assert scene.endurance.health()["noc"].failing_since_ms == since_ms

    run_scene(two_more, {"noc": always(BUSY)}, store)

    async def third_life(scene: Scene) -> None:
        assert "noc" not in scene.receivers
        await scene.record("c")
        await scene.bench.clock.advance(60)
        assert "noc" not in scene.receivers

    run_scene(third_life, {"noc": always(OK)}, store)


class CountingWatch(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.notes = 0
        self.away = False

    async def note_health(self, stream_id: str, health: StreamHealth | None) -> None:
        self.notes += 1
        await super().note_health(stream_id, health)

    async def stream_sequence(self, stream_id: str) -> int:
        if self.away:
            raise StoreUnavailable("the database is away")
        return await super().stream_sequence(stream_id)


def test_a_receiver_that_fails_now_and_then_costs_no_writes() -> None:
    store = CountingWatch()

    async def scenario(scene: Scene) -> None:
        rng = Random(7)

        async def moody(_delivery: Delivery) -> SinkAnswer:
            return OK if rng.random() < 0.5 else BUSY

        scene.answers["noc"] = moody
        await scene.deliveries.apply([OPS])
        await scene.deliveries.apply([NOC, OPS])
        for number in range(200):
            await scene.record(f"t{number}")
            await scene.bench.clock.advance(30)
        assert store.notes == 0

    run_scene(scenario, store=store)


def test_a_stream_is_given_up_later_if_the_database_is_away_just_then() -> None:
    store = CountingWatch()

    async def scenario(scene: Scene) -> None:
        store.away = True
        await scene.record("a")
        await scene.bench.clock.advance(300)
        assert not scene.endurance.is_disabled("noc")
        store.away = False
        await scene.bench.clock.advance(300)
        assert scene.endurance.is_disabled("noc")
        assert len(scene.bodies("ops")) == 1

    run_scene(scenario, {"noc": always(GONE)}, store)
