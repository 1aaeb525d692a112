"""The past of a trunk's id: whoever is limited has of it what was theirs, and nothing else."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from access_world import GateFor
from trunkpulse.access import UNLIMITED, Limits
from trunkpulse.model import TargetState
from trunkpulse.ports import MinuteNumbers
from unit.http.api_world import NOW_MS, World, running
from unit.http.test_live_feed import reading

PATH = "/api/v2/telephony/trunks"
EU = Limits(regions=frozenset({"eu"}))
MINUTE_MS = 60_000


async def make(http: httpx2.AsyncClient, region: str, **more: str) -> None:
    document = {"id": "edge", "region": region, "targets": ["sip:127.0.0.1:5099"], **more}
    answer = await http.post(PATH, json=document)
    assert answer.status_code == 201, answer.text


async def events(http: httpx2.AsyncClient, path: str) -> list[tuple[str, str, str]]:
    """Of each its trunk's name, its state and its region."""
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["entities"]
    return [(each["entityName"], each["state"], each["metadata"]["region"]) for each in found]


async def taken_over(world: World, http: httpx2.AsyncClient, gate: GateFor, region: str) -> None:
    """A trunk of ``region`` had its day and was deleted; somebody limited took its id."""
    gate.limits = UNLIMITED
    await make(http, region, name="Secret")
    world.succeed("edge")
    await world.pipeline.recorder.flushed()
    world.clock.seconds += 1
    assert (await http.delete(f"{PATH}/edge")).status_code == 204
    world.clock.seconds += 1
    gate.limits = EU
    await make(http, "eu", name="Mine")


READERS = ("/api/v2/events", "/api/v2/events?trunkId=edge&order=desc", f"{PATH}/edge/history")


@pytest.mark.parametrize("path", READERS)
@pytest.mark.parametrize("region", ["us-west", "eu"])
async def test_who_takes_the_id_of_a_deleted_trunk_does_not_get_its_past(
    path: str, region: str
) -> None:
    gate = GateFor()
    async with running(world=World(gate=gate)) as world, world.client() as http:
        await taken_over(world, http, gate, region)
        assert await events(http, path) == []
        world.succeed("edge")
        await world.pipeline.recorder.flushed()
        assert await events(http, path) == [("Mine", "AVAILABLE", "eu")]
        gate.limits = UNLIMITED
        assert ("Secret", "AVAILABLE", region) in await events(http, path)


async def test_the_live_feed_does_not_give_the_past_of_an_id_that_was_taken() -> None:
    gate = GateFor()
    async with running(world=World(gate=gate)) as world, world.client() as http:
        await taken_over(world, http, gate, "us-west")
        world.succeed("edge")
        await world.pipeline.recorder.flushed()
        [_, theirs] = await world.store.read(trunk_id="edge")
        async with reading(world, "after=0") as reader:
            assert await reader.events(1) == [(theirs.position, theirs.body)]
            world.feed.close()


@pytest.mark.parametrize("path", READERS)
async def test_what_happened_beyond_stays_there_when_a_trunk_moves(path: str) -> None:
    gate = GateFor()
    async with running(world=World(gate=gate)) as world, world.client() as http:
        await make(http, "us-west", name="Moves")
        world.succeed("edge")
        await world.pipeline.recorder.flushed()
        moved = await http.patch(f"{PATH}/edge", json={"region": "eu"})
        assert moved.status_code == 200, moved.text
        world.fail("edge")
        await world.pipeline.recorder.flushed()
        gate.limits = EU
        assert await events(http, path) == [("Moves", "DOWN", "eu")]


async def test_the_numbers_of_a_deleted_trunk_are_not_those_of_the_next_one() -> None:
    gate = GateFor()
    async with running(world=World(gate=gate)) as world, world.client() as http:
        world.clock.seconds += 90
        await taken_over(world, http, gate, "us-west")
        world.clock.seconds += 300
        now = (NOW_MS + 392_000) // MINUTE_MS
        before, after = (
            MinuteNumbers(
                trunk_id="edge",
                uri=uri,
                place=None,
                minute=minute,
                answers=1,
                losses=0,
                rtt_sum_seconds=0.1,
                rtt_max_seconds=0.1,
                smoothed_rtt_seconds=0.1,
                jitter_seconds=0.0,
                state=TargetState.AVAILABLE,
            )
            for uri, minute in (("sip:secret", now - 6), ("sip:mine", now - 1))
        )
        await world.store.add_minutes([before, after])
        for step in (1, 60):
            answer = await http.get(f"{PATH}/edge/numbers?step={step}")
            assert [each["uri"] for each in answer.json()["entities"]] == ["sip:mine"]
        gate.limits = UNLIMITED
        answer = await http.get(f"{PATH}/edge/numbers")
        assert [each["uri"] for each in answer.json()["entities"]] == ["sip:secret", "sip:mine"]
