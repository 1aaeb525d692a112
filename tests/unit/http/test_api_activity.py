"""Calls that a PBX reports over the API, and what is shown of them."""

from __future__ import annotations

import pytest

from unit.http.api_world import NOW_MS, running

PATH = "/api/v2/telephony/trunks/{}/activity"
SINGLE, DOUBLE = PATH.format("carrier-b"), PATH.format("carrier-a")


async def test_what_is_reported_is_shown_until_it_expires() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        answer = await http.put(SINGLE, json={"activeCalls": 12})
        assert answer.status_code == 200
        said = answer.json()
        assert said == {
            "activeCalls": 12,
            "seenCalls": 0,
            "reportedCalls": 12,
            "reportedUntil": NOW_MS + 30_000,
            "lastProof": NOW_MS,
            "lastProofCounts": True,
            "keepalivesPaused": True,
        }
        assert (await http.get(SINGLE)).json() == said
        shown = (await http.get("/api/v2/telephony/trunks/carrier-b")).json()
        assert shown["activity"] == said
        assert shown["keepalive"]["pauseOnActiveCalls"] is True
        world.clock.seconds += 12
        told = (await http.get("/api/v2/telephony/trunks/carrier-b/explain")).json()
        assert "Keepalives pause while 12 calls are up (last proof 12 s ago)." in told["next"]
        world.clock.seconds += 18
        gone = (await http.get(SINGLE)).json()
        assert (gone["activeCalls"], gone["reportedCalls"]) == (0, None)
        assert (gone["keepalivesPaused"], gone["reportedUntil"]) == (False, None)
        assert (gone["lastProof"], gone["lastProofCounts"]) == (NOW_MS, False)
        told = (await http.get("/api/v2/telephony/trunks/carrier-b/explain")).json()
        assert "pause" not in told["next"]


async def test_zero_takes_it_back_and_seconds_may_be_said() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        answer = await http.put(SINGLE, json={"activeCalls": 1, "expiresSeconds": 90})
        assert answer.json()["reportedUntil"] == NOW_MS + 90_000
        answer = await http.put(SINGLE, json={"activeCalls": 0})
        assert (answer.json()["activeCalls"], answer.json()["reportedCalls"]) == (0, None)


async def test_of_a_trunk_with_two_targets_no_keepalive_pauses_for_a_report() -> None:
    async with running() as world, world.client() as http:
        for place in (0, 1):
            world.succeed("carrier-a", place=place)
        said = (await http.put(DOUBLE, json={"activeCalls": 3})).json()
        assert (said["activeCalls"], said["keepalivesPaused"], said["lastProof"]) == (
            3,
            False,
            None,
        )


async def test_it_is_not_in_the_audit_and_takes_the_permission_to_edit() -> None:
    async with running() as world, world.client() as http:
        assert (await http.put(SINGLE, json={"activeCalls": 3})).status_code == 200
        assert (await http.put(PATH.format("nobody"), json={"activeCalls": 3})).status_code == 404
        await world.access.ledger.close()
        assert await world.store.read_audit(limit=10) == []


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "activeCalls"),
        ({"activeCalls": -1}, "activeCalls"),
        ({"activeCalls": 1_000_001}, "activeCalls"),
        ({"activeCalls": 1, "expiresSeconds": 3601}, "expiresSeconds"),
        ({"activeCalls": 1, "expiresSeconds": 0}, "expiresSeconds"),
        ({"activeCalls": 1, "calls": 1}, "calls"),
    ],
)
async def test_what_is_wrong_is_named(body: dict[str, object], field: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.put(SINGLE, json=body)
        assert answer.status_code == 422
        assert field in answer.json()["errors"][0]["field"]
        assert world.live_calls.counts.reports == 0


async def test_evidence_is_in_the_metrics_of_live_calls() -> None:
    async with running() as world, world.client() as http:
        await http.put(SINGLE, json={"activeCalls": 3})
        assert world.live_calls.counts.reports == 1
