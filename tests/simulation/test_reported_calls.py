"""What a PBX reports of the calls of a trunk, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from simulation.live import (
    HOST,
    INTERVAL,
    heard,
    state_of,
)
from simulation.setups import trunk
from simulation.world import World
from trunkpulse.config.settings import HepSettings
from trunkpulse.model import (
    TrunkState,
)
from trunkpulse.node import live_calls
from virtual_time import run_virtual


def test_what_a_pbx_reports_pauses_keepalives_for_as_long_as_it_is_said_and_the_ceiling() -> None:
    async def story() -> None:
        world = World(13)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1), hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = far.requests
            for _ in range(5):
                node.live_calls.report(record, 3)
                await world.clock.advance(15)
            assert far.requests == before
            for _ in range(5):
                node.live_calls.report(record, 3)
                await world.clock.advance(20)
            assert far.requests == before + 1
            assert node.live_calls.activity(record).calls == 3
            await world.clock.advance(11)
            assert node.live_calls.activity(record).reported is None
            await world.clock.advance(INTERVAL)
            assert far.requests > before
            node.live_calls.report(record, 3)
            assert node.live_calls.report(record, 0).calls == 0
            assert not node.live_calls.activity(record).paused

    run_virtual(story)


def test_of_more_trunks_than_can_be_remembered_the_proofs_of_the_latest_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_calls, "MOST_PROOFS", 2)

    async def story() -> None:
        world = World(13)
        trunks = [trunk(number) for number in (1, 2, 3)]
        async with world.node(heard(*trunks, hep=HepSettings())) as node:
            records = [node.roster.record(each.id) for each in trunks]
            for place in (0, 1, 0, 2):
                node.live_calls.report(records[place], 1)
            activities = map(node.live_calls.activity, records)
            assert [each.proved_at is not None for each in activities] == [True, False, True]

    run_virtual(story)


def test_a_report_that_counts_for_longer_than_an_interval_is_no_longer_proof() -> None:
    async def story() -> None:
        world = World(14)
        far = world.network.far_end(HOST)
        async with world.node(heard(trunk(1), hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = far.requests
            node.live_calls.report(record, 3, 3600)
            await world.clock.advance(10 * INTERVAL)
            assert node.live_calls.activity(record).calls == 3
            assert far.requests - before >= 8
            far.mode = "silent"
            await world.clock.advance(120)
            assert state_of(node) is TrunkState.DOWN

    run_virtual(story)


def test_a_report_does_not_say_which_of_two_targets_carries_the_calls() -> None:
    async def story() -> None:
        world = World(15)
        ends = [world.network.far_end(f"192.0.2.{number}") for number in (1, 2)]
        two = replace(trunk(1), targets=("sip:192.0.2.1", "sip:192.0.2.2"))
        async with world.node(heard(two, hep=HepSettings())) as node:
            await world.clock.advance(60)
            record = node.roster.record("trunk-1")
            before = [far.requests for far in ends]
            for _ in range(6):
                assert not node.live_calls.report(record, 3).paused
                await world.clock.advance(INTERVAL)
            assert all(far.requests > was for far, was in zip(ends, before, strict=True))

    run_virtual(story)


def test_reports_of_trunks_that_are_gone_are_forgotten() -> None:
    async def story() -> None:
        world = World(16)
        trunks = [trunk(number) for number in range(1, 40)]
        async with world.node(heard(*trunks, hep=HepSettings())) as node:
            for number in range(1, 40):
                node.live_calls.report(node.roster.record(f"trunk-{number}"), 1, 5)
            await world.clock.advance(6)
            record = node.roster.record("trunk-1")
            for _ in range(20):
                node.live_calls.report(record, 1, 5)
            assert node.live_calls.reported_trunks == 1

    run_virtual(story)
