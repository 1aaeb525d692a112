from __future__ import annotations

import random

import pytest

from trunkpulse.probing.starting import start_probes
from unit.probing.probed import Bench
from virtual_time import run_virtual

CONFIRM_SECONDS = 5.0
"""Of the policy: what nothing is known of is asked so often."""


def uris(number: int) -> list[str]:
    return [f"sip:192.0.2.{n}" for n in range(1, number + 1)]


def test_what_rests_is_probed_at_once_unless_somebody_else_is_about_to_spread_it() -> None:
    async def story() -> None:
        bench = Bench(*uris(2))
        first, second = bench.targets
        rng = random.Random(1)
        start_probes([first], bench.prober, clock=bench.clock, rng=rng)
        start_probes([second], bench.prober, clock=bench.clock, rng=rng, wake=False)
        await bench.clock.advance(0.1)
        assert [address for _, address in bench.wire.sent] == [("192.0.2.1", 5060)]
        assert bench.prober.next_attempt(second) is None

    run_virtual(story)


def test_targets_that_are_left_out_go_on_resting() -> None:
    async def story() -> None:
        bench = Bench(*uris(2))
        first = bench.targets[0]
        start_probes(
            bench.targets,
            bench.prober,
            clock=bench.clock,
            rng=random.Random(1),
            but_not=[first],
        )
        await bench.clock.advance(0.1)
        assert [address for _, address in bench.wire.sent] == [("192.0.2.2", 5060)]

    run_virtual(story)


def test_a_probe_that_is_planned_within_its_interval_stays_as_planned() -> None:
    async def story() -> None:
        bench = Bench(*uris(1))
        (target,) = bench.targets
        bench.prober.probe_at(target, bench.clock.monotonic() + 4.0)
        planned = bench.prober.next_attempt(target)
        start_probes(bench.targets, bench.prober, clock=bench.clock, rng=random.Random(1))
        assert bench.prober.next_attempt(target) == planned

    run_virtual(story)


def test_probes_that_are_planned_too_late_come_within_an_interval_and_not_together() -> None:
    async def story() -> None:
        bench = Bench(*uris(40))
        now = bench.clock.monotonic()
        for target in bench.targets:
            bench.prober.probe_at(target, now + 600.0)
        start_probes(bench.targets, bench.prober, clock=bench.clock, rng=random.Random(1))
        moments = [bench.prober.next_attempt(target) for target in bench.targets]
        after = sorted(moment - now for moment in moments if moment is not None)
        assert len(after) == 40
        assert after[0] < 1.0
        assert 4.0 < after[-1] <= CONFIRM_SECONDS
        assert sum(after) / 40 == pytest.approx(2.5, abs=0.6)

    run_virtual(story)
