"""The licence over HTTP: who may set it, what it refuses, and that nobody's change is lost."""

from __future__ import annotations

from typing import Any

import pytest

from trunkpulse.access.licence import Entitlement, Grant, Licence
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.problems import Problem
from unit.http.api_world import NOW_MS, World, running

PATH = "/api/v2/license"
ACTIVE = {"status": "active", "until": None}
SUSPENDED = {"status": "suspended", "until": None}


def licence(**other: Any) -> dict[str, Any]:
    return {"talk": ACTIVE, "advancedTelephony": ACTIVE, "eventStreams": ACTIVE, **other}


async def test_an_installation_has_everything_for_ever() -> None:
    async with running() as world, world.client() as http:
        assert (await http.get(PATH)).json() == {**licence(), "changed": None}


async def test_what_is_set_is_shown_and_outlives_the_process() -> None:
    async with running() as world, world.client() as http:
        asked = licence(eventStreams=SUSPENDED, talk={"status": "active", "until": NOW_MS + 5000})
        answer = await http.put(PATH, json=asked)
        assert answer.json() == {**asked, "changed": NOW_MS}
        world.clock.seconds = 5
        assert (await http.get(PATH)).json()["talk"]["status"] == "expired"
        again = World(store=world.store, clock=world.clock)
        await again.licensing.load()
        assert again.licensing.lacking() == {Entitlement.TALK, Entitlement.STREAMS}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({}, "body.talk"),
        ({"talk": ACTIVE, "eventStreams": ACTIVE}, "body.advancedTelephony"),
        (licence(talk={"status": "on"}), "body.talk.status"),
        (licence(talk={"status": "active", "until": -1}), "body.talk.until"),
        (licence(talks=ACTIVE), "body.talks"),
        (licence(talk={"status": "expired"}), "body.talk"),
    ],
)
async def test_what_is_no_licence_is_refused_by_its_member(
    document: dict[str, Any], field: str
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.put(PATH, json=document)
        assert answer.status_code == 422
        assert field in [each["field"] for each in answer.json()["errors"]]
        assert world.licensing.revision == 0


async def test_what_is_shown_may_be_set_again_also_when_a_part_has_expired() -> None:
    async with running() as world, world.client() as http:
        await http.put(PATH, json=licence(talk={"status": "active", "until": NOW_MS + 5000}))
        world.clock.seconds = 5
        shown = (await http.get(PATH)).json()
        answer = await http.put(PATH, json={**shown, "eventStreams": SUSPENDED})
        assert answer.status_code == 200
        assert answer.json()["talk"] == {"status": "expired", "until": NOW_MS + 5000}
        assert answer.json()["eventStreams"] == SUSPENDED
        assert world.licensing.lacking() == {Entitlement.TALK, Entitlement.STREAMS}


async def test_of_two_administrators_who_set_it_one_is_told_to_look_again() -> None:
    async with running() as world, world.client() as http:
        etag = (await http.get(PATH)).headers["etag"]
        first = await http.put(PATH, json=licence(talk=SUSPENDED), headers={"if-match": etag})
        assert first.status_code == 200
        second = await http.put(PATH, json=licence(), headers={"if-match": etag})
        assert second.status_code == 412
        assert not world.licensing.covers(Entitlement.TALK)
        third = await http.put(PATH, json=licence(), headers={"if-match": first.headers["etag"]})
        assert third.status_code == 200


async def test_without_talk_nothing_is_probed_by_hand_and_the_answer_says_why() -> None:
    async with running() as world, world.client() as http:
        await http.put(PATH, json=licence(talk=SUSPENDED))
        await world.roster.license(licensed=False)
        refused = await http.post("/api/v2/telephony/trunks/carrier-a/probe")
        assert refused.status_code == 403
        assert refused.json()["entitlement"] == "talk"
        told = (await http.get("/api/v2/telephony/trunks/carrier-a/explain")).json()
        assert (told["state"], told["reasonCode"]) == ("DOWN", "LICENSE_ISSUE")
        assert "licence" in told["summary"]
        ready = (await http.get("/readyz")).json()
        assert [each for each in ready["remarks"] if "talk is suspended" in each]


async def test_without_event_streams_no_test_event_is_sent() -> None:
    async with running() as world, world.client() as http:
        await http.put(PATH, json=licence(eventStreams=SUSPENDED))
        refused = await http.post("/api/v2/events/streams/noc/test")
        assert refused.status_code == 403
        assert "event-streams, which is suspended" in refused.json()["detail"]


async def test_what_needs_an_entitlement_is_named() -> None:
    async with running() as world:
        members = ["body.advanced.fromUri", "body.advanced.headers"]
        refuse_unlicensed(world.licensing, Entitlement.ADVANCED, members)
        await world.licensing.put(Licence(advanced=Grant(until_ms=NOW_MS)))
        with pytest.raises(Problem) as refused:
            refuse_unlicensed(world.licensing, Entitlement.ADVANCED, members)
        assert refused.value.status == 403
        assert refused.value.detail.startswith(
            "body.advanced.fromUri, body.advanced.headers need the entitlement "
            "advanced-telephony, which is expired"
        )
        assert [each["field"] for each in refused.value.members["errors"]] == members
        with pytest.raises(Problem) as refused:
            refuse_unlicensed(world.licensing, Entitlement.ADVANCED, ["x"] * 1000)
        assert len(refused.value.detail) < 300
