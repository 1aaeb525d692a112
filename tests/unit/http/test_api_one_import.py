"""Imports beside each other, and beside everything else that changes trunks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.trunk_changes import Within
from trunkpulse.provisioning.planning import Planned
from trunkpulse.provisioning.refusals import Changed
from unit.http.api_world import World, running
from unit.http.test_api_trunk_bulk import TABLE, bring_in
from unit.http.test_api_trunk_changes import TRUNKS, problem

MADE: dict[str, object] = {"id": "a", "targets": ["sip:127.0.0.1:5071"]}
WITHIN = Within(Limits(), "default")
HEADERS = {"content-type": "text/csv"}


class Slow:
    """A body that comes when it is let."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        self.asked.set()
        await self.let.wait()
        yield TABLE.encode()


@pytest.mark.parametrize("key", [{}, {"idempotency-key": "k"}])
async def test_while_one_import_is_under_way_others_are_told_before_they_are_read(
    key: dict[str, str],
) -> None:
    async with running() as world, world.client() as http, asyncio.TaskGroup() as tasks:
        first, second = Slow(), Slow()
        post = tasks.create_task(
            http.post(f"{TRUNKS}/import", content=first, headers={**HEADERS, **key})
        )
        await first.asked.wait()
        refused = await http.post(
            f"{TRUNKS}/import", content=second, headers={**HEADERS, "idempotency-key": "other"}
        )
        assert "Another import is under way" in problem(refused, 409)
        assert refused.headers["retry-after"] == "5"
        assert not second.asked.is_set()
        first.let.set()
        assert (await post).json()["created"] == 2
        again = await bring_in(http, TABLE, mode="upsert")
        assert again.json()["unchanged"] == 2


async def test_a_body_that_does_not_come_makes_room() -> None:
    async with running() as world, world.client() as http:
        world.app.state.import_under_way.body_seconds = 0.0
        late = await http.post(f"{TRUNKS}/import", content=Slow(), headers=HEADERS)
        assert "took longer than 0 s" in problem(late, 400)
        world.app.state.import_under_way.body_seconds = 60.0
        assert (await bring_in(http, TABLE)).json()["created"] == 2


async def planned_while(world: World, change: Callable[[], Awaitable[object]]) -> None:
    before = world.made.get("a")
    made = world.made.documents.new({**MADE, "name": "Imported"})

    async def plan() -> list[Planned]:
        await change()  # as others do, who do not wait for the import
        return [Planned(made, before, changes=True)]

    await world.made.bring_in(plan)


async def test_others_change_trunks_while_an_import_is_looked_through() -> None:
    async with running() as world:
        await planned_while(world, lambda: world.made.create({**MADE, "id": "other"}, WITHIN))
        assert world.roster.record("other").trunk.id == "other"
        assert world.roster.record("a").trunk.name == "Imported"


@pytest.mark.parametrize("done", ["made", "changed", "deleted", "settings"])
async def test_what_changed_meanwhile_is_not_written_over(done: str) -> None:
    async with running() as world:
        made = world.made
        changes: dict[str, Callable[[], Awaitable[object]]] = {
            "made": lambda: made.create(MADE, WITHIN),
            "changed": lambda: made.change("a", {"name": "By hand"}, WITHIN),
            "deleted": lambda: made.delete("a", WITHIN),
            "settings": lambda: world.settings.put(
                {"keepalive": {"intervalSeconds": 7}}, lambda _: None
            ),
        }
        if done != "made":
            await made.create(MADE, WITHIN)
        with pytest.raises(Changed, match="changed meanwhile; send the import again"):
            await planned_while(world, changes[done])
        kept = made.get("a")
        assert kept is None or kept.made.trunk.name != "Imported"
