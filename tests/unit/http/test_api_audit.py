"""The audit over HTTP: every act and every refusal is in it, with who, what and from where."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import httpx2
import pytest
from fastapi import Request

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.access.audit import verify
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.ports import AuditEntry, StoreUnavailable
from unit.http.api_parts import SwitchedStore
from unit.http.api_world import World, running

ANN = Principal(kind=PrincipalKind.USER, id="u-ann", name="Ann", permissions=frozenset(Permission))
BOB = Principal(
    kind=PrincipalKind.CLIENT,
    id="c-bob",
    name="bob's script",
    permissions=frozenset({Permission.TRUNK_VIEW, Permission.ROUTE_VIEW}),
)
EVERYBODY = {"ann": ANN, "bob": BOB}
AS_ANN = {"authorization": "Bearer ann"}
AS_BOB = {"authorization": "Bearer bob"}
STREAM: dict[str, Any] = {
    "id": "acme",
    "destination": {
        "type": "webhook",
        "url": "https://example.com/hook",
        "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
    },
}


class KnownGate:
    """Knows two, by their tokens."""

    async def principal(self, request: Request) -> Principal:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in EVERYBODY:
            raise Problem(HTTPStatus.UNAUTHORIZED, "Say who you are.")
        return EVERYBODY[token]


class FragileAudit(SwitchedStore):
    """The audit alone can be away."""

    def __init__(self) -> None:
        super().__init__()
        self.audit_away = False

    async def add_audit_entries(self, entries: list[AuditEntry]) -> None:
        if self.audit_away:
            raise StoreUnavailable("the plug is pulled")
        await super().add_audit_entries(entries)


@asynccontextmanager
async def api() -> AsyncIterator[tuple[World, httpx2.AsyncClient]]:
    world = World(gate=KnownGate(), store=FragileAudit())
    async with running(world=world), world.client() as http:
        yield world, http


async def records(world: World) -> list[dict[str, Any]]:
    entries = await world.store.read_audit(limit=100_000)
    assert verify(entries) is None
    return [json.loads(each.record) for each in entries]


async def flushed(world: World) -> list[dict[str, Any]]:
    """With the refusals, which nobody waits for."""
    await world.access.ledger.close()
    return await records(world)


async def test_an_act_is_recorded_before_its_answer_goes_out() -> None:
    async with api() as (world, http):
        answer = await http.post("/api/v2/telephony/trunks/carrier-a/disable", headers=AS_ANN)
        assert answer.status_code == 200
        [record] = await records(world)
        assert record["actor"] == {"kind": "user", "id": "u-ann", "name": "Ann", "claimed": None}
        assert record["action"] == "disable_trunk"
        assert record["object"] == {"kind": "trunk", "id": "carrier-a"}
        assert record["address"] == "127.0.0.1"
        assert (record["outcome"], record["status"]) == ("done", 200)
        [change] = record["changes"]
        assert change["before"]["enabled"] is True
        assert change["after"]["enabled"] is False


async def test_a_stream_is_recorded_from_its_making_to_its_end_without_its_secret() -> None:
    async with api() as (world, http):
        await http.post("/api/v2/events/streams", json=STREAM, headers=AS_ANN)
        patch = {"states": ["DOWN"]}
        await http.patch("/api/v2/events/streams/acme", json=patch, headers=AS_ANN)
        await http.post("/api/v2/events/streams/acme/pause", headers=AS_ANN)
        await http.delete("/api/v2/events/streams/acme", headers=AS_ANN)
        made, changed, paused, deleted = await records(world)
        assert made["changes"][0]["before"] is None
        assert made["changes"][0]["after"]["id"] == "acme"
        assert changed["changes"][0]["before"]["states"] == []
        assert changed["changes"][0]["after"]["states"] == ["DOWN"]
        assert paused["changes"][0]["after"]["paused"] is True
        assert deleted["changes"][0]["after"] is None
        assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in json.dumps(await records(world))


async def test_what_only_asks_is_no_act_but_its_refusal_is_recorded() -> None:
    async with api() as (world, http):
        call = {"to": "+15551230001"}
        assert (await http.get("/api/v2/telephony/trunks", headers=AS_BOB)).status_code == 200
        decided = await http.post("/api/v2/routing/decide", json=call, headers=AS_BOB)
        assert decided.status_code == 200
        assert await flushed(world) == []
        assert (await http.post("/api/v2/routing/decide", json=call)).status_code == 401
        [record] = await flushed(world)
        assert (record["actor"]["kind"], record["outcome"]) == ("nobody", "refused")


async def test_whoever_lacks_the_permission_is_recorded_with_what_they_tried() -> None:
    async with api() as (world, http):
        path = "/api/v2/telephony/trunks/carrier-a/disable"
        assert (await http.post(path, headers=AS_BOB)).status_code == 403
        assert (await http.get("/api/v2/audit", headers=AS_BOB)).status_code == 403
        acted, read = await flushed(world)
        assert acted["actor"]["id"] == "c-bob"
        assert (acted["action"], acted["outcome"], acted["status"]) == (
            "disable_trunk",
            "refused",
            403,
        )
        assert acted["object"] == {"kind": "trunk", "id": "carrier-a"}
        assert read["action"] == "list_audit"


async def test_what_was_wrong_is_recorded_as_failed_and_changed_nothing() -> None:
    async with api() as (world, http):
        await http.post("/api/v2/telephony/trunks/nowhere/disable", headers=AS_ANN)
        await http.post("/api/v2/events/streams", json={"id": "?"}, headers=AS_ANN)
        missing, invalid = await records(world)
        assert (missing["outcome"], missing["status"]) == ("failed", 404)
        assert (invalid["outcome"], invalid["status"]) == ("failed", 422)
        assert "changes" not in missing


async def test_nothing_that_a_stranger_sends_breaks_a_line_or_costs_room() -> None:
    async with api() as (world, http):
        path = "/api/v2/telephony/trunks/%0d%0a2026 all is well%1b[2J%e2%80%ae/disable"
        for _ in range(500):
            await http.post(path)
        entries = await world.store.read_audit(limit=1000)
        found = await flushed(world)
        assert len(found) == 6
        assert found[-1]["count"] == 495
        exported = (await http.get("/api/v2/audit/export", headers=AS_ANN)).text
        assert exported.isascii()
        assert len(exported.splitlines()) == 6
        assert all(line.isprintable() for line in exported.splitlines())
        assert len(entries) <= 6


async def test_a_foreign_page_that_is_refused_is_recorded() -> None:
    async with api() as (world, http):
        headers = {"origin": "https://evil.example", **AS_ANN}
        path = "/api/v2/telephony/trunks/carrier-a/disable"
        assert (await http.post(path, headers=headers)).status_code == 403
        [record] = await flushed(world)
        assert (record["outcome"], record["path"]) == ("refused", path)


async def test_while_the_database_is_away_acts_go_on_and_are_recorded_later() -> None:
    async with api() as (world, http):
        assert isinstance(world.store, FragileAudit)
        world.store.audit_away = True
        path = "/api/v2/telephony/trunks/carrier-a/{}"
        assert (await http.post(path.format("disable"), headers=AS_ANN)).status_code == 200
        assert (await http.post(path.format("enable"), headers=AS_ANN)).status_code == 200
        assert await records(world) == []
        world.store.audit_away = False
        world.clock.seconds += 10
        await http.post(path.format("probe"), headers=AS_ANN)
        assert [each["action"] for each in await records(world)] == [
            "disable_trunk",
            "enable_trunk",
            "probe_trunk",
        ]


async def test_what_cannot_be_recorded_any_more_is_not_done() -> None:
    async with api() as (world, http):
        assert isinstance(world.store, FragileAudit)
        world.store.audit_away = True
        world.access.ledger.most_waiting = 1
        path = "/api/v2/telephony/trunks/{}/disable"
        assert (await http.post(path.format("carrier-a"), headers=AS_ANN)).status_code == 200
        refused = await http.post(path.format("carrier-b"), headers=AS_ANN)
        assert refused.status_code == 503
        assert world.roster.record("carrier-b").admin_enabled
        call = {"to": "+15551230001"}
        assert (
            await http.post("/api/v2/routing/decide", json=call, headers=AS_BOB)
        ).status_code == 200


async def test_the_list_is_newest_first_with_cursor_and_filters() -> None:
    async with api() as (world, http):
        for trunk_id in ("carrier-a", "carrier-b", "carrier-a"):
            world.clock.seconds += 1
            await http.post(f"/api/v2/telephony/trunks/{trunk_id}/disable", headers=AS_ANN)
        await http.post("/api/v2/telephony/trunks/nowhere/enable", headers=AS_ANN)
        await http.post("/api/v2/telephony/trunks/carrier-a/enable", headers=AS_BOB)
        await world.access.ledger.close()

        async def positions(**query: str | int) -> list[int]:
            page = (await http.get("/api/v2/audit", params=query, headers=AS_ANN)).json()
            return [each["position"] for each in page["entities"]]

        assert await positions() == [5, 4, 3, 2, 1]
        assert await positions(object="carrier-a") == [5, 3, 1]
        assert await positions(object="trunk/carrier-b") == [2]
        assert await positions(actor="c-bob") == [5]
        assert await positions(actor="Ann", outcome="failed") == [4]
        assert await positions(action="enable_trunk") == [5, 4]
        assert await positions(outcome="refused") == [5]
        now_ms = int(world.clock.wall() * 1000)
        assert await positions(**{"from": now_ms - 1000, "to": now_ms}) == [2]
        first = (await http.get("/api/v2/audit?limit=2", headers=AS_ANN)).json()
        second = await http.get(
            "/api/v2/audit", params={"limit": 2, "cursor": first["nextCursor"]}, headers=AS_ANN
        )
        assert [each["position"] for each in second.json()["entities"]] == [3, 2]


@pytest.mark.parametrize("count", [0, 1, 450])
async def test_the_export_is_the_chain_and_verifies(count: int) -> None:
    async with api() as (world, http):
        for _ in range(count):
            await http.post("/api/v2/telephony/trunks/nowhere/enable", headers=AS_ANN)
        answer = await http.get("/api/v2/audit/export", headers=AS_ANN)
        lines = [json.loads(line) for line in answer.text.splitlines()]
        entries = [
            AuditEntry(**{"at_ms" if key == "at" else key: value for key, value in line.items()})
            for line in lines
        ]
        assert entries == await world.store.read_audit(limit=1000)
        assert len(entries) == count
        head = (await http.get("/api/v2/audit/head", headers=AS_ANN)).json()
        assert head["position"] == count
        assert verify(entries) is None
