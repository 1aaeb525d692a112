"""Attempts at alerts come to be in the log of deliveries, and keep nobody from being told."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from alert_bench import LATER, TAKEN
from alert_lane_bench import AVAILABLE, DOWN, RESOLVE, TRIGGER, UPDATE, Bench
from delivery_bench import cancelled
from trunkpulse.events import alert_attempts
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState
from trunkpulse.ports import (
    Alert,
    DeliveryOutcome,
    DeliveryResult,
    DeliveryState,
    RecordedDelivery,
    SinkAnswer,
)
from virtual_time import run_virtual


async def told(bench: Bench) -> list[RecordedDelivery]:
    """What was told of alerts, oldest first."""
    found = await bench.store.deliveries("noc", limit=1000)
    return [each for each in reversed(found) if each.alert is not None]


def test_each_part_of_an_alert_is_logged_under_the_event_that_led_to_it() -> None:
    async def main() -> None:
        bench = Bench()

        async def slowly(_alert: Alert) -> SinkAnswer:
            await asyncio.sleep(2)
            return SinkAnswer(
                outcome=DeliveryOutcome.ACCEPTED,
                detail="202 Accepted",
                request="POST https://pager.example/",
                response="202 Accepted",
            )

        bench.pager.answer = slowly
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        for state, trunk_id in ((DOWN, "a"), (DOWN, "b"), (AVAILABLE, "a"), (AVAILABLE, "b")):
            await bench.change(state, trunk_id)
            lane.wake()
            await bench.clock.advance(90)
        found = await told(bench)
        assert [(each.alert, each.event_id) for each in found] == [
            (TRIGGER, "a-1"),
            (UPDATE, "b-1"),
            (UPDATE, "a-2"),
            (RESOLVE, "b-2"),
        ]
        alert_id = bench.pager.alerts[0].alert_id
        assert {each.trunk_id for each in found} == {f"alert:{alert_id}"}
        assert {each.state for each in found} == {DeliveryState.DELIVERED}
        (said,) = await bench.store.attempts(found[1].id)
        assert (said.attempt, said.duration_ms, said.response) == (1, 2000, "202 Accepted")
        assert said.request == (
            f"update of alert {alert_id} (2 trunks)\nPOST https://pager.example/"
        )
        await cancelled(task)

    run_virtual(main)


def test_a_trigger_that_is_not_taken_is_parked_until_it_is() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.answer = later
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(120)
        (waiting,) = await told(bench)
        assert waiting.state is DeliveryState.PARKED
        assert waiting.attempts == len(bench.pager.alerts) > 3
        bench.pager.answer = taken
        await bench.clock.advance(60)
        (delivered,) = await told(bench)
        assert (delivered.id, delivered.state) == (waiting.id, DeliveryState.DELIVERED)
        said = await bench.store.attempts(delivered.id)
        assert said[0].result is DeliveryResult.DELIVERED
        assert {each.result for each in said[1:]} == {DeliveryResult.RETRY}
        await cancelled(task)

    run_virtual(main)


def test_a_restart_goes_on_with_the_same_delivery() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.answer = later
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        bench.pager.answer = taken
        await bench.run_for(60)
        (trigger,) = await told(bench)
        assert trigger.state is DeliveryState.DELIVERED
        assert trigger.attempts == len(bench.pager.alerts)
        assert trigger.event_id == "a-1"

    run_virtual(main)


def test_an_attempt_that_a_stop_interrupts_is_logged_as_that() -> None:
    async def main() -> None:
        bench = Bench()

        async def never(_alert: Alert) -> SinkAnswer:
            return await asyncio.Future()

        bench.pager.answer = never
        await bench.change(DOWN, "a")
        await bench.run_for(20)
        (trigger,) = await told(bench)
        assert trigger.state is DeliveryState.PARKED
        assert trigger.detail == "interrupted: the stream was stopped"

    run_virtual(main)


def test_people_are_told_while_the_log_cannot_be_written_and_it_is_written_later() -> None:
    async def main() -> None:
        bench = Bench()
        bench.store.log_away = True
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(16)
        await bench.change(AVAILABLE, "a")
        lane.wake()
        await bench.clock.advance(1)
        assert bench.kinds == [TRIGGER, RESOLVE]
        assert await told(bench) == []
        bench.store.log_away = False
        await bench.clock.advance(6)
        assert [each.alert for each in await told(bench)] == [TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_what_a_drained_lane_told_last_is_logged() -> None:
    async def main() -> None:
        bench = Bench()

        async def just_in_time(_alert: Alert) -> SinkAnswer:
            await asyncio.sleep(3)
            return TAKEN

        bench.pager.answer = just_in_time
        await bench.change(DOWN, "a")
        await bench.run_for(16)
        (trigger,) = await told(bench)
        assert trigger.state is DeliveryState.DELIVERED

    run_virtual(main)


def test_too_much_for_memory_is_forgotten_from_the_oldest_on_and_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def main() -> None:
        monkeypatch.setattr(alert_attempts, "MOST_WAITING", 3)
        bench = Bench()
        bench.store.log_away = True
        bench.pager.answer = later
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(300)
        made = len(bench.pager.alerts)
        bench.store.log_away = False
        with capture_logs() as logs:
            await bench.clock.advance(6)
        (trigger,) = await told(bench)
        assert 3 <= trigger.attempts <= 4
        (entry,) = [each for each in logs if each["event"] == "alert.attempts_forgotten"]
        assert entry["count"] >= made - 3
        await cancelled(task)

    run_virtual(main)


def test_an_event_by_itself_is_logged_with_how_long_it_took() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.takes_events.clear()
        event = ProberEvent(
            event_id="p-1",
            instance_id="edge-1",
            region="us-east",
            sequence=1,
            at_ms=1,
            state=ProberState.ISOLATED,
            evidence=IsolationEvidence(rule=IsolationRule.LINK, since_ms=1, problem="no link"),
        )
        assert await bench.store.record_prober(event, ["noc"])
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(3)
        bench.pager.takes_events.set()
        await bench.clock.advance(1)
        (delivery,) = await bench.store.deliveries("noc")
        (said,) = await bench.store.attempts(delivery.id)
        assert said.duration_ms == 3000
        await cancelled(task)

    run_virtual(main)


async def later(_alert: Alert) -> SinkAnswer:
    return LATER


async def taken(_alert: Alert) -> SinkAnswer:
    return TAKEN
