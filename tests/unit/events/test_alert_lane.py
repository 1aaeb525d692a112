"""The lane of a stream that wakes people: what it takes in, tells, and carries over a crash."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from alert_bench import LATER, TAKEN
from alert_lane_bench import AVAILABLE, DOWN, RESOLVE, TRIGGER, UPDATE, Bench
from delivery_bench import cancelled
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import (
    IsolationEvidence,
    IsolationRule,
    ProberEvent,
    ProberState,
)
from trunkpulse.ports import (
    Alert,
    DeliveryOutcome,
    DeliveryResult,
    SinkAnswer,
)
from virtual_time import run_virtual


def test_what_fails_together_is_one_alert_from_start_to_end() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a", "b")
        await bench.run_for(60)
        await bench.change(AVAILABLE, "a", "b")
        lane = await bench.run_for(60)
        assert bench.kinds == [TRIGGER, RESOLVE]
        first, last = bench.pager.alerts
        assert first.alert_id == last.alert_id
        assert first.group == (("carrier", "acme"), ("region", "us-east"))
        assert await bench.store.next_due_ms("noc") is None
        assert lane.progress.delivered == 1
        assert await bench.store.load_alerts("noc") == ([], [])

    run_virtual(main)


def test_all_changes_of_a_trunk_are_taken_in_however_many_wait() -> None:
    async def main() -> None:
        bench = Bench()
        for _ in range(3):
            await bench.change(DOWN, "a")
            await bench.clock.advance(60)
            await bench.change(AVAILABLE, "a")
            await bench.clock.advance(600)
        await bench.run_for(60)
        assert not bench.pager.alerts  # all of it was over before anybody could be told
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_a_destination_that_does_not_answer_is_told_what_is_true_when_it_does() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.answer = never_taken
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(3600)
        await bench.change(DOWN, "b")
        await bench.change(AVAILABLE, "a")
        lane.wake()
        await bench.clock.advance(60)
        assert set(bench.kinds) == {TRIGGER}
        bench.pager.alerts.clear()
        bench.pager.answer = taken
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER]
        assert [member.trunk_id for member in bench.pager.alerts[0].members] == ["b"]
        await cancelled(task)

    run_virtual(main)


def test_a_destination_that_fails_is_asked_less_and_less_and_that_is_judged() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.answer = never_taken
        await bench.change(DOWN, "a")
        lane = await bench.run_for(15 + 3600)
        assert 3600 / 30 <= len(bench.pager.alerts) <= 3600 / 8
        assert {alert.alert_id for alert in bench.pager.alerts} == {bench.pager.alerts[0].alert_id}
        assert {report.result for report in bench.judged} == {DeliveryResult.RETRY}
        assert lane.progress.last_error == LATER.detail
        assert lane.progress.retried == len(bench.pager.alerts)

    run_virtual(main)


def test_a_destination_that_says_when_to_come_back_is_not_asked_before() -> None:
    async def main() -> None:
        bench = Bench()

        async def in_ten_minutes(_alert: Alert) -> SinkAnswer:
            return SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, retry_after_seconds=600.0)

        bench.pager.answer = in_ten_minutes
        await bench.change(DOWN, "a")
        await bench.run_for(15 + 599)
        assert len(bench.pager.alerts) == 1

    run_virtual(main)


def test_a_refusal_is_final_and_a_gone_destination_is_said_to_be() -> None:
    async def main() -> None:
        bench = Bench()
        answers = [DeliveryOutcome.GONE, DeliveryOutcome.REFUSED]

        async def refuse(_alert: Alert) -> SinkAnswer:
            return SinkAnswer(outcome=answers.pop(0), detail="no")

        bench.pager.answer = refuse
        await bench.change(DOWN, "a")
        lane = await bench.run_for(3600)
        assert len(bench.pager.alerts) == 2
        assert [report.gone for report in bench.judged] == [True, False]
        assert lane.progress.dead == 1

    run_virtual(main)


@pytest.mark.parametrize("seconds", [0.001, 1, 14, 15.1, 20])
def test_a_crash_at_any_moment_loses_nothing_and_pages_once(seconds: float) -> None:
    async def main() -> None:
        bench = Bench()

        async def slowly(_alert: Alert) -> SinkAnswer:
            await asyncio.sleep(3)
            return TAKEN

        bench.pager.answer = slowly
        await bench.change(DOWN, "a", "b")
        for _ in range(4):
            await bench.crash_after(seconds)
        await bench.run_for(100)
        await bench.change(AVAILABLE, "a", "b")
        await bench.crash_after(seconds)
        await bench.run_for(100)
        assert {alert.alert_id for alert in bench.pager.alerts} == {bench.pager.alerts[0].alert_id}
        kinds = bench.kinds
        assert kinds[0] is TRIGGER
        assert kinds[-1] is RESOLVE
        assert UPDATE not in kinds
        assert kinds == sorted(kinds, key=[TRIGGER, RESOLVE].index)

    run_virtual(main)


def test_a_database_that_is_away_holds_alerts_up_and_loses_none() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        bench.store.away = True
        lane.wake()
        await bench.clock.advance(600)
        assert not bench.pager.alerts
        bench.store.away = False
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER]
        assert await bench.store.next_due_ms("noc") is None
        await cancelled(task)

    run_virtual(main)


def test_what_the_database_missed_is_in_it_soon_after_it_is_back() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        bench.store.away = True
        lane.wake()
        await bench.clock.advance(10)
        bench.store.away = False
        await bench.clock.advance(6)
        assert await bench.store.next_due_ms("noc") is None
        _, members = await bench.store.load_alerts("noc")
        assert [each.member.trunk_id for each in members] == ["a"]
        await cancelled(task)

    run_virtual(main)


def test_that_an_alert_is_told_is_on_record_before_it_is() -> None:
    async def main() -> None:
        bench = Bench()
        asked: list[int | None] = []

        async def look(_alert: Alert) -> SinkAnswer:
            alerts, _ = await bench.store.load_alerts("noc")
            asked.append(alerts[0].asked_ms)
            return TAKEN

        bench.pager.answer = look
        await bench.change(DOWN, "a")
        await bench.run_for(20)
        assert asked == [round(bench.clock.wall() * 1000) - 5000]

    run_virtual(main)


def test_what_the_destination_pinned_is_given_back_after_a_restart() -> None:
    async def main() -> None:
        bench = Bench()

        async def pin(alert: Alert) -> SinkAnswer:
            return replace(TAKEN, pinned={alert.kind.value: "yes"})

        bench.pager.answer = pin
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        await bench.change(DOWN, "b")
        await bench.run_for(60)
        await bench.change(AVAILABLE, "a", "b")
        await bench.run_for(1)
        assert [dict(alert.pinned) for alert in bench.pager.alerts] == [
            {},
            {"trigger": "yes"},
            {"trigger": "yes", "update": "yes"},
        ]

    run_virtual(main)


def isolated(number: int) -> ProberEvent:
    return ProberEvent(
        event_id=f"p-{number}",
        instance_id=f"edge-{number}",
        region="us-east",
        sequence=1,
        at_ms=1,
        state=ProberState.ISOLATED,
        evidence=IsolationEvidence(rule=IsolationRule.LINK, since_ms=1, problem="no link"),
    )


def test_an_event_that_is_not_about_a_trunk_is_sent_by_itself() -> None:
    async def main() -> None:
        bench = Bench()
        event = isolated(1)
        await bench.store.record_prober(event, ["noc"])
        bench.store.away = True
        task = asyncio.create_task(bench.lane().run())
        await bench.clock.advance(600)
        bench.store.away = False
        await bench.clock.advance(60)
        await cancelled(task)
        (delivery,) = bench.pager.events
        assert delivery.body == encode_prober(event)
        assert not bench.pager.alerts
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_a_drain_lets_what_is_being_told_end_and_keeps_that_it_was_taken() -> None:
    async def main() -> None:
        bench = Bench()

        async def slowly(_alert: Alert) -> SinkAnswer:
            await asyncio.sleep(3)
            return TAKEN

        bench.pager.answer = slowly
        await bench.change(DOWN, "a")
        await bench.run_for(16)
        await bench.run_for(600)
        assert bench.kinds == [TRIGGER]

    run_virtual(main)


def test_a_drain_waits_no_longer_than_it_is_given() -> None:
    async def main() -> None:
        bench = Bench()

        async def silent(_alert: Alert) -> SinkAnswer:
            await asyncio.Event().wait()
            return TAKEN

        bench.pager.answer = silent
        await bench.change(DOWN, "a")
        started = bench.clock.monotonic()
        await bench.run_for(16)
        assert bench.clock.monotonic() - started == pytest.approx(16 + 5)

    run_virtual(main)


async def taken(_alert: Alert) -> SinkAnswer:
    return TAKEN


async def never_taken(_alert: Alert) -> SinkAnswer:
    return LATER


def test_a_trunk_is_told_of_in_time_however_slowly_other_events_are_taken() -> None:
    async def main() -> None:
        bench = Bench()
        bench.pager.takes_events.clear()
        for number in range(20):
            await bench.store.record_prober(isolated(number), ["noc"])
        await bench.change(DOWN, "a")
        task = asyncio.create_task(bench.lane().run())
        await bench.clock.advance(16)
        assert bench.kinds == [TRIGGER]
        await cancelled(task)

    run_virtual(main)


def test_events_that_are_sent_by_themselves_all_arrive_and_are_settled() -> None:
    async def main() -> None:
        bench = Bench()
        for number in range(20):
            await bench.store.record_prober(isolated(number), ["noc"])
        await bench.run_for(300)
        sent = [delivery.event_id for delivery in bench.pager.events]
        assert sorted(sent) == sorted(f"p-{number}" for number in range(20))
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)
