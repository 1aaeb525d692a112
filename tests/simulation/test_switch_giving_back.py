"""What was taken out of a switch that nobody looks after any more is given back, and only that."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from simulation.paper_switch import PaperSwitch, settings
from simulation.setups import config, trunk
from simulation.world import World
from trunkpulse.config.switches import SwitchSettings, SwitchUrl
from trunkpulse.ports import DocumentKind
from virtual_time import run_virtual

A, B = "sip:192.0.2.1:5060", "sip:192.0.2.2:5060"
SECONDS = 60.0
HOUR = 3600.0
EDGE = settings(interval_seconds=HOUR)
SETUP = replace(config(trunk(1), trunk(2)), switches=(EDGE,))


def told(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtual(story, limit_seconds=3 * HOUR)


def with_switches(*switches: SwitchSettings) -> Any:
    return replace(SETUP, switches=switches)


@asynccontextmanager
async def one_is_down(paper: PaperSwitch, *switches: SwitchSettings) -> AsyncIterator[Any]:
    """A world and a node in it that has taken out the first trunk; B was taken out by a hand."""
    world = World(7)
    world.switch_for = paper.connect
    far_end = world.network.far_end("192.0.2.1")
    world.network.far_end("192.0.2.2").mode = "silent"
    async with world.node(with_switches(*(switches or (EDGE,)))) as node:
        paper.states[B] = False
        await world.clock.advance(100)
        far_end.mode = "refused"
        await world.clock.advance(SECONDS)
        assert paper.states == {A: False, B: False}
        paper.orders.clear()
        yield world, node


@pytest.mark.parametrize("after", [(), (replace(EDGE, enabled=False),)])
def test_a_switch_that_goes_gets_back_what_was_taken_and_no_more(
    after: tuple[SwitchSettings, ...],
) -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            await node.apply(with_switches(*after))
            await world.clock.advance(3)
            assert paper.states == {A: True, B: False}
            assert paper.orders == [(A, True)]
            assert paper.connections == 0
            assert node.switches.remarks() == []
            assert await world.store.load_documents(DocumentKind.TAKEN_OUT) == []

    told(story)


def test_a_switch_that_moves_gets_it_back_where_it_was() -> None:
    async def story() -> None:
        old, new = PaperSwitch(A, B), PaperSwitch(A, B)
        moved = replace(EDGE, url=SwitchUrl("tcp", "127.0.0.1", 2050))
        async with one_is_down(old) as (world, node):
            world.switch_for = None
            node.switches._switch_for = lambda each: (old if each.url == EDGE.url else new).connect(
                each
            )
            await node.apply(with_switches(moved))
            await world.clock.advance(3)
            assert old.states == {A: True, B: False}
            assert new.states == {A: False, B: False}

    told(story)


MOVED = replace(EDGE, url=SwitchUrl("tcp", "127.0.0.1", 2050))


def two_places(node: Any, old: PaperSwitch, new: PaperSwitch) -> None:
    """``new`` is where ``MOVED`` leads."""
    node.switches._switch_for = lambda each: (old if each.url == EDGE.url else new).connect(each)


def test_a_switch_that_moves_is_told_at_once_though_nobody_answers_where_it_was() -> None:
    async def story() -> None:
        old, new = PaperSwitch(A, B), PaperSwitch(A, B)
        async with one_is_down(old) as (world, node):
            two_places(node, old, new)
            old.away = True
            await node.apply(with_switches(MOVED))
            await world.clock.advance(0.5)
            assert new.states == {A: False, B: False}

    told(story)


def test_a_stop_does_not_wait_for_what_is_given_back_where_a_switch_was() -> None:
    async def story() -> None:
        old, new = PaperSwitch(A, B), PaperSwitch(A, B)
        async with one_is_down(old) as (world, node):
            two_places(node, old, new)
            old.away = True
            await node.apply(with_switches(MOVED))
            await node.apply(with_switches(replace(MOVED, interval_seconds=HOUR / 2)))
            await world.clock.advance(0.5)
            before = world.clock.monotonic()
        assert world.clock.monotonic() - before < 1
        assert (old.connections, new.connections) == (0, 0)

    told(story)


def test_a_switch_that_moves_back_in_time_is_looked_after_as_before() -> None:
    async def story() -> None:
        old, new = PaperSwitch(A, B), PaperSwitch(A, B)
        async with one_is_down(old) as (world, node):
            two_places(node, old, new)
            old.away = True
            await node.apply(with_switches(MOVED))
            await world.clock.advance(1)
            await node.apply(with_switches(replace(EDGE, trunks=("trunk-2",))))
            await world.clock.advance(SECONDS)
            assert node.switches.remarks() != []  # it is out of reach, and not given up
            old.away = False
            await world.clock.advance(SECONDS)
            assert old.states == {A: True, B: False}
            assert new.states == {A: True, B: True}
            assert node.switches.remarks() == []

    told(story)


def test_what_was_given_up_is_given_back_once_the_switch_is_looked_after_again() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            paper.away = True
            await node.apply(with_switches())
            await world.clock.advance(SECONDS)
            paper.away = False
            await node.apply(with_switches(replace(EDGE, trunks=("trunk-2",))))
            await world.clock.advance(3)
            assert paper.states == {A: True, B: False}
            await world.clock.advance(3)
            assert await world.store.load_documents(DocumentKind.TAKEN_OUT) == []

    told(story)


def test_a_switch_that_is_called_otherwise_is_looked_after_as_before() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            await node.apply(with_switches(replace(EDGE, id="border")))
            await world.clock.advance(SECONDS)
            assert paper.orders == []
            assert paper.states == {A: False, B: False}
            assert node.switches.remarks() == []
            await node.apply(with_switches())
            await world.clock.advance(3)
            assert paper.states == {A: True, B: False}
            assert await world.store.load_documents(DocumentKind.TAKEN_OUT) == []

    told(story)


def test_a_switch_that_is_out_of_reach_is_tried_a_few_times_and_then_told_of() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            paper.away = True
            await node.apply(with_switches())
            await world.clock.advance(SECONDS)
            assert paper.connections == 0
            [remark] = node.switches.remarks()
            assert f"stays out ({A})" in remark
            assert "by hand" in remark
            paper.away = False
            await world.clock.advance(HOUR)
            assert paper.orders == []

    told(story)


def test_one_that_is_back_in_time_is_given_it_back() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            paper.away = True
            await node.apply(with_switches())
            await world.clock.advance(2)
            paper.away = False
            await world.clock.advance(5)
            assert paper.states == {A: True, B: False}

    told(story)


def test_a_switch_that_is_put_back_into_the_file_is_looked_after_as_before() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            paper.away = True
            await node.apply(with_switches())
            await world.clock.advance(2)
            await node.apply(with_switches(replace(EDGE, trunks=("trunk-2",))))
            paper.away = False
            await world.clock.advance(SECONDS)
            assert paper.states == {A: True, B: False}  # nobody decides about A any more
            assert paper.connections == 1
            assert node.switches.remarks() == []

    told(story)


def test_what_stays_out_is_said_until_somebody_looks_after_the_switch_again() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, node):
            paper.away = True
            await node.apply(with_switches())
            await world.clock.advance(SECONDS)
            await node.apply(with_switches())
            assert len(node.switches.remarks()) == 1
            paper.away = False
            await node.apply(with_switches(EDGE))
            await world.clock.advance(3)
            assert node.switches.remarks() == []

    told(story)


def test_a_dry_run_is_never_written_to_at_its_end_either() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        dry = replace(EDGE, dry_run=True)
        async with one_is_down(paper) as (world, node):
            await node.apply(with_switches(dry))
            await world.clock.advance(3)
            await node.apply(with_switches())
            await world.clock.advance(3)
            assert paper.orders == []
            assert len(node.switches.remarks()) == 1

    told(story)


def test_a_stop_leaves_everything_as_it_is() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper):
            pass
        assert paper.orders == []

    told(story)


@pytest.mark.parametrize(
    ("after", "states"),
    [
        ((), {A: True, B: False}),
        ((replace(EDGE, trunks=("trunk-2",)),), {A: True, B: False}),
        ((replace(EDGE, enabled=False),), {A: True, B: False}),
        ((EDGE,), {A: False, B: False}),
    ],
)
def test_what_an_earlier_life_took_out_is_given_back_too(
    after: tuple[SwitchSettings, ...], states: dict[str, bool]
) -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper) as (world, _):
            pass
        async with world.node(with_switches(*after)) as node:
            await world.clock.advance(SECONDS)
            assert paper.states == states
            assert node.switches.remarks() == []

    told(story)


def test_what_was_taken_out_right_before_a_stop_is_given_back_too() -> None:
    async def story() -> None:
        world, paper = World(7), PaperSwitch(A, B)
        world.switch_for = paper.connect
        far_end = world.network.far_end("192.0.2.1")
        world.network.far_end("192.0.2.2")
        async with world.node(SETUP) as node:
            await world.clock.advance(100)
            far_end.mode = "refused"
            while paper.states[A]:
                await node.switches.sync("edge")
        async with world.node(with_switches()):
            await world.clock.advance(3)
            assert paper.states == {A: True, B: True}

    told(story)


def test_a_switch_whose_password_went_with_it_is_told_of_for_a_month() -> None:
    async def story() -> None:
        paper = PaperSwitch(A, B)
        async with one_is_down(paper, replace(EDGE, password="hush-hush")) as (world, _):
            pass
        for _ in range(2):
            async with world.node(with_switches()) as node:
                await world.clock.advance(3)
                [remark] = node.switches.remarks()
                assert "because the password is no longer in the file" in remark
        assert paper.orders == []
        [document] = await world.store.load_documents(DocumentKind.TAKEN_OUT)
        assert "hush" not in repr(document.definition)
        assert document.expires_ms is not None

    told(story)
