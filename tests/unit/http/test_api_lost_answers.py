"""Changes whose answers were lost, and what a name has left behind: nothing stays stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from trunkpulse.access.licence import Entitlement
from trunkpulse.ports import Document, DocumentKind, StoreUnavailable
from unit.http.api_parts import SwitchedStore
from unit.http.api_world import World, running

TRUNKS = "/api/v2/telephony/trunks"
SETTINGS = "/api/v2/telephony/settings"
ROUTES = "/api/v2/routing/routes"
LICENSE = "/api/v2/license"
MADE: dict[str, Any] = {"id": "made", "targets": ["sip:127.0.0.1:5090"]}


class Lossy(SwitchedStore):
    """Commits, and loses the answer once."""

    lost: DocumentKind | None = None

    def _lose(self, kind: DocumentKind) -> None:
        if self.lost is kind:
            self.lost = None
            raise StoreUnavailable("the connection was lost after the commit")

    async def save_documents(self, saved: Sequence[Document]) -> None:
        await super().save_documents(saved)
        self._lose(saved[0].kind)

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        await super().drop_documents(kind, ids)
        self._lose(kind)


def lossy(kind: DocumentKind) -> World:
    store = Lossy()
    store.lost = kind
    return World(store=store)


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_new_trunk_is_none_of_what_a_deleted_namesake_was(*, restarted: bool) -> None:
    world = World()
    async with running(world=world), world.client() as http:
        await http.post(TRUNKS, json=MADE)
        await http.post(f"{TRUNKS}/made/disable")
        await http.delete(f"{TRUNKS}/made")
        await world.pipeline.recorder.flushed()
        if not restarted:
            answer = await http.post(TRUNKS, json={**MADE, "enabled": True})
            assert (answer.json()["enabled"], answer.json()["reasonCode"]) == (True, None)
    if restarted:
        health = await world.store.load()
        assert all(each.admin_enabled for each in health.values())


async def test_a_row_that_says_enabled_takes_back_a_disable() -> None:
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json={**MADE, "enabled": True})
        await http.post(f"{TRUNKS}/made/disable")
        rows = {"entities": [{**MADE, "enabled": True}]}
        answer = await http.post(f"{TRUNKS}/import?mode=upsert", json=rows)
        assert answer.json()["changed"] == 1
        assert world.roster.record("made").admin_enabled
        again = await http.post(f"{TRUNKS}/import?mode=upsert", json=rows)
        assert again.json()["unchanged"] == 1


async def test_a_trunk_that_was_made_all_the_same_is_given_to_who_asks_again() -> None:
    async with running(world=lossy(DocumentKind.TRUNK)) as world, world.client() as http:
        assert (await http.post(TRUNKS, json=MADE)).status_code == 503
        assert (await http.post(TRUNKS, json=MADE)).status_code == 201
        assert (await http.post(TRUNKS, json=MADE)).status_code == 409
        assert (await http.delete(f"{TRUNKS}/made")).status_code == 204


async def test_a_trunk_that_was_made_all_the_same_can_be_deleted() -> None:
    async with running(world=lossy(DocumentKind.TRUNK)) as world, world.client() as http:
        assert (await http.post(TRUNKS, json=MADE)).status_code == 503
        assert (await http.delete(f"{TRUNKS}/made")).status_code == 204
        assert await world.store.load_documents(DocumentKind.TRUNK) == []


async def test_nobody_need_come_again_for_what_was_done_to_be_shown() -> None:
    async with running(world=lossy(DocumentKind.TRUNK)) as world, world.client() as http:
        await http.post(TRUNKS, json=MADE)
        await world.made.settle()
        assert (await http.get(f"{TRUNKS}/made")).status_code == 200
        world.store.lost = DocumentKind.TRUNK  # type: ignore[attr-defined]
        assert (await http.delete(f"{TRUNKS}/made")).status_code == 503
        await world.made.settle()
        assert (await http.get(f"{TRUNKS}/made")).status_code == 404


async def test_a_route_that_was_made_all_the_same_is_there() -> None:
    async with running(world=lossy(DocumentKind.ROUTE)) as world, world.client() as http:
        route = {"id": "r", "numbers": ["+43"], "trunks": [{"id": "carrier-a"}]}
        assert (await http.post(ROUTES, json=route)).status_code == 503
        assert (await http.post(ROUTES, json=route)).status_code == 201
        assert (await http.delete(f"{ROUTES}/r")).status_code == 204


async def test_settings_that_were_kept_all_the_same_are_put_to_work() -> None:
    async with running(world=lossy(DocumentKind.SETTINGS)) as world, world.client() as http:
        await http.post(TRUNKS, json=MADE)  # it inherits them
        etag = (await http.get(SETTINGS)).headers["etag"]
        said = {"keepalive": {"intervalSeconds": 50}}
        answers = [
            await http.put(SETTINGS, json=said, headers={"if-match": etag}) for _ in range(2)
        ]
        assert [each.status_code for each in answers] == [503, 200]
        assert world.roster.record("made").trunk.keepalive.interval_seconds == 50


async def test_settings_that_could_not_be_put_to_work_are_so_later() -> None:
    async with running() as world, world.client() as http:
        follow = world.settings._apply

        async def fail() -> None:
            raise StoreUnavailable("away between the commit and this")

        world.settings._apply = fail
        assert (await http.put(SETTINGS, json={"userAgent": "x/1"})).status_code == 503
        world.settings._apply = follow
        await world.settings.settle()
        assert world.roster.sockets._user_agent == "x/1"


async def test_a_licence_that_was_set_all_the_same_takes_effect() -> None:
    suspended = {
        "talk": {"status": "suspended"},
        "advancedTelephony": {"status": "active"},
        "eventStreams": {"status": "active"},
    }
    async with running(world=lossy(DocumentKind.LICENSE)) as world, world.client() as http:
        effect = asyncio.Event()
        world.licensing.told = lambda _before, _now: effect.set()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(world.licensing.run())
            statuses = [(await http.put(LICENSE, json=suspended)).status_code for _ in range(2)]
            async with asyncio.timeout(5):
                await effect.wait()
            task.cancel()
        assert statuses == [503, 200]
        assert world.licensing.in_effect == {Entitlement.TALK}
        assert not world.pipeline.licensed


async def test_a_withheld_trunk_goes_out_as_it_is_kept() -> None:
    members = {
        "advanced": {"username": "u", "password": "pw"},
        "keepalive": {"intervalSeconds": 20},
    }
    async with running() as world, world.client() as http:
        await http.post(TRUNKS, json={**MADE, **members})
        before = (await http.get(f"{TRUNKS}/export")).json()
        (kept,) = await world.store.load_documents(DocumentKind.TRUNK)
        broken = replace(kept, revision=2, secrets=dict.fromkeys(kept.secrets, "broken"))
        await world.store.save_documents([broken])
    again = World(store=world.store)
    async with running(world=again), again.client() as http:
        assert (await http.get(f"{TRUNKS}/export")).json() == before
        shown = (await http.get(f"{TRUNKS}/made")).json()
        assert shown["configuration"] == before["entities"][0]
        assert shown["withheld"].endswith("is damaged; delete the trunk and make it anew.")
        refused = await http.post(f"{TRUNKS}/made/probe")
        assert refused.status_code == 409
        assert "withheld and not probed" in refused.json()["detail"]


async def test_advice_that_was_accepted_all_the_same_is_hidden_once_the_database_is_asked() -> None:
    async with running(world=lossy(DocumentKind.ACCEPTED_ADVICE)) as world, world.client() as http:
        given = {"id": "interval_short"}
        assert (await http.post("/api/v2/advice/accept", json=given)).status_code == 503
        await world.accepted.settle()
        assert (await http.get("/api/v2/advice")).json()["entities"] == []
        assert (await http.post("/api/v2/advice/accept", json=given)).status_code == 200
