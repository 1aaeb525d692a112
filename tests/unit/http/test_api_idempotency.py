from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

import httpx2
import pytest
from fastapi import Request

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.adapters.http.api.idempotency import LONGEST_BODY_BYTES
from trunkpulse.ports import Document, DocumentKind
from unit.http.api_world import World, running

STREAMS = "/api/v2/events/streams"
ROUTES = "/api/v2/routing/routes"
ROUTE = {"id": "berlin", "numbers": ["+4930"], "trunks": [{"id": "carrier-a"}]}
NOT_REPEATABLE = {
    "/oauth/token",  # RFC 6749: asked again, it gives another token
    "/oauth/revoke",  # safe to repeat by itself
    "/api/v2/session",  # who signs in has not proved anything yet
    "/api/v2/routing/decide",  # changes nothing
    "/api/v2/routing/simulate",  # changes nothing
    "/api/v2/telephony/trunks/{trunk_id}/replay",  # changes nothing
}


def principal(name: str) -> Principal:
    return Principal(
        kind=PrincipalKind.CLIENT, id=name, name=name, permissions=frozenset(Permission)
    )


@dataclass
class NamedGate:
    """Whoever a header says."""

    known: dict[str, Principal] = field(default_factory=dict)

    async def principal(self, request: Request) -> Principal:
        name = request.headers.get("x-who", "a")
        return self.known.get(name) or principal(name)


def keyed(key: str, **more: str) -> dict[str, str]:
    return {"idempotency-key": key, **more}


async def _ids(http: httpx2.AsyncClient) -> set[str]:
    return {each["id"] for each in (await http.get(ROUTES)).json()["entities"]}


async def test_what_was_done_is_not_done_again_and_answered_alike() -> None:
    async with running() as world, world.client() as http:
        first = await http.post(ROUTES, json=ROUTE, headers=keyed("k-1"))
        assert first.status_code == 201
        assert (await http.delete(f"{ROUTES}/berlin")).status_code == 204
        again = await http.post(ROUTES, json=ROUTE, headers=keyed('"k-1"'))
        assert (again.status_code, again.content) == (201, first.content)
        for name in ("location", "etag", "content-type", "x-content-type-options"):
            assert again.headers[name] == first.headers[name]
        assert again.headers["idempotent-replayed"] == "true"
        assert "idempotent-replayed" not in first.headers
        assert "berlin" not in await _ids(http)


async def test_a_mistake_is_answered_alike_too() -> None:
    async with running() as world, world.client() as http:
        body = {**ROUTE, "id": "us"}
        first = await http.post(ROUTES, json=body, headers=keyed("k"))
        assert first.status_code == 409
        again = await http.post(ROUTES, json=body, headers=keyed("k"))
        assert (again.status_code, again.content) == (409, first.content)
        assert again.headers["content-type"] == "application/problem+json"


async def test_a_key_is_not_taken_for_another_request() -> None:
    async with running() as world, world.client() as http:
        assert (await http.post(ROUTES, json=ROUTE, headers=keyed("k"))).status_code == 201
        for path, body in (
            (ROUTES, {**ROUTE, "id": "other"}),
            (f"{STREAMS}/noc/test", None),
        ):
            answer = await http.post(path, json=body, headers=keyed("k"))
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == "header.Idempotency-Key"
        assert "other" not in await _ids(http)


async def test_a_key_belongs_to_who_used_it() -> None:
    async with running(world=World(gate=NamedGate())) as world, world.client() as http:
        one = await http.post(ROUTES, json=ROUTE, headers=keyed("k", **{"x-who": "a"}))
        other = {**ROUTE, "id": "other"}
        two = await http.post(ROUTES, json=other, headers=keyed("k", **{"x-who": "b"}))
        assert (one.status_code, two.status_code) == (201, 201)


async def test_whoever_may_do_it_no_more_is_not_told_what_was_answered() -> None:
    gate = NamedGate()
    async with running(world=World(gate=gate)) as world, world.client() as http:
        assert (await http.post(ROUTES, json=ROUTE, headers=keyed("k"))).status_code == 201
        gate.known["a"] = Principal(
            kind=PrincipalKind.CLIENT, id="a", name="a", permissions=frozenset()
        )
        answer = await http.post(ROUTES, json=ROUTE, headers=keyed("k"))
        assert answer.status_code == 403
        gate.known.clear()
        answer = await http.post(ROUTES, json=ROUTE, headers=keyed("k"))
        assert answer.status_code == 201


async def test_what_failed_here_may_be_sent_again_with_the_same_key() -> None:
    async with running() as world, world.client() as http:
        world.store.plugged = False
        body = {"id": "own", "destination": {"type": "webhook", "url": "https://example.com/"}}
        first = await http.post(STREAMS, json=body, headers=keyed("k"))
        assert first.status_code == 503
        world.store.plugged = True
        again = await http.post(STREAMS, json=body, headers=keyed("k"))
        assert again.status_code == 201


async def test_a_defect_does_not_keep_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    async with running() as world, world.client() as http:
        with monkeypatch.context() as broken:
            broken.setattr("trunkpulse.provisioning.routes.MadeRoutes.create", fails)
            with pytest.raises(ZeroDivisionError):
                await http.post(ROUTES, json=ROUTE, headers=keyed("k"))
        again = await http.post(ROUTES, json=ROUTE, headers=keyed("k"))
        assert again.status_code == 201


async def test_while_the_first_is_under_way_the_second_is_told_to_wait() -> None:
    async with running() as world, world.client() as http:
        async with world.applying:  # nothing can be changed now
            both = [
                asyncio.create_task(http.post(ROUTES, json=ROUTE, headers=keyed("k")))
                for _ in range(2)
            ]
            done, waiting = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        (second,) = [each.result() for each in done]
        (first,) = waiting
        assert second.status_code == 409
        assert second.headers["retry-after"] == "1"
        assert (await first).status_code == 201
        third = await http.post(ROUTES, json=ROUTE, headers=keyed("k"))
        assert third.status_code == 201


async def test_a_hundred_at_once_do_it_once() -> None:
    async with running() as world, world.client() as http:
        answers = await asyncio.gather(
            *(http.post(ROUTES, json=ROUTE, headers=keyed("k")) for _ in range(100))
        )
        statuses = [each.status_code for each in answers]
        assert set(statuses) <= {201, 409}
        done = [each for each in answers if each.status_code == 201]
        assert len([each for each in done if "idempotent-replayed" not in each.headers]) == 1


async def test_a_secret_that_is_shown_once_is_not_to_be_read_in_the_database() -> None:
    async with running() as world, world.client() as http:
        body = {"name": "dashboard", "scopes": ["telephony.trunks.read"]}
        first = await http.post("/api/v2/oauth/clients", json=body, headers=keyed("k"))
        assert first.status_code == 201
        secret = first.json()["clientSecret"]
        again = await http.post("/api/v2/oauth/clients", json=body, headers=keyed("k"))
        assert again.json()["clientSecret"] == secret
        (document,) = await world.store.load_documents(DocumentKind.IDEMPOTENT_ANSWER)
        assert isinstance(document, Document)
        assert secret not in json.dumps([dict(document.definition), dict(document.secrets)])


async def test_of_a_very_long_answer_it_is_known_that_it_was_given() -> None:
    numbers = [f"+49{number:07}" for number in range(LONGEST_BODY_BYTES // 12)]
    body = {**ROUTE, "numbers": numbers}
    async with running() as world, world.client() as http:
        first = await http.post(ROUTES, json=body, headers=keyed("k"))
        assert first.status_code == 201
        assert len(first.content) > LONGEST_BODY_BYTES
        again = await http.post(ROUTES, json=body, headers=keyed("k"))
        assert again.status_code == 409
        assert "has been done already" in again.json()["detail"]


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "\x01", "ä"])
async def test_a_key_that_is_none_is_named(key: str) -> None:
    async with running() as world, world.client() as http:
        headers = {b"idempotency-key": key.encode("latin-1")}
        answer = await http.post(ROUTES, json=ROUTE, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "header.Idempotency-Key"
        assert "berlin" not in await _ids(http)


async def test_without_a_key_nothing_is_kept() -> None:
    async with running() as world, world.client() as http:
        assert (await http.post(ROUTES, json=ROUTE)).status_code == 201
        assert (await http.post(ROUTES, json=ROUTE)).status_code == 409
        assert await world.store.load_documents(DocumentKind.IDEMPOTENT_ANSWER) == []


async def test_every_route_that_creates_or_acts_takes_a_key() -> None:
    async with running() as world, world.client() as http:
        paths = (await http.get("/api/v2/openapi.json")).json()["paths"]
    posts = {path: item["post"] for path, item in paths.items() if "post" in item}
    takes_one = {
        path
        for path, operation in posts.items()
        if "Idempotency-Key" in {each["name"] for each in operation.get("parameters", ())}
    }
    assert len(takes_one) > 15
    assert posts.keys() - takes_one == NOT_REPEATABLE
    for path in takes_one:  # who has proved nothing has no keys
        assert posts[path]["security"], path
