from __future__ import annotations

import json

import pytest

from trunkpulse.cli.output import clock_time
from unit.cli.api_service import Service, service

EXPLAIN = ("trunks", "explain", "carrier-b")


async def outage(there: Service) -> None:
    world = there.world
    for step, well in ((0, True), (5, True), (35, False), (40, False), (45, False), (60, True)):
        world.clock.seconds = step
        (world.succeed if well else world.fail)("carrier-b", times=1)
    await world.pipeline.recorder.flushed()


async def test_a_replay_stands_beside_what_really_happened() -> None:
    async with service() as there:
        await outage(there)
        changes = ("--replay", "max_failed_attempts=5", "--replay", "healthy_responses=2xx, 404")
        out = await there.said(*EXPLAIN, *changes)
        raw = json.loads(await there.said(*EXPLAIN, *changes, "--json"))
    summary, replayed, record, _, heading, *rows = out.splitlines()
    assert summary == raw["summary"]
    assert replayed == "replayed  maxFailedAttempts 5, healthyResponses 2xx,404"
    assert record.startswith(f"record    from {clock_time(raw['since'])} to ")
    assert heading.split() == ["WHEN", "RECORDED", "IN", "FORCE", "REPLAYED"]
    up, down = (clock_time(each["at"]).split() for each in raw["present"])
    assert [row.split() for row in rows] == [[*up, *["AVAILABLE"] * 3], [*down, "DOWN", "DOWN"]]
    assert [each["state"] for each in raw["replayed"]] == ["AVAILABLE"]


async def test_only_what_happened_at_one_moment_stands_in_one_row() -> None:
    async with service() as there:
        await outage(there)
        out = await there.said(*EXPLAIN, "--replay", "max_failed_attempts=2")
        raw = json.loads(await there.said(*EXPLAIN, "--replay", "max_failed_attempts=2", "--json"))
    sooner, later = (clock_time(raw[each][1]["at"]).split() for each in ("replayed", "present"))
    assert sooner < later
    rows = [row.split() for row in out.splitlines()[-2:]]
    assert rows == [[*sooner, "DOWN"], [*later, "DOWN", "DOWN"]]


async def test_a_trunk_of_several_targets_has_a_table_for_each() -> None:
    async with service() as there:
        world = there.world
        for step in (0, 5):
            world.clock.seconds = step
            world.succeed("carrier-a", times=1)
            world.fail("carrier-a", place=1, times=2)
        out = await there.said("trunks", "explain", "carrier-a", "--replay", "jitter=0.1")
    assert "note      jitter has no say in a replay.\n" in out
    assert "\nsip:127.0.0.1:5061 (" in out
    assert "\nsip:127.0.0.1:5062 (" in out


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("max_failed_attempts", "--replay"),
        ("max_failed_attempts=0", "from 1 to 100"),
        ("colour=red", "colour"),
        ("interval_seconds=1", "at which nobody looked"),
        ("timeout_seconds=NaN", "a number of seconds"),
        ("timeout_seconds=-Infinity", "a number of seconds"),
        ("interval_seconds=1e999", "a number of seconds"),
        ("interval_seconds=[1e999]", "a number of seconds"),
        ('jitter="\\ud800"', "jitter"),
        ("jitter=\udcff", "not UTF-8"),
    ],
)
async def test_what_cannot_be_replayed_is_refused_in_a_sentence(setting: str, said: str) -> None:
    async with service() as there:
        await outage(there)
        outcome = await there.command(*EXPLAIN, "--replay", setting)
    assert outcome.code == 2
    assert said in outcome.complaint
