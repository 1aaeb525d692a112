"""``trunkpulse switches``: what is told which trunks are alive, from a shell."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulation.paper_switch import PaperSwitch, settings
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.node.switch_trunks import switches_of
from trunkpulse.switching.switches import Switches
from unit.cli.api_service import Service, service

A, STRANGER = "sip:127.0.0.1:5061", "sip:192.0.2.9:5060"


def switches_over(there: Service, tasks: asyncio.TaskGroup, paper: PaperSwitch) -> Switches:
    return switches_of(
        tasks,
        rng=random.Random(1),
        clock=SystemClock(),
        store=there.world.store,
        switch_for=paper.connect,
        board=there.world.board,
        pipeline=there.world.pipeline,
        roster=there.world.roster,
    )


@asynccontextmanager
async def told(paper: PaperSwitch) -> AsyncIterator[Service]:
    """A service with one switch, which has been read."""
    async with service() as there, asyncio.TaskGroup() as tasks:
        made = switches_over(there, tasks, paper)
        # The API was put together without; it asks this object for each request.
        object.__setattr__(there.world.context, "switches", made)
        made.declare([settings(interval_seconds=3600.0)])
        await made.sync("edge")
        yield there
        made.stop()


async def test_without_switches_it_says_where_they_come_from() -> None:
    async with service() as there:
        assert "[[switches]]" in await there.said("switches", "list")


async def test_a_switch_is_listed_and_shown_entry_by_entry() -> None:
    paper = PaperSwitch(A, STRANGER)
    paper.held.add(A)
    async with told(paper) as there:
        listed = await there.said("switches", "list")
        assert "edge" in listed
        assert "connected" in listed
        shown = await there.said("switches", "show", "edge")
        assert "taken out by hand; left alone" in shown
        assert "no trunk leads there; left alone" in shown
        document = json.loads(await there.said("switches", "show", "edge", "--json"))
        assert [each["key"] for each in document["entries"]] == [A, STRANGER]
        differing = await there.said("switches", "show", "edge", "--differing")
        assert "There are no such entries." in differing


async def test_a_switch_that_is_away_is_said_to_be_with_the_reason() -> None:
    paper = PaperSwitch(A)
    async with told(paper) as there:
        paper.away = True
        outcome = await there.command("switches", "sync", "edge")
        assert (outcome.code, outcome.err) == (1, "")
        said = outcome.out
        assert "unreachable" in said
        assert "edge: The switch does not answer; check that it runs." in said


async def test_a_switch_that_is_not_there_is_a_sentence() -> None:
    async with service() as there:
        outcome = await there.command("switches", "show", "nowhere")
        assert outcome.code == 1
        assert "There is no switch with the id nowhere." in outcome.err
