"""Switches are told which trunks are alive, whatever happens to them or to us."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from simulation.paper_switch import PaperSwitch, settings
from simulation.setups import config, trunk
from simulation.world import FarEnd, World
from trunkpulse.config.settings import Config
from trunkpulse.config.switches import LastOfGroup, SwitchSettings
from trunkpulse.model import Reason, Trunk, TrunkState
from trunkpulse.node import Node
from trunkpulse.switching.report import LinkState
from trunkpulse.switching.switches import SwitchOff, UnknownSwitch
from virtual_time import run_virtual

A, B, STRANGER = "sip:192.0.2.1:5060", "sip:192.0.2.2:5060", "sip:192.0.2.9:5060"
SECONDS = 60.0
"""In which a trunk that died is down, and one that came back is up."""
HOUR = 3600.0


@dataclass
class Scene:
    world: World
    node: Node
    paper: PaperSwitch
    setup: Config
    first: FarEnd
    second: FarEnd

    async def later(self, seconds: float = SECONDS) -> None:
        await self.world.clock.advance(seconds)

    def drifts(self) -> dict[str, int]:
        return {each.key: each.drifts for each in self.node.switches.lines("edge")}


@asynccontextmanager
async def scene(
    paper: PaperSwitch, *switches: SwitchSettings, trunks: tuple[Trunk, ...] = ()
) -> AsyncIterator[Scene]:
    """Two trunks that are up, and whoever is told of them."""
    world = World(7)
    world.switch_for = paper.connect
    first, second = world.network.far_end("192.0.2.1"), world.network.far_end("192.0.2.2")
    setup = replace(config(*(trunks or (trunk(1), trunk(2)))), switches=switches or (settings(),))
    async with world.node(setup) as node:
        await world.clock.advance(100)
        yield Scene(world, node, paper, setup, first, second)
    assert paper.connections == 0


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(story, limit_seconds=2 * HOUR)


def test_a_dead_trunk_is_taken_out_and_put_back_and_strangers_are_left_alone() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B, STRANGER), settings(interval_seconds=HOUR)) as here:
            assert here.paper.orders == []
            here.first.mode = "refused"
            await here.later()
            assert here.paper.states == {A: False, B: True, STRANGER: True}
            here.first.mode = "up"
            await here.later()
            assert here.paper.orders == [(A, False), (A, True)]
            report = here.node.switches.report("edge")
            assert (report.in_sync, report.unmatched, report.drifts) == (True, 1, 0)

    told(story)


def test_a_switch_that_was_away_is_right_within_five_seconds_of_its_return() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B)) as here:
            here.first.mode = "refused"
            await here.later()
            for away_seconds in (0.5, 10.0, 600.0):
                here.paper.away = True
                await here.later(away_seconds)
                here.paper.restart()
                here.paper.away = False
                await here.later(5.0)
                assert here.paper.states == {A: False, B: True}
            assert sum(here.drifts().values()) <= 1  # only what nobody saw go away

    told(story)


def test_an_unreachable_switch_is_asked_ever_less_often_and_named() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A)) as here:
            here.paper.away = True
            await here.later(SECONDS)
            report = here.node.switches.report("edge")
            assert report.link is LinkState.UNREACHABLE
            assert report.problem == "The switch does not answer; check that it runs."
            assert not report.in_sync
            assert 15 < report.failures < 45
            [remark] = here.node.switches.remarks()
            assert "edge is out of reach" in remark
            assert here.node.problems() == []

    told(story)


def test_a_switch_that_says_no_is_told_apart() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A)) as here:
            here.paper.shy = True
            await here.later(10)
            assert here.node.switches.report("edge").link is LinkState.REFUSED

    told(story)


def test_a_hand_that_meddles_is_noticed_counted_and_put_right() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B)) as here:
            here.paper.states[A] = False
            await here.later(3)
            assert here.paper.states[A]
            assert here.drifts() == {A: 1, B: 0}
            here.paper.held.add(B)
            here.paper.states[B] = False
            await here.later(10)
            assert not here.paper.states[B]
            assert here.drifts() == {A: 1, B: 0}

    told(story)


def test_of_a_trunk_with_two_targets_only_the_dead_one_is_taken_out_at_once() -> None:
    async def story() -> None:
        both = Trunk(id="both", name="Both", targets=("sip:192.0.2.1", "sip:192.0.2.2"))
        third = Trunk(
            id="third", name="Third", targets=("sip:192.0.2.1", "sip:192.0.2.2", "sip:192.0.2.3")
        )
        paper = PaperSwitch(A, B)
        async with scene(
            paper, settings(interval_seconds=HOUR, trunks=("third",)), trunks=(both, third)
        ) as here:
            here.first.mode = "refused"
            await here.later()
            assert paper.states == {A: False, B: True}
            here.second.mode = "refused"  # the trunk is DEGRADED before and after
            here.world.network.far_end("192.0.2.3")
            await here.later()
            assert here.node.board.status("third").state is TrunkState.DEGRADED
            assert paper.states == {A: False, B: False}

    told(story)


def test_an_address_that_trunks_share_is_up_while_any_of_them_says_so() -> None:
    async def story() -> None:
        shared = tuple(
            Trunk(id=f"user-{number}", name="", targets=(f"sip:{number}@192.0.2.1",))
            for number in range(1, 4)
        )
        switch = settings(interval_seconds=HOUR)
        async with scene(PaperSwitch(A), switch, trunks=shared) as here:
            roster, recorder = here.node.roster, here.node.pipeline.recorder
            for number in range(1, 4):
                assert here.paper.states == {A: True}
                changed = roster.set_admin_enabled(f"user-{number}", enabled=False)
                recorder.enqueue(changed)
                await here.later(1)
            assert here.paper.states == {A: False}
            [line] = here.node.switches.lines("edge")
            assert line.trunks == ("user-1", "user-2", "user-3")

    told(story)


def test_a_disabled_trunk_is_out_and_comes_back_only_when_it_is_seen_alive() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B), settings(interval_seconds=HOUR)) as here:
            here.first.mode = "silent"
            roster, recorder = here.node.roster, here.node.pipeline.recorder
            recorder.enqueue(roster.set_admin_enabled("trunk-1", enabled=False))
            await here.later(1)
            assert here.paper.states == {A: False, B: True}
            recorder.enqueue(roster.set_admin_enabled("trunk-1", enabled=True))
            await here.later(1)
            assert here.paper.states == {A: False, B: True}
            here.first.mode = "up"
            await here.later()
            assert here.paper.states == {A: True, B: True}

    told(story)


def test_a_dry_run_says_what_it_would_do_and_does_nothing() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B), settings(dry_run=True)) as here:
            here.first.mode = "refused"
            await here.later()
            assert here.paper.orders == []
            report = here.node.switches.report("edge")
            assert (report.differing, report.in_sync) == (1, False)
            [line] = [each for each in here.node.switches.lines("edge") if each.differs]
            assert (line.key, line.wanted, line.has, line.trunks) == (A, False, True, ("trunk-1",))

    told(story)


def test_the_last_one_of_a_group_stays_if_that_is_wanted() -> None:
    async def story() -> None:
        last = settings(when_none_available=LastOfGroup.KEEP_LAST)
        async with scene(PaperSwitch(A, B), last) as here:
            here.first.mode = "refused"
            await here.later()
            here.second.mode = "refused"
            await here.later()
            assert here.paper.states == {A: False, B: True}
            assert here.node.switches.report("edge").in_sync
            here.first.mode = "up"
            await here.later()
            assert here.paper.states == {A: True, B: False}

    told(story)


def test_an_order_that_is_refused_does_not_hold_up_the_others() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        paper.refused.add(A)
        async with scene(paper) as here:
            here.first.mode = here.second.mode = "refused"
            await here.later()
            assert paper.states == {A: True, B: False}
            report = here.node.switches.report("edge")
            assert (report.link, report.in_sync) == (LinkState.CONNECTED, False)
            lines = {each.key: each.problem for each in here.node.switches.lines("edge")}
            assert lines == {A: "The switch takes no orders; ask somebody else.", B: None}

    told(story)


def test_a_switch_that_goes_by_name_learns_the_states_of_trunks_anew_after_a_restart() -> None:
    async def story() -> None:
        paper = PaperSwitch(by_address=False)
        async with scene(paper) as here:
            assert paper.states == {"trunk-1": True, "trunk-2": True}
            here.first.mode = "refused"
            await here.later()
            assert paper.states == {"trunk-1": False, "trunk-2": True}
            paper.restart()
            await here.later(3)
            assert paper.states == {"trunk-1": False, "trunk-2": True}

    told(story)


def test_a_name_that_leads_elsewhere_takes_the_address_along() -> None:
    async def story() -> None:
        named = Trunk(id="named", name="Named", targets=("sip:t1.example:5060",))
        async with scene(
            PaperSwitch(A, B), settings(interval_seconds=HOUR), trunks=(named,)
        ) as here:
            here.first.mode = "refused"
            await here.later()
            assert here.paper.states == {A: False, B: True}
            here.second.mode = "refused"
            here.world.names.moved["t1.example"] = ("192.0.2.2",)
            await here.later(5 * SECONDS)
            assert here.paper.states == {A: True, B: False}  # nobody says anything of A now

    told(story)


def test_a_reload_adds_changes_and_removes_switches() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B)) as here:
            switches, connections = here.node.switches, here.paper.connections
            assert connections == 1
            same = here.setup.switches
            for declared, expected in (
                (same, 1),
                ((*same, settings(id="other", interval_seconds=9.0)), 2),
                ((settings(interval_seconds=5.0),), 1),
                ((settings(enabled=False),), 0),
            ):
                await here.node.apply(replace(here.setup, switches=declared))
                await here.later(3)
                assert here.paper.connections == expected
            assert switches.report("edge").link is LinkState.OFF
            assert list(switches.lines("edge")) == []
            with pytest.raises(UnknownSwitch):
                switches.report("other")
            with pytest.raises(SwitchOff, match="enabled = true"):
                await switches.sync("edge")

    told(story)


def test_what_a_switch_is_no_longer_told_of_is_given_back_over_a_reload() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B), settings(interval_seconds=HOUR)) as here:
            here.first.mode = here.second.mode = "refused"
            await here.later()
            assert here.paper.states == {A: False, B: False}
            narrowed = settings(interval_seconds=HOUR, trunks=("trunk-2",))
            await here.node.apply(replace(here.setup, switches=(narrowed,)))
            await here.later(3)
            assert here.paper.states == {A: True, B: False}

    told(story)


@pytest.mark.parametrize("paper", [PaperSwitch(A, B), PaperSwitch(by_address=False)])
def test_a_licence_that_lapses_takes_nothing_out(paper: PaperSwitch) -> None:
    async def story() -> None:
        async with scene(paper, settings(interval_seconds=HOUR)) as here:
            here.first.mode = "refused"
            await here.later()
            before = dict(paper.states)
            assert list(before.values()) == [False, True]
            await here.node.roster.license(licensed=False)
            await here.later()
            assert here.node.board.status("trunk-2").reason is Reason.LICENSE_ISSUE
            assert paper.states == before

    told(story)


def test_whoever_cannot_wait_has_a_switch_put_right_at_once() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B), settings(interval_seconds=HOUR)) as here:
            here.paper.states[A] = False
            report = await here.node.switches.sync("edge")
            assert here.paper.states[A]
            assert report.in_sync
            here.paper.away = True
            report = await here.node.switches.sync("edge")
            assert report.link is LinkState.UNREACHABLE

    told(story)


def test_changes_that_come_together_are_few_rounds() -> None:
    async def story() -> None:
        async with scene(PaperSwitch(A, B), settings(interval_seconds=HOUR)) as here:
            before = here.paper.reads
            for _ in range(500):
                here.node.switches.moved("trunk-1", TrunkState.DOWN)
                await here.later(0.0001)
            assert here.paper.reads - before < 5
            here.node.switches.moved("somebody-else", TrunkState.DOWN)
            quiet = here.paper.reads
            await here.later(10)
            assert here.paper.reads <= quiet + 1

    told(story)
