"""Whoever has not proved who they are: nothing is decoded for them, and there is an end to it."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from dataclasses import replace

import httpx2
import pytest
from fastapi import APIRouter
from starlette.types import Message

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.adapters.http.api.admission import only_if_declared, public
from trunkpulse.adapters.http.api.bounds import (
    BODY_LIMIT_BYTES,
    ROUTE_LIMIT_BYTES,
    STRANGERS_LIMIT_BYTES,
)
from trunkpulse.adapters.http.api.intricacy import DEEPEST, MOST_BRACKETS, intricacy_of
from trunkpulse.adapters.http.api.problems import MOST_ERRORS
from trunkpulse.config.settings import ApiSettings
from unit.http.api_world import World, running

SESSION = "/api/v2/session"
TRUNKS = "/api/v2/telephony/trunks"
ROUTES = "/api/v2/routing/routes"
JSON = {"content-type": "application/json"}


def strict(burst: int = 30) -> World:
    """The real gate, and three requests for an address without a name."""
    world = World(gate=None)
    api = ApiSettings(requests_per_second=10.0, burst=burst)
    world.config = replace(world.config, api=api)
    return world


@pytest.mark.parametrize("path", [TRUNKS, f"{TRUNKS}/import", "/api/v2/users", ROUTES])
async def test_of_a_stranger_no_byte_of_a_body_is_read(path: str) -> None:
    read: list[int] = []

    async def body() -> AsyncGenerator[bytes]:
        for _ in range(3):
            read.append(1)
            yield b"{bad"

    async with running(world=World(gate=None)) as world:
        sent = body()

        async def receive() -> Message:
            return {"type": "http.request", "body": await anext(sent), "more_body": True}

        answers: list[int] = []

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                answers.append(message["status"])

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1:8080"),
                (b"content-type", b"application/json"),
                (b"transfer-encoding", b"chunked"),
            ],
            "client": ("127.0.0.1", 4711),
            "server": ("127.0.0.1", 8080),
        }
        await world.app(scope, receive, send)
        await sent.aclose()
    assert answers == [401]
    assert read == []


async def test_nothing_wrong_with_a_request_is_told_to_a_stranger() -> None:
    async with running(world=World(gate=None)) as world, world.client() as http:
        for path in (TRUNKS, f"{TRUNKS}?nonsense=1", f"{TRUNKS}?dryRun=perhaps"):
            answer = await http.post(path, content=b"{bad", headers=JSON)
            assert answer.status_code == 401


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", SESSION),
        ("POST", TRUNKS),
        ("POST", "/api/v2/nothing"),
        ("GET", "/api/v2/nothing"),
        ("DELETE", "/api/v2/events/catalogue"),
        ("GET", "/api/v2/openapi.json"),
    ],
)
@pytest.mark.parametrize("token", [{}, bearer("made-up")])
async def test_whatever_a_stranger_asks_for_there_is_an_end_to_it(
    method: str, path: str, token: dict[str, str]
) -> None:
    async with running(world=strict()) as world, world.client() as http:
        content = b"{bad" if method == "POST" else None
        for _ in range(3):
            answer = await http.request(method, path, content=content, headers=JSON | token)
            assert answer.status_code != 429
        answer = await http.request(method, path, content=content, headers=JSON | token)
        assert answer.status_code == 429
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit"] == '"address";r=0;t=3'
        assert answer.headers["content-type"] == "application/problem+json"


async def test_whoever_proves_who_they_are_is_let_in_where_strangers_have_used_up_theirs() -> None:
    async with running(world=strict()) as world, world.client() as http:
        for _ in range(10):
            await http.post(SESSION, content=b"{bad", headers=JSON)
        assert (await http.get(TRUNKS, headers=bearer(MACHINE_TOKEN))).status_code == 200


async def test_a_route_that_is_not_admitted_first_admits_nobody() -> None:
    router = APIRouter()  # without the class of routes that look who asks

    @router.post("/api/v2/late", dependencies=[public()])
    async def late(given: dict[str, str]) -> str:
        return "anything"

    async with running(world=World(gate=None)) as world, world.client() as http:
        world.app.include_router(router, dependencies=[only_if_declared()])
        answer = await http.post("/api/v2/late", json={}, headers=bearer(MACHINE_TOKEN))
        assert answer.status_code == 403


# --- bounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "limit", "said"),
    [
        (SESSION, STRANGERS_LIMIT_BYTES, "32 KiB"),
        ("/oauth/token", STRANGERS_LIMIT_BYTES, "32 KiB"),
        ("/oauth/revoke", STRANGERS_LIMIT_BYTES, "32 KiB"),
        (TRUNKS, BODY_LIMIT_BYTES, "256 KiB"),
        (ROUTES, ROUTE_LIMIT_BYTES, "512 KiB"),
        (f"{ROUTES}/us", ROUTE_LIMIT_BYTES, "512 KiB"),
        (f"{TRUNKS}/import", 64 << 20, "64 MiB"),
    ],
)
async def test_each_address_takes_as_much_as_it_needs(path: str, limit: int, said: str) -> None:
    kind = (
        "application/x-www-form-urlencoded" if path.startswith("/oauth") else JSON["content-type"]
    )
    async with running() as world, world.client() as http:
        headers = {"content-type": kind, "content-length": str(limit + 1)}
        answer = await http.post(path, content=b"{}", headers=headers)
        assert answer.status_code == 413
        assert answer.json()["detail"].endswith(f"send at most {said}.")
        headers["content-length"] = str(limit)
        assert (await http.post(path, content=b"{}", headers=headers)).status_code != 413


@pytest.mark.parametrize(
    "content",
    [
        b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1),
        b'{"a":' * 900 + b"1" + b"}" * 900,
        b"[" + b",".join([b"[]"] * MOST_BRACKETS) + b"]",
        b"[" * 5000,
        '{"name":"anna","password":"[[["}'.encode("utf-16"),
    ],
)
async def test_what_is_too_much_work_to_decode_is_not_decoded(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(_: bytes | str) -> None:
        raise AssertionError("it was decoded")

    async with running() as world, world.client() as http:
        monkeypatch.setattr("starlette.requests.json.loads", decode)
        answer = await http.post(SESSION, content=content, headers=JSON)
    assert answer.status_code == 400
    assert "which nothing here needs" in answer.text


@pytest.mark.parametrize(
    "document",
    [
        [[[]] * 100, [{"a": [{}]}] * 100],
        {"text": "[" * 2000 + '"' + "\\" + "{" * 2000},
        {f"k{n}": {"a\\": ['"', "]", "}"]} for n in range(1000)},
    ],
)
def test_what_is_large_and_plain_is_decoded(document: object) -> None:
    assert intricacy_of(json.dumps(document).encode()) is None


async def test_of_thousands_of_mistakes_the_first_are_told() -> None:
    many = {f"n{number}": 1 for number in range(1500)}
    async with running() as world, world.client() as http:
        answer = await http.post(SESSION, json=many)
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == MOST_ERRORS
        inner = {f"n{number}": 1 for number in range(20_000)}
        made = {"id": "a", "targets": ["sip:127.0.0.1:5071"], "keepalive": inner}
        answer = await http.post(TRUNKS, json=made)
        assert answer.status_code == 422
        assert 1 <= len(answer.json()["errors"]) <= MOST_ERRORS


async def test_the_longest_route_fits() -> None:
    numbers = [f"+49{30_000_000_000 + n}-+49{30_000_000_000 + n}" for n in range(10_000)]
    route = {"id": "all", "numbers": numbers, "trunks": [{"id": "carrier-a"}]}
    assert len(json.dumps(route)) < ROUTE_LIMIT_BYTES
    async with running() as world, world.client() as http:
        answer: httpx2.Response = await http.post(ROUTES, json=route)
        assert answer.status_code == 201
