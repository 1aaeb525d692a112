"""The lane of a stream that wakes people: what it takes in, tells, and carries over a crash."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from alert_bench import LATER, TAKEN, Pager, Surroundings, alerting_stream, told_commit
from delivery_bench import cancelled
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.alert_lane import AlertDelivery
from trunkpulse.events.prober_envelope import encode_prober
from trunkpulse.model import (
    AlertSettings,
    IsolationEvidence,
    IsolationRule,
    MaintenanceWindow,
    ProberEvent,
    ProberState,
    Reason,
    TrunkState,
    TrunkStatus,
)
from trunkpulse.ports import (
    Alert,
    AlertCommit,
    AlertKind,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    ReplayChoice,
    SinkAnswer,
    StoreUnavailable,
)
from virtual_time import VirtualClock, run_virtual

DOWN, AVAILABLE = TrunkState.DOWN, TrunkState.AVAILABLE
TRIGGER, UPDATE, RESOLVE = AlertKind.TRIGGER, AlertKind.UPDATE, AlertKind.RESOLVE


class Store(MemoryStore):
    """A database that can go away."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def save_alerts(self, stream_id: str, commit: AlertCommit) -> None:
        self._check()
        await super().save_alerts(stream_id, commit)

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        self._check()
        await super().settle(reports)

    def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("the database does not answer")


class Bench:
    """A store, a pager and lanes that come and go, on the virtual loop that is running."""

    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.clock = VirtualClock()
        self.store = Store()
        self.pager = Pager()
        self.surroundings = Surroundings(self.store)
        self.surroundings.add("a", "b", "c")
        self.stream = alerting_stream(settings)
        self.judged: list[DeliveryReport] = []
        self._sequences: defaultdict[str, int] = defaultdict(int)
        self._lanes = 0

    async def change(self, state: TrunkState, *trunk_ids: str) -> None:
        """These trunks change together."""
        commits = []
        for trunk_id in trunk_ids:
            self._sequences[trunk_id] += 1
            at_ms = round(self.clock.wall() * 1000)
            commits.append(told_commit(trunk_id, self._sequences[trunk_id], state, at_ms))
        assert not await self.store.commit(commits)

    def lane(self) -> AlertDelivery:
        async def judge(reports: Sequence[DeliveryReport]) -> None:
            self.judged += reports

        self._lanes += 1
        return AlertDelivery(
            self.stream,
            self.pager,
            grounds=self.surroundings.grounds,
            outbox=self.store,
            clock=self.clock,
            rng=Random(self._lanes),
            judge=judge,
        )

    async def run_for(self, seconds: float) -> AlertDelivery:
        """A lane lives so long, and is then drained."""
        lane = self.lane()
        task = asyncio.create_task(lane.run())
        await self.clock.advance(seconds)
        lane.drain(5)
        await task
        return lane

    async def crash_after(self, seconds: float) -> None:
        """A lane lives so long, and its process is gone."""
        task = asyncio.create_task(self.lane().run())
        await self.clock.advance(seconds)
        await cancelled(task)
        await self.store.release()

    @property
    def kinds(self) -> list[AlertKind]:
        return [alert.kind for alert in self.pager.alerts]


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


def test_an_old_event_that_is_replayed_wakes_nobody() -> None:
    async def main() -> None:
        bench = Bench()
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, 1))
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(600)
        assert not bench.pager.alerts
        await cancelled(task)

    run_virtual(main)


def test_an_old_recovery_that_is_replayed_leaves_the_alert_open() -> None:
    async def main() -> None:
        bench = Bench()
        task = asyncio.create_task(bench.lane().run())
        await bench.change(DOWN, "a")
        await bench.clock.advance(60)
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(3600)
        before_ms = round(bench.clock.wall() * 1000)
        await bench.change(DOWN, "a")
        bench.surroundings.board.publish("a", TrunkStatus(DOWN, None, before_ms))
        await bench.clock.advance(60)
        replayed = ReplayChoice(trunk_id="a", to_ms=before_ms)
        await bench.store.replay("noc", replayed, now_ms=before_ms + 60_000)
        assert await bench.store.next_due_ms("noc") is not None
        await bench.clock.advance(3600)
        assert bench.kinds == [TRIGGER, RESOLVE, TRIGGER]
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER, RESOLVE, TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_a_recovery_by_a_clock_that_was_set_back_ends_the_alert() -> None:
    async def main() -> None:
        bench = Bench()
        task = asyncio.create_task(bench.lane().run())
        await bench.clock.advance(3600)
        await bench.change(DOWN, "a")
        await bench.clock.advance(60)
        early_ms = round(bench.clock.wall() * 1000) - 600_000
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, early_ms))
        assert not await bench.store.commit([told_commit("a", 2, AVAILABLE, early_ms)])
        await bench.clock.advance(60)
        assert bench.kinds == [TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_trouble_that_no_event_told_keeps_the_alert_open() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a", "b")
        await bench.clock.advance(60)
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(60)
        bench.surroundings.board.publish("a", TrunkStatus(DOWN, None, None))
        lane.trunks_changed()
        await bench.clock.advance(1)
        await bench.change(AVAILABLE, "b")
        await bench.clock.advance(600)
        assert RESOLVE not in bench.kinds
        assert bench.pager.alerts[-1].total_down == 1
        await cancelled(task)

    run_virtual(main)


def test_an_event_of_a_trunk_that_is_not_configured_wakes_nobody() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(1)
        await bench.change(DOWN, "gone")
        lane.wake()
        await bench.clock.advance(600)
        await cancelled(task)
        assert not bench.pager.alerts
        assert await bench.store.next_due_ms("noc") is None

    run_virtual(main)


def test_an_alert_of_a_trunk_that_is_disabled_ends_though_no_event_told() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        disabled = TrunkStatus(DOWN, Reason.ADMIN_DISABLED, round(bench.clock.wall() * 1000))
        bench.surroundings.board.publish("a", disabled)
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER, RESOLVE]

    run_virtual(main)


def test_what_was_over_before_a_lane_went_on_is_not_told() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(5)  # less than the first news waits
        await bench.change(AVAILABLE, "a")
        await bench.clock.advance(3600)
        await bench.run_for(60)
        assert not bench.pager.alerts

    run_virtual(main)


def test_nothing_is_told_before_all_trunks_are_known() -> None:
    async def main() -> None:
        bench = Bench()
        bench.surroundings.ready = False
        await bench.change(DOWN, "a")
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.clock.advance(600)
        assert not bench.pager.alerts
        bench.surroundings.ready = True
        lane.trunks_changed()
        await bench.clock.advance(16)
        assert bench.kinds == [TRIGGER]
        await cancelled(task)

    run_virtual(main)


def test_a_trunk_that_is_taken_out_of_the_configuration_ends_its_alert() -> None:
    async def main() -> None:
        bench = Bench()
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(60)
        del bench.surroundings.trunks["a"]
        lane.trunks_changed()
        await bench.clock.advance(1)
        assert bench.kinds == [TRIGGER, RESOLVE]
        await cancelled(task)

    run_virtual(main)


def test_a_recovery_that_no_event_told_ends_the_alert_all_the_same() -> None:
    async def main() -> None:
        bench = Bench()
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        bench.surroundings.board.publish("a", TrunkStatus(AVAILABLE, None, None))
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER, RESOLVE]

    run_virtual(main)


def test_maintenance_silences_and_what_outlasts_it_is_told() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(
            id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 3_600_000, carriers=("acme",)
        )
        await bench.surroundings.maintenance.add(window, now_ms)
        await bench.change(DOWN, "a", "b")
        await bench.crash_after(1800)
        await bench.change(AVAILABLE, "b")
        await bench.run_for(1799)
        assert not bench.pager.alerts
        await bench.run_for(2)
        (alert,) = bench.pager.alerts
        assert [member.trunk_id for member in alert.members] == ["a"]

    run_virtual(main)


def test_maintenance_that_is_called_off_is_told_of_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 10**9)
        await bench.surroundings.maintenance.add(window, now_ms)
        lane = bench.lane()
        task = asyncio.create_task(lane.run())
        await bench.change(DOWN, "a")
        lane.wake()
        await bench.clock.advance(60)
        await bench.surroundings.maintenance.remove("w")
        lane.maintenance_changed()
        await bench.clock.advance(0.1)
        assert bench.kinds == [TRIGGER]
        await cancelled(task)

    run_virtual(main)


def test_maintenance_that_was_called_off_while_no_lane_ran_is_told_of_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        now_ms = round(bench.clock.wall() * 1000)
        window = MaintenanceWindow(id="w", name="w", starts_ms=now_ms, ends_ms=now_ms + 10**9)
        await bench.surroundings.maintenance.add(window, now_ms)
        await bench.change(DOWN, "a")
        await bench.run_for(60)
        await bench.surroundings.maintenance.remove("w")
        await bench.run_for(1)
        assert bench.kinds == [TRIGGER]

    run_virtual(main)


def test_an_event_that_is_not_about_a_trunk_is_sent_by_itself() -> None:
    async def main() -> None:
        bench = Bench()
        event = ProberEvent(
            event_id="p-1",
            instance_id="edge-1",
            region="us-east",
            sequence=1,
            at_ms=1,
            state=ProberState.ISOLATED,
            evidence=IsolationEvidence(rule=IsolationRule.LINK, since_ms=1, problem="no link"),
        )
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
