"""Whose turn it is, and when: rests between turns, and turns that go wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from trunkpulse.model import KeepalivePolicy, ProbeIdentity
from trunkpulse.probing.schedule import NEVER
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.probing.turns import Turns
from unit.probing.probed import OPTIONS, Wire
from virtual_time import VirtualClock, run_virtual

TICK_SECONDS = 0.01
SETTINGS = ProbeSettings(KeepalivePolicy(), ProbeIdentity(), OPTIONS, Wire())


class Taken:
    """Turns that are noted, with what a test has somebody do in the course of one."""

    def __init__(self, count: int) -> None:
        self.clock = VirtualClock()
        self.turns = Turns(self.clock, self._take, lambda: None)
        self.targets = [
            ProbeTarget(f"sip:192.0.2.{number}", "a trunk", SETTINGS) for number in range(count)
        ]
        for index, target in enumerate(self.targets):
            target.index = index
        self.moments: list[tuple[ProbeTarget, float]] = []
        self.meddle: Callable[[ProbeTarget], None] | None = None
        self._began = self.clock.monotonic()

    def arm(self, target: ProbeTarget, seconds: float) -> None:
        """Due so many seconds after the beginning."""
        self.turns.wheel.arm(target, self._began + seconds)

    def _take(self, due: list[ProbeTarget]) -> None:
        while due:
            target = due[-1]
            self.moments.append((target, self.clock.monotonic() - self._began))
            if self.meddle is not None:
                self.meddle(target)
            due.pop()


def test_who_is_due_shortly_after_a_turn_waits_until_the_rest_is_over() -> None:
    async def story() -> None:
        taken = Taken(2)
        early, late = taken.targets
        taken.arm(early, 1.0)
        taken.arm(late, 1.0 + TICK_SECONDS)
        taken.turns.rearm()
        await taken.clock.advance(2.0)
        assert [target for target, _ in taken.moments] == [early, late]
        assert taken.moments[1][1] - taken.moments[0][1] > 2 * TICK_SECONDS

    run_virtual(story)


def test_planning_in_the_course_of_a_turn_does_not_cut_the_rest_after_it_short() -> None:
    async def story() -> None:
        taken = Taken(2)
        early, late = taken.targets
        # Answers that are read in a turn end in this call.
        taken.meddle = lambda _: taken.turns.rearm()
        taken.arm(early, 1.0)
        taken.arm(late, 1.0 + TICK_SECONDS)
        taken.turns.rearm()
        await taken.clock.advance(2.0)
        assert taken.moments[1][1] - taken.moments[0][1] > 2 * TICK_SECONDS

    run_virtual(story)


def test_who_is_planned_in_the_course_of_a_turn_has_its_own() -> None:
    async def story() -> None:
        taken = Taken(2)
        first, second = taken.targets

        def plan(target: ProbeTarget) -> None:
            if target is first:
                taken.arm(second, 1.5)
                taken.turns.rearm()

        taken.meddle = plan
        taken.arm(first, 1.0)
        taken.turns.rearm()
        await taken.clock.advance(2.0)
        assert [target for target, _ in taken.moments] == [first, second]

    run_virtual(story)


def test_a_turn_that_ends_in_a_defect_leaves_the_plans_of_others_alone() -> None:
    async def story() -> None:
        taken = Taken(3)
        planned, broken, waiting = taken.targets
        complaints: list[object] = []
        asyncio.get_running_loop().set_exception_handler(
            lambda _, context: complaints.append(context["exception"])
        )

        def answer_one_and_break(target: ProbeTarget) -> None:
            if target is broken and not complaints:
                taken.arm(planned, 30.0)
                raise LookupError("a defect")

        taken.meddle = answer_one_and_break
        # All three at once; the last of them has its turn first.
        for target in (planned, waiting, broken):
            taken.arm(target, 1.0)
        taken.turns.rearm()
        await taken.clock.advance(10.0)
        assert len(complaints) == 1
        assert [target for target, _ in taken.moments] == [broken, waiting, broken]
        assert planned.due_tick != NEVER
        await taken.clock.advance(30.0)
        assert taken.moments[-1][0] is planned

    run_virtual(story)
