"""A trunk whose far side is a real Kamailio: it dies, it hangs, it comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from interop.peers.kamailio import Kamailio, running_kamailio
from interop.peers.software import ipv6_loopback
from interop.settings import config_file
from interop.tapped import Answer, TappedNode, tapped_node
from trunkpulse.model import FailureKind, Reason, StateChange, TrunkState

pytestmark = pytest.mark.interop

RECOVERY = (TrunkState.AVAILABLE, Reason.KEEPALIVE_RESTORED)


def kinds(changes: list[StateChange]) -> list[tuple[TrunkState, Reason]]:
    return [(change.state, change.reason) for change in changes]


async def assert_recorded_once_each(running: TappedNode) -> None:
    """The log holds what was told, in order, without gaps and without anything else."""
    told = running.changes.entries
    assert [change.sequence for change in told] == list(range(1, len(told) + 1))
    logged = await running.store.read()
    assert [event.event_id for event in logged] == [change.event_id for change in told]


async def test_kamailio_that_answers_makes_its_trunk_available(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    async with tapped_node(config_file(tmp_path, {"carrier": kamailio.uri})) as running:
        [change] = await running.changes.count(1)
        assert (change.state, change.reason) == RECOVERY
        assert change.previous_state is TrunkState.UNKNOWN
        [evidence] = change.evidence
        assert evidence.code == 200
        assert evidence.target == kamailio.uri
        await kamailio.answers(4)
        assert len(running.changes.entries) == 1


async def test_killed_kamailio_is_one_down_with_the_moment_of_its_last_good_answer(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    async with tapped_node(config_file(tmp_path, {"carrier": kamailio.uri})) as running:
        await running.changes.count(1)
        await kamailio.answers(5)
        await kamailio.kill()
        _, down = await running.changes.count(2)

        assert (down.state, down.reason) == (TrunkState.DOWN, Reason.NETWORK_ERROR)
        assert down.previous_state is TrunkState.AVAILABLE
        assert down.failed_attempts == 3
        assert_is_moment_of(running.tap.last_answer(down.at_ms), down.last_success_ms)
        [evidence] = down.evidence
        assert evidence.failure is FailureKind.REFUSED
        assert evidence.code is None

        await running.tap.further_attempts(3)
        assert len(running.changes.entries) == 2

        await kamailio.start()
        *_, recovery = await running.changes.count(3)
        assert (recovery.state, recovery.reason) == RECOVERY
        assert recovery.previous_state is TrunkState.DOWN
        assert_is_moment_of(running.tap.last_answer(recovery.at_ms), recovery.last_success_ms)

        await kamailio.answers(5)
        assert len(running.changes.entries) == 3
        await assert_recorded_once_each(running)


async def test_frozen_kamailio_is_a_keepalive_failure_and_its_late_answers_heal_nothing(
    kamailio: Kamailio, tmp_path: Path
) -> None:
    async with tapped_node(config_file(tmp_path, {"carrier": kamailio.uri})) as running:
        await running.changes.count(1)
        await kamailio.answers(4)
        kamailio.freeze()
        _, down = await running.changes.count(2)
        failed = running.tap.unanswered()[:3]
        heard_before = len(running.tap.heard.entries)
        late_before, in_time_before = running.counts.late_answers, running.counts.answers

        assert (down.state, down.reason) == (TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
        assert down.failed_attempts == 3
        assert_is_moment_of(running.tap.last_answer(down.at_ms), down.last_success_ms)
        [evidence] = down.evidence
        assert evidence.failure is FailureKind.TIMEOUT

        kamailio.thaw()
        *_, recovery = await running.changes.count(3)
        heard = running.tap.heard.entries[heard_before:]
        late = running.counts.late_answers - late_before
        in_time = running.counts.answers - in_time_before

        assert (recovery.state, recovery.reason) == RECOVERY
        # What lay in its queue was answered when it went on, and counted for nothing.
        assert len(failed) == 3
        assert set(failed) <= {answer.branch for answer in heard}
        assert late >= 3
        assert in_time >= 2
        assert late + in_time == len(heard)
        healer = running.tap.last_answer(recovery.at_ms)
        assert_is_moment_of(healer, recovery.last_success_ms)
        assert healer.branch not in failed

        await running.tap.further_attempts(3)
        assert kinds(running.changes.entries) == [
            RECOVERY,
            (TrunkState.DOWN, Reason.KEEPALIVE_FAILURE),
            RECOVERY,
        ]
        await assert_recorded_once_each(running)


async def test_kamailio_is_watched_over_ipv6(tmp_path: Path) -> None:
    async with running_kamailio(tmp_path / "kamailio", ipv6_loopback()) as far_side:
        config = config_file(tmp_path, {"carrier": far_side.uri})
        async with tapped_node(config) as running:
            await running.changes.count(1)
            await far_side.kill()
            await running.changes.count(2)
            await far_side.start()
            assert kinds(await running.changes.count(3)) == [
                RECOVERY,
                (TrunkState.DOWN, Reason.NETWORK_ERROR),
                RECOVERY,
            ]


def assert_is_moment_of(answer: Answer, moment_ms: int | None) -> None:
    assert moment_ms is not None
    assert answer.before_ms <= moment_ms <= answer.after_ms
