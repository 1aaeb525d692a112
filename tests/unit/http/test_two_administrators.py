"""Two people change the same thing at the same time: one of them is told, and nothing is lost."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2

from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from unit.http.api_world import World, running

TRUNKS = "/api/v2/telephony/trunks"
MERGE_PATCH = "application/merge-patch+json"
PASSWORD = "three old trombones"


async def administrator(world: World, http: httpx2.AsyncClient, name: str) -> None:
    """``http`` is the browser of an administrator of this name from now on."""
    wanted = User(id="", name=name, roles=("administrator",))
    await world.access.people.users.create(wanted, PASSWORD, machine())
    answer = await http.post("/api/v2/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    http.headers["x-csrf-token"] = answer.json()["csrfToken"]


async def patched(http: httpx2.AsyncClient, etag: str, document: dict[str, Any]) -> httpx2.Response:
    headers = {"if-match": etag, "content-type": MERGE_PATCH}
    return await http.patch(f"{TRUNKS}/new", headers=headers, json=document)


async def test_two_administrators_edit_a_trunk_and_no_edit_is_lost() -> None:
    async with (
        running(world=World(gate=None)) as world,
        world.client() as ada,
        world.client() as bob,
    ):
        await administrator(world, ada, "ada")
        await administrator(world, bob, "bob")
        made = await ada.post(TRUNKS, json={"id": "new", "targets": ["sip:192.0.2.10"]})
        assert made.status_code == 201, made.text
        read = [(await http.get(f"{TRUNKS}/new")).headers["etag"] for http in (ada, bob)]
        assert read[0] == read[1]

        edits = [{"name": "By Ada"}, {"carrier": "acme"}]
        answers = await asyncio.gather(
            *(patched(*each) for each in zip((ada, bob), read, edits, strict=True))
        )
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        late = [answer.status_code for answer in answers].index(412)
        problem = answers[late].json()
        assert "changed" in problem["detail"]
        kept = (await ada.get(f"{TRUNKS}/new")).json()
        assert (kept["name"] == "By Ada", kept["carrier"] == "acme") == (late == 1, late == 0)

        http = (ada, bob)[late]
        etag = (await http.get(f"{TRUNKS}/new")).headers["etag"]
        assert (await patched(http, etag, edits[late])).status_code == 200
        kept = (await ada.get(f"{TRUNKS}/new")).json()
        assert (kept["name"], kept["carrier"]) == ("By Ada", "acme")


async def test_a_change_that_names_another_state_changes_nothing_and_is_not_undone() -> None:
    async with (
        running(world=World(gate=None)) as world,
        world.client() as ada,
        world.client() as bob,
    ):
        await administrator(world, ada, "ada")
        await administrator(world, bob, "bob")
        await ada.post(TRUNKS, json={"id": "new", "targets": ["sip:192.0.2.10"]})
        etag = (await bob.get(f"{TRUNKS}/new")).headers["etag"]
        await patched(ada, etag, {"name": "By Ada"})
        gone = await bob.delete(f"{TRUNKS}/new", headers={"if-match": etag})
        assert gone.status_code == 412
        assert (await bob.get(f"{TRUNKS}/new")).json()["name"] == "By Ada"
