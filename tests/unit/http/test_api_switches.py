"""``/api/v2/telephony/switches``, the remarks of ``/readyz`` and the metrics of switches."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx2
import pytest

from simulation.paper_switch import PaperSwitch, settings
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.switch_metrics import of_switches
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.node.switch_trunks import switches_of
from trunkpulse.ports import AuditEntry
from unit.http.api_world import World, running

PATH = "/api/v2/telephony/switches"
A, STRANGER = "sip:127.0.0.1:5061", "sip:192.0.2.9:5060"


@dataclass
class Scene:
    world: World
    http: httpx2.AsyncClient
    paper: PaperSwitch

    async def audited(self) -> list[AuditEntry]:
        return await self.world.store.read_audit(limit=10)


@asynccontextmanager
async def scene(*declared: SwitchSettings) -> AsyncIterator[Scene]:
    paper = PaperSwitch(A, STRANGER)
    world = World()
    async with asyncio.TaskGroup() as tasks:
        world.switches = switches_of(
            tasks,
            rng=random.Random(1),
            clock=SystemClock(),
            store=world.store,
            switch_for=paper.connect,
            board=world.board,
            pipeline=world.pipeline,
            roster=world.roster,
        )
        async with running(world=world), world.client() as http:
            world.switches.declare(declared or (settings(interval_seconds=3600.0),))
            for each in declared or (settings(),):
                if each.enabled:
                    await world.switches.sync(each.id)
            yield Scene(world, http, paper)
            world.switches.stop()


async def test_a_switch_and_its_entries_are_shown_without_secrets() -> None:
    declared = settings(username="pulse", password="hush-hush", interval_seconds=3600.0)
    async with scene(declared) as here:
        [listed] = (await here.http.get(PATH)).json()["entities"]
        answer = await here.http.get(f"{PATH}/edge")
        assert "hush" not in answer.text
        switch = answer.json()
        assert switch == listed
        assert (switch["connection"], switch["inSync"], switch["url"]) == (
            "connected",
            True,
            "tcp:127.0.0.1:2049",
        )
        assert (switch["entries"], switch["unmatched"], switch["problem"]) == (2, 1, None)
        entries = (await here.http.get(f"{PATH}/edge/entries")).json()["entities"]
        assert [(each["key"], each["trunks"], each["has"]) for each in entries] == [
            (A, ["carrier-a"], True),
            (STRANGER, [], True),
        ]


async def test_entries_come_in_pages_and_by_what_they_are() -> None:
    async with scene() as here:
        keys: list[str] = []
        query: dict[str, str] = {"limit": "1"}
        while True:
            page = (await here.http.get(f"{PATH}/edge/entries", params=query)).json()
            keys += [each["key"] for each in page["entities"]]
            if page["nextCursor"] is None:
                break
            query["cursor"] = page["nextCursor"]
        assert keys == [A, STRANGER]
        for question, expected in (
            ({"matched": "true"}, [A]),
            ({"matched": "false"}, [STRANGER]),
            ({"differing": "true"}, []),
        ):
            page = (await here.http.get(f"{PATH}/edge/entries", params=question)).json()
            assert [each["key"] for each in page["entities"]] == expected


async def test_an_order_to_sync_is_carried_out_and_recorded() -> None:
    async with scene() as here:
        reads = here.paper.reads
        answer = await here.http.post(f"{PATH}/edge/sync", json={})
        assert answer.status_code == 200
        assert answer.json()["inSync"] is True
        assert here.paper.reads > reads
        [entry] = [each for each in await here.audited() if "sync_switch" in each.record]
        assert '"edge"' in entry.record


async def test_whoever_has_waited_long_enough_is_told_that_it_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scene() as here:
        monkeypatch.setattr("trunkpulse.switching.switches.SYNC_SECONDS", 0.01)
        here.paper.answer_seconds = 0.5
        answer = await here.http.post(f"{PATH}/edge/sync", json={})
        assert answer.status_code == 503
        assert "goes on" in answer.json()["detail"]


async def test_one_that_is_off_cannot_be_synced_and_one_that_is_not_there_not_found() -> None:
    async with scene(settings(enabled=False)) as here:
        switch = (await here.http.get(f"{PATH}/edge")).json()
        assert (switch["connection"], switch["enabled"]) == ("off", False)
        answer = await here.http.post(f"{PATH}/edge/sync", json={})
        assert answer.status_code == 409
        assert "enabled = true" in answer.json()["detail"]
        for path in ("nowhere", "nowhere/entries"):
            assert (await here.http.get(f"{PATH}/{path}")).status_code == 404
        assert (await here.http.post(f"{PATH}/nowhere/sync", json={})).status_code == 404


async def test_one_that_is_out_of_reach_is_a_remark_and_no_reason_to_get_no_traffic() -> None:
    async with scene() as here:
        here.paper.away = True
        switch = (await here.http.post(f"{PATH}/edge/sync", json={})).json()
        assert (switch["connection"], switch["inSync"]) == ("unreachable", False)
        ready = await here.http.get("/readyz")
        assert ready.status_code == 200
        [remark] = [each for each in ready.json()["remarks"] if "Switch edge" in each]
        assert "127.0.0.1" not in remark


async def test_metrics_say_whether_each_is_in_sync() -> None:
    async with scene() as here:

        def samples() -> dict[str, float]:
            families = of_switches(here.world.switches.reports())
            return {each.name: each.value for family in families for each in family.samples}

        before = samples()
        assert before["trunkpulse_switch_in_sync"] == 1
        assert before["trunkpulse_switch_unmatched_entries"] == 1
        assert before["trunkpulse_switch_failures_total"] == 0
        here.paper.away = True
        await here.world.switches.sync("edge")
        after = samples()
        assert after["trunkpulse_switch_in_sync"] == 0
        assert after["trunkpulse_switch_failures_total"] == 1
        read_age = "trunkpulse_switch_read_age_seconds"
        assert after[read_age] > before[read_age]
