"""Clients over the API: made, shown without secrets, changed, and never beyond their maker."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.access import UNLIMITED, Limits, Permission
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.admission.clients import ClientDraft
from unit.http.api_world import NOW_MS, World, running

PATH = "/api/v2/oauth/clients"
KEYS = "/api/v2/oauth/keys"
READ = "telephony.trunks.read"
GRAFANA = {"name": "grafana", "scopes": [READ]}


@dataclass
class Scene:
    world: World
    http: httpx2.AsyncClient

    async def make(self, **more: object) -> dict[str, Any]:
        answer = await self.http.post(PATH, json={**GRAFANA, **more})
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def token_status(self, client_id: str, secret: str) -> int:
        form = {"grant_type": "client_credentials"}
        answer = await self.http.post("/oauth/token", data=form, auth=(client_id, secret))
        return answer.status_code

    async def as_client(
        self, *permissions: Permission, limits: Limits = UNLIMITED
    ) -> dict[str, str]:
        """The header of a client that may do these things."""
        draft = ClientDraft(
            name=f"maker {permissions} {limits}",
            permissions=frozenset(permissions),
            limits=limits,
        )
        made = await self.world.access.clients.create(draft, machine())
        return bearer(self.world.access.tokens.issue(made.client, permissions).text)


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    async with running(world=World(gate=None)) as world, world.client() as http:
        http.headers.update(bearer(MACHINE_TOKEN))
        yield Scene(world, http)


async def test_a_client_is_made_with_a_secret_that_is_shown_once(scene: Scene) -> None:
    answer = await scene.http.post(PATH, json={**GRAFANA, "regions": ["eu"], "expires": NOW_MS + 9})
    made = answer.json()
    assert answer.headers["location"] == f"{PATH}/{made['id']}"
    secret = made.pop("clientSecret")
    assert made.pop("clientId") == made["id"]
    assert made == {
        "id": made["id"],
        "name": "grafana",
        "scopes": [READ],
        "regions": ["eu"],
        "carriers": None,
        "enabled": True,
        "expires": NOW_MS + 9,
        "active": True,
        "secrets": [{"id": made["secrets"][0]["id"], "created": NOW_MS, "expires": None}],
        "created": NOW_MS,
        "changed": NOW_MS,
    }
    assert await scene.token_status(made["id"], secret) == 200
    shown = await scene.http.get(answer.headers["location"])
    assert shown.json() == made
    listed = await scene.http.get(PATH)
    assert listed.json() == {"entities": [made], "nextCursor": None}
    assert secret not in shown.text + listed.text


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": [READ]}, "body.name"),
        ({"name": " ", "scopes": [READ]}, "body.name"),
        ({"name": "a\nb", "scopes": [READ]}, "body.name"),
        ({"name": "a"}, "body.scopes"),
        ({"name": "a", "scopes": []}, "body.scopes"),
        ({"name": "a", "scopes": ["nonsense"]}, "body.scopes.0"),
        ({"name": "a", "scopes": [READ], "regions": []}, "body.regions"),
        ({"name": "a", "scopes": [READ], "expires": NOW_MS - 1}, "body.expires"),
        ({"name": "a", "scopes": [READ], "secret": "mine"}, "body.secret"),
    ],
)
async def test_what_is_wrong_with_a_client_is_named(
    scene: Scene, body: dict[str, object], field: str
) -> None:
    answer = await scene.http.post(PATH, json=body)
    assert answer.status_code == 422
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_a_client_is_changed_by_what_the_patch_names(scene: Scene) -> None:
    made = await scene.make(regions=["eu"], carriers=["acme"])
    path = f"{PATH}/{made['id']}"
    patch = {"regions": None, "scopes": [READ, "users.view"]}
    answer = await scene.http.patch(path, json=patch)
    assert answer.status_code == 200
    changed = answer.json()
    assert (changed["name"], changed["regions"], changed["carriers"]) == (
        "grafana",
        None,
        ["acme"],
    )
    assert changed["scopes"] == [READ, "users.view"]
    assert (await scene.http.get(path)).json() == changed


async def test_of_two_who_change_a_client_one_is_told(scene: Scene) -> None:
    made = await scene.make()
    path = f"{PATH}/{made['id']}"
    etag = (await scene.http.get(path)).headers["etag"]
    headers = {"if-match": etag}
    first = await scene.http.patch(path, json={"name": "a"}, headers=headers)
    second = await scene.http.patch(path, json={"name": "b"}, headers=headers)
    third = await scene.http.delete(path, headers=headers)
    assert [each.status_code for each in (first, second, third)] == [200, 412, 412]
    assert (await scene.http.get(path)).json()["name"] == "a"
    headers = {"if-match": first.headers["etag"]}
    assert (await scene.http.delete(path, headers=headers)).status_code == 204
    assert (await scene.http.get(path)).status_code == 404


async def test_a_secret_is_exchanged_for_another(scene: Scene) -> None:
    made = await scene.make()
    client_id, path = made["id"], f"{PATH}/{made['id']}/secrets"
    answer = await scene.http.post(path, json={"othersExpire": NOW_MS + 60_000})
    assert answer.status_code == 201
    second = answer.json()
    assert await scene.token_status(client_id, made["clientSecret"]) == 200
    assert await scene.token_status(client_id, second["clientSecret"]) == 200
    assert (await scene.http.post(path)).status_code == 409
    scene.world.clock.seconds += 61
    assert await scene.token_status(client_id, made["clientSecret"]) == 401
    third = (await scene.http.post(path)).json()
    assert (await scene.http.delete(f"{path}/{second['id']}")).status_code == 204
    assert (await scene.http.delete(f"{path}/{second['id']}")).status_code == 404
    assert await scene.token_status(client_id, second["clientSecret"]) == 401
    assert await scene.token_status(client_id, third["clientSecret"]) == 200


async def test_two_clients_of_one_name_are_refused(scene: Scene) -> None:
    await scene.make()
    answer = await scene.http.post(PATH, json=GRAFANA)
    assert answer.status_code == 409


async def test_clients_come_in_pages_and_by_name(scene: Scene) -> None:
    made = [(await scene.make(name=f"c{number}"))["id"] for number in range(5)]
    seen: list[str] = []
    query: dict[str, str | int] = {"limit": 2}
    while True:
        page = (await scene.http.get(PATH, params=query)).json()
        seen += [each["id"] for each in page["entities"]]
        if page["nextCursor"] is None:
            break
        query["cursor"] = page["nextCursor"]
    assert seen == sorted(made)
    [found] = (await scene.http.get(PATH, params={"name": "C3"})).json()["entities"]
    assert found["id"] == made[3]


async def test_a_client_makes_no_client_that_may_do_more(scene: Scene) -> None:
    scene.http.headers.update(await scene.as_client(Permission.USERS_EDIT, Permission.TRUNK_VIEW))
    await scene.make(name="fine")
    answer = await scene.http.post(PATH, json={"name": "x", "scopes": ["telephony.trunks.edit"]})
    assert answer.status_code == 403
    assert "telephony:trunk:edit" in answer.json()["detail"]


async def test_who_is_limited_sees_and_makes_what_is_within(scene: Scene) -> None:
    everywhere = await scene.make(name="everywhere")
    within = await scene.make(name="within", regions=["us-east"])
    scene.http.headers.update(
        await scene.as_client(
            Permission.USERS_EDIT,
            Permission.USERS_VIEW,
            Permission.TRUNK_VIEW,
            limits=Limits(regions=frozenset({"us-east", "us-west"})),
        )
    )
    listed = {each["name"] for each in (await scene.http.get(PATH)).json()["entities"]}
    assert "within" in listed
    assert "everywhere" not in listed
    for method, path in (
        ("GET", f"{PATH}/{everywhere['id']}"),
        ("PATCH", f"{PATH}/{everywhere['id']}"),
        ("DELETE", f"{PATH}/{everywhere['id']}"),
        ("POST", f"{PATH}/{everywhere['id']}/secrets"),
        ("DELETE", f"{PATH}/{everywhere['id']}/secrets/x"),
    ):
        body: dict[str, str] | None = {} if method == "PATCH" else None
        answer = await scene.http.request(method, path, json=body)
        assert answer.status_code == 404, (method, path)
    assert (await scene.http.post(PATH, json={"name": "n", "scopes": [READ]})).status_code == 403
    await scene.make(name="mine", regions=["us-west"])
    wider = {"regions": ["us-east", "eu"]}
    answer = await scene.http.patch(f"{PATH}/{within['id']}", json=wider)
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", PATH),
        ("POST", PATH),
        ("GET", f"{PATH}/x"),
        ("PATCH", f"{PATH}/x"),
        ("DELETE", f"{PATH}/x"),
        ("POST", f"{PATH}/x/secrets"),
        ("DELETE", f"{PATH}/x/secrets/y"),
        ("GET", KEYS),
        ("POST", f"{KEYS}/rotate"),
    ],
)
async def test_it_takes_the_permission_to_edit_users(scene: Scene, method: str, path: str) -> None:
    own = Permission.USERS_EDIT if method == "GET" else Permission.USERS_VIEW
    headers = await scene.as_client(own)
    body = GRAFANA if method in {"POST", "PATCH"} else None
    answer = await scene.http.request(method, path, json=body, headers=headers)
    assert answer.status_code == 403


async def test_signing_keys_are_exchanged_on_demand(scene: Scene) -> None:
    [first] = (await scene.http.get(KEYS)).json()["entities"]
    assert first["signs"]
    token = await scene.as_client(Permission.TRUNK_VIEW)
    answer = await scene.http.post(f"{KEYS}/rotate")
    assert [each["signs"] for each in answer.json()["entities"]] == [True, False]
    assert (await scene.http.get("/api/v2/telephony/trunks", headers=token)).status_code == 200
    answer = await scene.http.post(f"{KEYS}/rotate", params={"compromised": "true"})
    [only] = answer.json()["entities"]
    assert only["signs"]
    assert only["id"] != first["id"]
    assert (await scene.http.get("/api/v2/telephony/trunks", headers=token)).status_code == 401


async def test_all_tokens_are_voided_by_those_alone_who_may_do_everything(scene: Scene) -> None:
    kept = set(Permission) - {Permission.LICENSE_EDIT}
    headers = await scene.as_client(*kept)
    refused = await scene.http.post(
        f"{KEYS}/rotate", params={"compromised": "true"}, headers=headers
    )
    assert refused.status_code == 403
    assert "license:edit" in refused.json()["detail"]
    assert (await scene.http.post(f"{KEYS}/rotate", headers=headers)).status_code == 200
    everything = await scene.as_client(*Permission)
    voided = await scene.http.post(
        f"{KEYS}/rotate", params={"compromised": "true"}, headers=everything
    )
    assert voided.status_code == 200
    assert (await scene.http.get(PATH, headers=everything)).status_code == 401


async def test_who_may_edit_clients_alone_does_not_delete_one_that_may_do_more(
    scene: Scene,
) -> None:
    made = await scene.make()
    headers = await scene.as_client(Permission.USERS_VIEW, Permission.USERS_EDIT)
    path = f"{PATH}/{made['clientId']}"
    secret = made["secrets"][0]["id"]
    for refused in (
        await scene.http.delete(path, headers=headers),
        await scene.http.delete(f"{path}/secrets/{secret}", headers=headers),
    ):
        assert refused.status_code == 403
        assert "telephony:trunk:view" in refused.json()["detail"]
    assert await scene.token_status(made["clientId"], made["clientSecret"]) == 200


async def test_nothing_is_made_while_the_database_is_away(scene: Scene) -> None:
    scene.world.store.plugged = False
    assert (await scene.http.post(PATH, json=GRAFANA)).status_code == 503
    scene.world.store.plugged = True
    assert scene.world.access.clients.all == ()


async def test_a_scope_that_there_is_not_is_repeated(scene: Scene) -> None:
    answer = await scene.http.post(PATH, json={"name": "a", "scopes": ["telephony.trunks.veiw"]})
    assert '"telephony.trunks.veiw" is none of ' in answer.json()["detail"]
