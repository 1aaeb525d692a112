"""The audit over HTTP: every act and every refusal is in it, with who, what and from where."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import Request
from fastapi.routing import APIRoute, iter_route_contexts

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.access.audit import SERVICE_ACTIONS, verify
from trunkpulse.adapters.http.api.admission import declarations_of
from trunkpulse.adapters.http.api.application import OPERATIONS
from trunkpulse.adapters.http.api.audited import ROUTINE, SAFE_METHODS, TO_VIEW
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


def listed(count: int, port: int) -> dict[str, Any]:
    return {
        "entities": [{"id": f"t{n}", "targets": [f"sip:127.0.0.1:{port}"]} for n in range(count)]
    }


@pytest.mark.parametrize(("count", "entries"), [(20, 1), (21, 2), (50, 3), (701, 10 + 3)])
async def test_each_trunk_of_an_import_is_found_by_its_id(count: int, entries: int) -> None:
    path = "/api/v2/telephony/trunks/import"
    async with api() as (world, http):
        for port, mode in ((5071, "create"), (5072, "upsert")):
            query = {"mode": mode}
            body = listed(count, port)
            answer = await http.post(path, json=body, params=query, headers=AS_ANN)
            assert answer.status_code == 200
        found = await records(world)
        assert len(found) == 2 * entries
        made, changed = found[:entries], found[entries:]
        for some in (made, changed):
            ids = [change["id"] for each in some for change in each["changes"]]
            assert sorted(ids) == sorted(f"t{n}" for n in range(count))
            assert [each["details"].get("part", 1) for each in some] == [*range(1, entries + 1)]
        assert all(change["before"] is None for each in made for change in each["changes"])
        last = changed[-1]["changes"][-1]
        if count <= 200:
            assert last["before"]["targets"] != last["after"]["targets"]
        else:
            assert (last["before"], last["after"]) == ({"revision": 1}, {"revision": 2})
        for trunk in ("t0", f"trunk/t{count - 1}"):
            query = {"object": trunk}
            page = (await http.get("/api/v2/audit", params=query, headers=AS_ANN)).json()
            assert [each["action"] for each in page["entities"]] == ["import_trunks"] * 2


async def test_an_import_that_was_only_tried_does_not_look_like_one_that_was_done() -> None:
    path = "/api/v2/telephony/trunks/import"
    async with api() as (world, http):
        for query in ({"dryRun": "true"}, {}, {"dryRun": "true", "mode": "create"}):
            await http.post(path, json=listed(2, 5071), params=query, headers=AS_ANN)
        tried, done, wrong = await records(world)
        counts = {"created": 2, "changed": 0, "unchanged": 0}
        assert tried["details"] == {"mode": "create", "dryRun": True, **counts}
        assert "changes" not in tried
        assert done["details"] == {"mode": "create", "dryRun": False, **counts}
        assert (wrong["outcome"], wrong["details"]) == (
            "failed",
            {"mode": "create", "dryRun": True},
        )


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


@pytest.mark.parametrize(
    ("action", "words"),
    [("set_license", "did you mean put_license?"), ("zzz", "how-to/audit.md lists")],
)
async def test_an_act_that_there_is_not_is_not_looked_for(action: str, words: str) -> None:
    async with api() as (_, http):
        answer = await http.get("/api/v2/audit", params={"action": action}, headers=AS_ANN)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "query.action"
        assert words in answer.json()["detail"]
        for known in ("put_license", "service.started", "list_audit", "unknown"):
            query = {"action": known}
            answer = await http.get("/api/v2/audit", params=query, headers=AS_ANN)
            assert answer.status_code == 200


async def test_the_how_to_names_every_act_that_is_recorded() -> None:
    text = (Path(__file__).parents[3] / "docs/how-to/audit.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_.]+)`", text))
    async with api() as (world, _):
        acts = {
            each.original_route.name
            for each in iter_route_contexts(world.app.routes)
            if isinstance(each.original_route, APIRoute)
            and not SAFE_METHODS.issuperset(each.methods or ())
            and not TO_VIEW.issuperset(declarations_of(each.original_route) or {""})
        }
    # What a PBX says of its calls every few seconds is no act, and would drown all others.
    assert {"report_activity"} == ROUTINE <= acts
    acts -= ROUTINE
    assert acts <= OPERATIONS
    assert acts | SERVICE_ACTIONS <= named


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
