"""Trunks whose far side is SIPp, which answers as no proxy would on purpose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from interop.peers.sipp import answering
from interop.settings import config_file
from interop.tapped import Answer, tapped_node
from trunkpulse.model import FailureKind, Reason, TrunkState
from trunkpulse.sip.transaction import T1_SECONDS

pytestmark = pytest.mark.interop

ANSWERS_LATE_AFTER_MS = 700
"""The pause in the scenario of that name."""

TRYING_FOR_MS = 100
"""The pause between 100 and 200 in ``answers_trying_first``."""


@pytest.mark.parametrize(
    ("scenario", "healthy", "code"),
    [
        ("answers_200", "2xx", 200),
        ("answers_404", "404", 404),
        ("answers_404", "4xx", 404),
        ("answers_trying_first", "2xx", 200),
    ],
)
async def test_healthy_answer_makes_the_trunk_available(
    scenario: str, healthy: str, code: int, tmp_path: Path
) -> None:
    async with answering(scenario, tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri}, healthy=[healthy])
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert (change.state, change.reason) == (
                TrunkState.AVAILABLE,
                Reason.KEEPALIVE_RESTORED,
            )
            assert change.evidence[0].code == code
            assert change.evidence[0].failure is None


@pytest.mark.parametrize(
    ("scenario", "healthy", "code"),
    [
        ("answers_404", "2xx", 404),
        ("answers_503", "2xx", 503),
        ("answers_503", "4xx", 503),
        ("answers_200", "204", 200),
    ],
)
async def test_unhealthy_answer_takes_the_trunk_down(
    scenario: str, healthy: str, code: int, tmp_path: Path
) -> None:
    async with answering(scenario, tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri}, healthy=[healthy])
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert (change.state, change.reason) == (TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
            assert change.failed_attempts == 3
            assert change.last_success_ms is None
            assert change.evidence[0].code == code
            assert change.evidence[0].failure is FailureKind.UNHEALTHY_RESPONSE


async def test_far_side_that_never_answers_takes_the_trunk_down(tmp_path: Path) -> None:
    async with answering("answers_nothing", tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri})
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert (change.state, change.reason) == (TrunkState.DOWN, Reason.KEEPALIVE_FAILURE)
            assert change.failed_attempts == 3
            assert change.evidence[0].code is None
            assert change.evidence[0].failure is FailureKind.TIMEOUT
            # An attempt of a second is sent at 0 and at 0.5 s, and not once more.
            assert max(Counter(running.tap.sent.entries).values()) == 2
            assert running.tap.heard.entries == []


async def test_late_answer_is_healthy_and_its_round_trip_begins_with_the_first_sending(
    tmp_path: Path,
) -> None:
    async with answering("answers_late", tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri}, timeout_seconds=4)
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert change.state is TrunkState.AVAILABLE
            assert max(Counter(running.tap.sent.entries).values()) == 2
            assert running.counts.answers >= 2
            rtt_ms = change.evidence[0].rtt_ms
            assert rtt_ms is not None
            # Counted from the retransmission it would be T1 less.
            assert rtt_ms > ANSWERS_LATE_AFTER_MS - T1_SECONDS * 1000 / 2


async def test_provisional_answer_is_not_taken_for_the_final_one(tmp_path: Path) -> None:
    async with answering("answers_trying_first", tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri})
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            codes = Counter(answer.code for answer in running.tap.heard.entries)
            assert codes[100] >= 2
            assert codes[200] >= 2
            assert running.counts.provisional_answers >= 2
            assert change.state is TrunkState.AVAILABLE
            assert change.evidence[0].code == 200
            rtt_ms = change.evidence[0].rtt_ms
            assert rtt_ms is not None
            assert rtt_ms > TRYING_FOR_MS / 2


async def test_answer_that_comes_twice_counts_once(tmp_path: Path) -> None:
    async with answering("answers_twice", tmp_path) as uri:
        config = config_file(tmp_path, {"carrier": uri})
        async with tapped_node(config) as running:
            [change] = await running.changes.count(1)
            assert change.state is TrunkState.AVAILABLE
            # Two attempts were needed for that, although the first was answered twice.
            assert len(set(running.tap.sent.entries)) >= 2
            await running.tap.heard.until(four_answered_twice)
            assert running.counts.answers >= 4
            assert running.counts.late_answers >= 4
            assert running.counts.strangers == 0
            assert len(running.changes.entries) == 1


def four_answered_twice(heard: Sequence[Answer]) -> bool | None:
    times = Counter(answer.branch for answer in heard)
    return True if sum(count >= 2 for count in times.values()) >= 4 else None
