"""Replays over the API: of a trunk that a real pipeline judged and a real target remembers."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from access_world import GateFor
from trunkpulse.access import Limits
from trunkpulse.model import IsolationEvidence, IsolationRule
from trunkpulse.probing.doubts import marked
from unit.http.api_world import NOW_MS, World, running

PATH = "/api/v2/telephony/trunks"


async def replayed(
    http: httpx2.AsyncClient, trunk_id: str = "carrier-b", **keepalive: Any
) -> dict[str, Any]:
    answer = await http.post(f"{PATH}/{trunk_id}/replay", json={"keepalive": keepalive})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def outage(world: World, *, failures: int = 4) -> None:
    """carrier-b is well, then silent for a while, then well again; the clock goes as probes do."""
    well(world)
    for number in range(failures):
        world.clock.seconds += 5 if number else 30
        world.fail("carrier-b", times=1)
    world.clock.seconds += 10
    well(world)
    await world.pipeline.recorder.flushed()


def well(world: World) -> None:
    for _ in range(3):
        world.clock.seconds += 5
        world.succeed("carrier-b", times=1)


def states(changes: list[dict[str, Any]]) -> list[str]:
    return [each["state"] for each in changes]


async def test_the_settings_in_force_give_what_really_happened() -> None:
    async with running() as world, world.client() as http:
        await outage(world)
        answer = await replayed(http)
        assert states(answer["recorded"]) == ["AVAILABLE", "DOWN", "AVAILABLE"]
        assert states(answer["present"]) == states(answer["replayed"]) == states(answer["recorded"])
        moments = [(each["at"] - NOW_MS) / 1000 for each in answer["recorded"]]
        found = [(each["at"] - NOW_MS) / 1000 for each in answer["replayed"]]
        assert found == pytest.approx(moments, abs=6)
        assert (answer["changed"], answer["notes"], answer["estimate"]) == ([], [], False)
        assert answer["exactFrom"] == answer["since"]


async def test_a_higher_threshold_would_have_let_the_outage_pass() -> None:
    async with running() as world, world.client() as http:
        await outage(world)
        answer = await replayed(http, maxFailedAttempts=5)
        assert answer["changed"] == ["maxFailedAttempts"]
        assert states(answer["present"]) == ["AVAILABLE", "DOWN", "AVAILABLE"]
        assert states(answer["replayed"]) == ["AVAILABLE"]
        assert "would never have been DOWN, instead of once" in answer["summary"]
        [target] = answer["targets"]
        assert (target["uri"], states(target["replayed"])) == ("sip:[::1]:5063", ["AVAILABLE"])
        assert world.target("carrier-b").settings.policy.max_failed_attempts == 3


async def test_after_a_restart_recorded_changes_say_what_is_no_longer_remembered() -> None:
    async with running() as world, world.client() as http:
        await outage(world, failures=3)
        target = world.target("carrier-b")
        target.attempts = ()
        target.numbers.sails_plainly(target.index, world.clock.wall() + 1)
        world.clock.seconds += 60
        world.succeed("carrier-b", times=1)
        answer = await replayed(http)
        assert states(answer["replayed"]) == states(answer["recorded"])
        assert answer["exactFrom"] > answer["recorded"][-1]["at"] > answer["since"]
        assert any("only the recorded changes" in note for note in answer["notes"])
        strict = await replayed(http, maxFailedAttempts=4, minSuccessfulAttempts=2)
        assert states(strict["replayed"]) == ["AVAILABLE"]


async def test_nothing_before_a_trunk_was_put_in_service_counts() -> None:
    async with running() as world, world.client() as http:
        await outage(world)
        for action in ("disable", "enable"):
            world.clock.seconds += 10
            assert (await http.post(f"{PATH}/carrier-b/{action}")).status_code == 200
        well(world)
        await world.pipeline.recorder.flushed()
        answer = await replayed(http)
        assert states(answer["recorded"]) == states(answer["replayed"]) == ["AVAILABLE"]


async def test_what_was_held_while_the_prober_was_isolated_counts_in_no_replay() -> None:
    async with running() as world, world.client() as http:
        well(world)
        world.pipeline.doubts.evidence = IsolationEvidence(
            rule=IsolationRule.PEERS, since_ms=NOW_MS, problem="nobody answers"
        )
        world.clock.seconds += 30
        world.fail("carrier-b", times=2, detail=marked("no final answer within 4 s"))
        answer = await replayed(http, maxFailedAttempts=1)
        assert states(answer["replayed"]) == ["AVAILABLE"]


@pytest.mark.parametrize(
    ("keepalive", "field", "said"),
    [
        ({"maxFailedAttempts": 0}, "body.keepalive.maxFailedAttempts", "from 1 to 100"),
        ({"max_failed_attempts": 5}, "body.keepalive.max_failed_attempts", "not a known"),
        ({"healthyResponses": ["1xx"]}, "body.keepalive.healthyResponses[0]", ""),
        ({"intervalSeconds": 5}, "body.keepalive.intervalSeconds", "at which nobody looked"),
        ({"timeoutSeconds": 9}, "body.keepalive.timeoutSeconds", "nobody waited for a later one"),
        ({"enabled": False}, "body.keepalive.enabled", "nothing would have been judged"),
    ],
)
async def test_settings_that_cannot_be_replayed_are_a_422_that_says_why(
    keepalive: dict[str, Any], field: str, said: str
) -> None:
    async with running() as world, world.client() as http:
        await outage(world)
        answer = await http.post(f"{PATH}/carrier-b/replay", json={"keepalive": keepalive})
        assert answer.status_code == 422, answer.text
        problem = answer.json()
        assert [each["field"] for each in problem["errors"]] == [field]
        assert said in problem["detail"]
        assert "_seconds" not in problem["detail"]


@pytest.mark.parametrize(
    ("trunk_id", "status"), [("carrier-b", 409), ("unprobed", 409), ("mars", 404)]
)
async def test_without_a_record_there_is_nothing_to_replay(trunk_id: str, status: int) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(f"{PATH}/{trunk_id}/replay", json={"keepalive": {}})
        assert answer.status_code == status
        assert trunk_id in answer.json()["detail"]


async def test_who_is_limited_has_no_replay_of_others_trunks() -> None:
    gate = GateFor()
    gate.limits = Limits(carriers=frozenset({"acme"}))
    async with running(world=World(gate=gate)) as world, world.client() as http:
        world.succeed("carrier-b")
        answer = await http.post(f"{PATH}/carrier-b/replay", json={"keepalive": {}})
        assert answer.status_code == 404


async def test_an_estimate_says_that_it_is_one() -> None:
    async with running() as world, world.client() as http:
        await outage(world)
        answer = await replayed(http, confirmIntervalSeconds=20)
        assert answer["estimate"] is True
        assert answer["notes"][0].startswith("This is an estimate")
