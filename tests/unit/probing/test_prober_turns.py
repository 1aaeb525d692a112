"""What happens to others in the course of a prober's turn."""

from __future__ import annotations

import pytest

from unit.probing.probed import Bench
from virtual_time import run_virtual

URI = "sip:192.0.2.1"
OTHER = "sip:192.0.2.2"


@pytest.mark.parametrize("removed", [False, True])
def test_whoever_was_answered_or_removed_in_the_course_of_a_turn_has_none_in_it(
    *, removed: bool
) -> None:
    async def story() -> None:
        bench = Bench(URI, OTHER)
        for target in bench.targets:
            bench.prober.probe_at(target, bench.clock.monotonic())
        await bench.clock.advance(0.02)
        assert len(bench.wire.sent) == 2

        def meanwhile() -> None:
            for position in (0, 1):
                bench.arrive(bench.answer_to(position))
            if removed:
                bench.prober.remove(bench.targets[0])
                bench.prober.remove(bench.targets[1])

        bench.wire.unread = meanwhile
        await bench.clock.advance(1.0)
        assert len(bench.wire.sent) == 2
        assert sorted(bench.verdicts.seen) == [(URI, 200), (OTHER, 200)]

    run_virtual(story)
