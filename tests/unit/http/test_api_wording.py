"""A request that is refused is told what is wrong, where, and what would be right."""

from __future__ import annotations

import re
from typing import Any

import httpx2
import pytest

from trunkpulse.adapters.http.api.wording import complaint
from unit.http.api_world import running

TRUNKS = "/api/v2/telephony/trunks"
DECIDE = "/api/v2/routing/decide"
IDS = {"trunk_id": "carrier-a", "stream_id": "noc", "route_id": "us"}
JSON = {"content-type": "application/json"}


def refusal(answer: httpx2.Response) -> Any:
    """The problem, whose errors say nothing else than its detail does."""
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    for error in problem["errors"]:
        assert error["detail"].removesuffix(".") in problem["detail"]
    return problem


FOR_MACHINERY = ("/healthz", "/readyz", "/metrics", "/api/v2/instances")


@pytest.mark.parametrize("path", FOR_MACHINERY)
async def test_a_balancer_may_add_parameters_of_its_own(path: str) -> None:
    async with running() as world, world.client() as http:
        assert (await http.get(f"{path}?t=1")).status_code == 200


@pytest.mark.parametrize(
    ("path", "query", "stranger", "takes"),
    [
        (
            TRUNKS,
            "status=DOWN",
            "status",
            "state, carrier, region, direction, q, sort, limit and cursor",
        ),
        (f"{TRUNKS}/carrier-a/history", "limit=3&after=1", "after", "limit and cursor"),
        (
            "/api/v2/events/live",
            "trunkid=carrier-a",
            "trunkid",
            "after, trunkId, eventType, carrier, region, state and reasonCode",
        ),
        ("/api/v2/events/streams/noc", "limit=1", "limit", "none"),
    ],
)
async def test_a_parameter_that_does_not_exist_is_refused(
    path: str, query: str, stranger: str, takes: str
) -> None:
    async with running() as world, world.client() as http:
        world.feed.close()  # a live feed that is answered by mistake ends, too
        problem = refusal(await http.get(f"{path}?{query}"))
        assert problem["detail"].startswith(f"query.{stranger} is not a parameter of /")
        assert problem["detail"].endswith(f"; it takes {takes}.")
        assert [error["field"] for error in problem["errors"]] == [f"query.{stranger}"]


async def test_every_endpoint_refuses_what_it_does_not_know_before_it_acts() -> None:
    async with running() as world, world.client() as http:
        world.feed.close()  # a live feed that is answered by mistake ends, too
        paths = (await http.get("/api/v2/openapi.json")).json()["paths"]
        for path, operations in paths.items():
            if path in FOR_MACHINERY:
                continue
            for method in operations:
                place = re.sub(r"{(\w+)}", lambda name: IDS.get(name[1], "1"), path)
                url = f"{place}?no=1"
                body = {"to": "+15551230001"} if path == DECIDE else None
                problem = refusal(await http.request(method.upper(), url, json=body))
                assert [error["field"] for error in problem["errors"]] == ["query.no"], url
        assert world.roster.record("carrier-a").admin_enabled


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ('{"to":', "The body is not JSON: line 1, column 7."),
        ('{\n "to": "+1",\n  oops}', "The body is not JSON: line 3, column 3."),
        ("", "The body must be a JSON object."),
        ("[1]", "The body must be a JSON object."),
        ("{}", "body.to is missing."),
        ('{"to": 3}', "body.to must be a string."),
        (f'{{"to": "{"1" * 300}"}}', "body.to must have at most 256 characters."),
        (
            '{"to": "+1", "direction": "up"}',
            "body.direction must be 'inbound', 'outbound' or 'both'.",
        ),
        (
            '{"to": "+1", "colour": 1}',
            "body.colour is not known here; /docs lists the members there are.",
        ),
        ('{"from": 1}', "body.to is missing; body.from must be a string."),
    ],
)
async def test_a_body_that_is_wrong_is_told_how(body: str, says: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(DECIDE, content=body, headers=JSON)
        assert refusal(answer)["detail"] == says


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ("many", "query.limit must be a whole number."),
        ("0", "query.limit must be at least 1."),
        ("1001", "query.limit must be at most 1000."),
    ],
)
async def test_a_limit_that_is_wrong_is_told_its_bounds(limit: str, says: str) -> None:
    async with running() as world, world.client() as http:
        assert refusal(await http.get(f"{TRUNKS}?limit={limit}"))["detail"] == says


async def test_a_text_of_another_form_is_told_the_form() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post("/api/v2/users", json={"name": "bob", "roles": ["a b"]})
        assert refusal(answer)["detail"].startswith("body.roles.0 must be of the form ^[A-Za-z")


async def test_a_very_long_name_is_not_repeated_in_full() -> None:
    async with running() as world, world.client() as http:
        assert len((await http.get(f"{TRUNKS}?{'x' * 5000}=1")).text) < 2000


def test_a_mistake_without_words_of_ours_keeps_the_validators() -> None:
    error = {"type": "new_kind", "loc": ("query", "limit"), "msg": "Input should be odd"}
    assert complaint(error, None) == "query.limit is not valid: Input should be odd"
