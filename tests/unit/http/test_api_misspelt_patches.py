"""A merge patch passes over a null for what is not there; a misspelt name must not pass with it."""

from __future__ import annotations

import pytest

from unit.http.api_world import running

TRUNKS = "/api/v2/telephony/trunks"
ROUTES = "/api/v2/routing/routes"
STREAMS = "/api/v2/events/streams"
SETTINGS = "/api/v2/telephony/settings"


@pytest.mark.parametrize(
    ("patch", "field", "meant"),
    [
        ({"minAvailableTarget": None}, "minAvailableTarget", "minAvailableTargets"),
        ({"keepalive": {"jiter": None}}, "keepalive.jiter", "jitter"),
        ({"min_available_targets": None}, "min_available_targets", "minAvailableTargets"),
    ],
)
async def test_what_is_taken_away_of_a_trunk_must_exist(
    patch: dict[str, object], field: str, meant: str
) -> None:
    async with running() as world, world.client() as http:
        document = {"id": "carrier-c", "targets": ["sip:192.0.2.9"]}
        assert (await http.post(TRUNKS, json=document)).status_code == 201
        answer = await http.patch(f"{TRUNKS}/carrier-c", json=patch)
        assert answer.status_code == 422, answer.text
        [error] = answer.json()["errors"]
        assert error["field"] == f"body.{field}"
        assert f"did you mean {meant}?" in error["detail"]


async def test_what_is_taken_away_of_a_route_must_exist_and_what_answers_show_may_come_back() -> (
    None
):
    async with running() as world, world.client() as http:
        document = {"id": "away", "numbers": ["+49"], "trunks": [{"id": "carrier-a"}]}
        assert (await http.post(ROUTES, json=document)).status_code == 201
        answer = await http.patch(f"{ROUTES}/away", json={"tims": None})
        assert answer.status_code == 422
        assert "did you mean times?" in answer.json()["errors"][0]["detail"]
        taken = await http.patch(f"{ROUTES}/away", json={"times": None, "managedBy": None})
        assert taken.status_code == 200, taken.text


async def test_what_is_taken_away_of_a_stream_must_exist_but_headers_may_have_any_name() -> None:
    async with running() as world, world.client() as http:
        document = {
            "id": "noc-2",
            "name": "Night shift",
            "destination": {
                "type": "webhook",
                "url": "https://noc.example.com/hook",
                "headers": {"X-A": "1"},
            },
        }
        assert (await http.post(STREAMS, json=document)).status_code == 201
        for patch in ({"stats": None}, {"destination": {"secrt": None}}):
            assert (await http.patch(f"{STREAMS}/noc-2", json=patch)).status_code == 422
        named = {"destination": {"headers": {"X-B": None}}, "trouble": None}
        assert (await http.patch(f"{STREAMS}/noc-2", json=named)).status_code == 200


async def test_settings_that_name_nothing_are_refused_even_as_null() -> None:
    async with running() as world, world.client() as http:
        answer = await http.put(SETTINGS, json={"keepalive": {"jiter": None}})
        assert answer.status_code == 422
        assert "keepalive.jiter" in answer.json()["errors"][0]["field"]
