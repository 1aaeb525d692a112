"""Advice that is accepted for good: hidden wherever it would be given, kept, and taken back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from trunkpulse.config.advice.accepting import MOST_ACCEPTED
from trunkpulse.config.advice.codes import CODES
from unit.http.api_world import FILE, NOW_MS, World, running

ADVICE = "/api/v2/advice"
TRUNKS = "/api/v2/telephony/trunks"
SHORT = "interval_short [keepalive]"
"""What the configuration of the world is advised on."""


async def ids(http: httpx2.AsyncClient, **query: str) -> list[str]:
    return [each["id"] for each in (await http.get(ADVICE, params=query)).json()["entities"]]


async def accept(http: httpx2.AsyncClient, advice_id: str, status: int = 200) -> Any:
    answer = await http.post(f"{ADVICE}/accept", json={"id": advice_id})
    assert answer.status_code == status, answer.text
    return answer.json()


async def accepted(http: httpx2.AsyncClient) -> list[dict[str, Any]]:
    entities: list[dict[str, Any]] = (await http.get(f"{ADVICE}/accepted")).json()["entities"]
    return entities


@pytest.mark.parametrize("name", [SHORT, "interval_short"])
async def test_what_is_accepted_is_given_no_more_until_it_is_taken_back(name: str) -> None:
    async with running() as world, world.client() as http:
        assert await accept(http, name) == {
            "id": name,
            "acceptedAt": NOW_MS,
            "managedBy": None,
            "hides": 1,
        }
        assert await ids(http) == []
        [hidden] = (await http.get(ADVICE, params={"accepted": "true"})).json()["entities"]
        assert (hidden["id"], hidden["accepted"]) == (SHORT, True)
        taken_back = await http.post(f"{ADVICE}/unaccept", json={"id": name})
        assert (taken_back.status_code, taken_back.json()["id"]) == (200, name)
        assert await ids(http) == [SHORT]
        assert await accepted(http) == []


async def test_accepting_twice_changes_nothing_and_taking_back_twice_is_refused() -> None:
    async with running() as world, world.client() as http:
        first = await accept(http, SHORT)
        world.clock.seconds += 60
        assert await accept(http, SHORT) == first
        assert await accepted(http) == [first]
        for status in (200, 409):
            answer = await http.post(f"{ADVICE}/unaccept", json={"id": SHORT})
            assert answer.status_code == status


async def test_what_is_accepted_is_kept_over_a_restart() -> None:
    async with running() as world, world.client() as http:
        await accept(http, 'keepalive_disabled trunk "unprobed"')
        async with running(world=World(store=world.store)) as again, again.client() as later:
            [kept] = await accepted(later)
            assert (kept["id"], kept["hides"]) == ('keepalive_disabled trunk "unprobed"', 0)


async def test_what_the_file_accepts_is_hidden_and_the_files_own() -> None:
    async with running() as world, world.client() as http:
        await accept(http, SHORT)
        world.config = replace(world.config, accepted_advice=(SHORT,))
        [shown] = await accepted(http)
        assert (shown["managedBy"], shown["acceptedAt"], shown["hides"]) == (FILE, None, 1)
        assert await ids(http) == []
        refused = await http.post(f"{ADVICE}/unaccept", json={"id": SHORT})
        assert refused.status_code == 409
        assert f"is accepted in {FILE}" in refused.json()["detail"]
        world.config = replace(world.config, accepted_advice=())
        assert [each["managedBy"] for each in await accepted(http)] == [None]


async def test_a_code_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    async with running() as world, world.client() as http:
        answer = await accept(http, "interval_shrt", 422)
        assert answer["errors"][0]["field"] == "body.id"
        assert '(did you mean "interval_short"?)' in answer["detail"]
        assert all(code in answer["detail"] for code in CODES)


async def test_so_many_are_accepted_at_most() -> None:
    async with running() as world, world.client() as http:
        for number in range(MOST_ACCEPTED):
            await world.accepted.accept(f'interval_short trunk "t{number}"')
        answer = await accept(http, SHORT, 409)
        assert "1,000 pieces of advice are accepted" in answer["detail"]
        assert len(await ids(http)) == 1


async def test_what_is_saved_comes_back_without_accepted_advice() -> None:
    document = {
        "id": "fast",
        "targets": ["sip:192.0.2.1:5060"],
        "keepalive": {"intervalSeconds": 5, "maxFailedAttempts": 1},
    }
    async with running() as world, world.client() as http:
        await accept(http, 'interval_short trunk "fast"')
        saved = (await http.post(TRUNKS, json=document)).json()
        [advice] = saved["advice"]
        assert advice["id"] == 'single_failure trunk "fast"'
        assert advice["detail"] == f"{advice['why']}; {advice['fix']}."
        assert advice["why"].startswith("maxFailedAttempts is 1")


async def test_a_database_that_is_away_accepts_nothing() -> None:
    async with running() as world, world.client() as http:
        world.store.plugged = False
        refused = await http.post(f"{ADVICE}/accept", json={"id": SHORT})
        assert refused.status_code == 503
        assert await ids(http) == [SHORT]
        world.store.plugged = True
        await accept(http, SHORT)
        assert await ids(http) == []


async def test_accepting_is_in_the_audit_with_what_was_accepted() -> None:
    async with running() as world, world.client() as http:
        await accept(http, SHORT)
        await http.post(f"{ADVICE}/unaccept", json={"id": SHORT})
        entries = (await http.get("/api/v2/audit")).json()["entities"]
        acts = [each["action"] for each in entries]
        assert {"accept_advice", "unaccept_advice"} <= set(acts)
