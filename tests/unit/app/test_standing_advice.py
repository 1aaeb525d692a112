"""Advice that many ask for while trunks change."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.trunk_changes import Within
from trunkpulse.app.advising import KEPT_TIMES, StandingAdvice
from trunkpulse.config import Config
from trunkpulse.config.advice import Advice
from trunkpulse.model import Route, RouteTrunk
from unit.http.api_world import World, running

WITHIN = Within(Limits(), "default")


class Working:
    """Advises, which takes so long by the world's clock."""

    def __init__(self, world: World, seconds: float) -> None:
        self.world = world
        self.seconds = seconds
        self.of: list[int] = []
        """How many trunks there were each time."""

    def __call__(self, config: Config) -> Sequence[Advice]:
        self.world.clock.seconds += self.seconds
        self.of.append(len(config.trunks))
        found = f"{len(config.trunks)} trunks and {len(config.routes)} routes"
        return [Advice("interval_short", "info", "[keepalive]", found, "wait longer")]


async def make(world: World, trunk_id: str) -> None:
    await world.made.create({"id": trunk_id, "targets": ["sip:127.0.0.1:5071"]}, WITHIN)


def standing(world: World, seconds: float) -> tuple[StandingAdvice, Working]:
    working = Working(world, seconds)
    advice = StandingAdvice(
        lambda: world.config,
        world.made,
        world.clock,
        routes=lambda: world.routing.all,
        advise=working,
    )
    return advice, working


async def test_many_who_ask_at_once_have_it_worked_out_once() -> None:
    async with running() as world:
        await make(world, "a")
        advice, working = standing(world, 1.0)
        told = await asyncio.gather(*(advice() for _ in range(20)))
        assert working.of == [len(world.config.trunks) + 1]
        assert all(each == told[0] for each in told)


async def test_changes_have_it_worked_out_again_only_after_many_times_as_long() -> None:
    async with running() as world:
        advice, working = standing(world, 1.0)
        before = await advice()
        await make(world, "a")
        assert await advice() is before
        world.clock.seconds += KEPT_TIMES - 0.1
        assert await advice() is before
        world.clock.seconds += 0.2
        assert (await advice()) != before
        world.clock.seconds += 1000
        await advice()
        assert len(working.of) == 2  # nothing has changed since


async def test_routes_of_the_api_are_advised_on_too_once_they_have_changed() -> None:
    async with running() as world:
        advice, working = standing(world, 0.01)
        [before] = await advice()
        await world.routing.create(Route(id="mine", trunks=(RouteTrunk(id="carrier-a"),)))
        [after] = await advice()
        assert (before.why, after.why) == ("0 trunks and 2 routes", "0 trunks and 3 routes")
        assert len(working.of) == 2


async def test_what_takes_a_moment_is_of_this_moment() -> None:
    async with running() as world:
        advice, working = standing(world, 0.01)
        await advice()
        await make(world, "a")
        await advice()
        assert len(working.of) == 2


async def test_a_new_configuration_counts_at_once() -> None:
    async with running() as world:
        advice, working = standing(world, 1.0)
        await advice()
        world.config = replace(world.config)
        await advice()
        assert len(working.of) == 2
