"""Users and roles over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
import pytest

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.access.roles import ADMINISTRATOR
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from unit.http.api_world import World, running

PASSWORD = "three old trombones"
USERS, ROLES, SESSION = "/api/v2/users", "/api/v2/roles", "/api/v2/session"
CLIENTS = "/api/v2/oauth/clients"
BOB = {"name": "bob", "roles": ["operations"], "email": "bob@example.com"}


async def made(client: httpx2.AsyncClient, **members: object) -> dict[str, object]:
    answer = await client.post(USERS, json={**BOB, **members})
    assert answer.status_code == 201, answer.text
    document: dict[str, object] = answer.json()
    return document


@asynccontextmanager
async def as_user(world: World, *roles: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The browser of somebody who has these roles, with what each change needs."""
    users = world.access.people.users
    await users.create(User(id="", name="somebody", roles=roles), PASSWORD, machine())
    async with world.client() as client:
        answer = await client.post(SESSION, json={"name": "somebody", "password": PASSWORD})
        client.headers["x-csrf-token"] = answer.json()["csrfToken"]
        yield client


async def test_a_user_gets_a_password_that_is_said_once() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client)
        password = str(bob.pop("oneTimePassword"))
        assert len(password) == 30
        assert bob.pop("advice") == []
        shown = (await client.get(f"{USERS}/{bob['id']}")).json()
        assert shown == bob
        assert shown["mustChangePassword"] is True
        assert shown["hasPassword"] is True
        answer = await client.post(SESSION, json={"name": "BOB", "password": password})
        assert answer.status_code == 200


async def test_nothing_that_proves_who_somebody_is_is_shown() -> None:
    async with running() as world, world.client() as client:
        await made(client, password=PASSWORD)
        for answer in (await client.get(USERS), await client.get("/api/v2/audit")):
            assert "argon2" not in answer.text
            assert PASSWORD not in answer.text


async def test_a_user_who_comes_by_the_provider_has_no_password() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client, providerOnly=True)
        assert bob["oneTimePassword"] is None
        assert (bob["hasPassword"], bob["mustChangePassword"]) == (False, False)


async def test_lists_are_by_name_in_pages_and_can_be_filtered() -> None:
    async with running() as world, world.client() as client:
        for name in ("dora", "Alice", "carl", "bob"):
            await made(client, name=name, email=None)
        await made(client, name="eve", email=None, roles=["auditor"], enabled=False)
        first = (await client.get(USERS, params={"limit": 3})).json()
        assert [each["name"] for each in first["entities"]] == ["Alice", "bob", "carl"]
        query = {"limit": 3, "cursor": first["nextCursor"]}
        second = (await client.get(USERS, params=query)).json()
        assert [each["name"] for each in second["entities"]] == ["dora", "eve"]
        assert second["nextCursor"] is None
        for filters, names in (
            ({"name": "ALICE"}, ["Alice"]),
            ({"role": "auditor"}, ["eve"]),
            ({"enabled": "false"}, ["eve"]),
            ({"name": "nobody"}, []),
        ):
            found = (await client.get(USERS, params=filters)).json()["entities"]
            assert [each["name"] for each in found] == names


async def test_a_patch_changes_what_it_names() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client, regions=["eu"], displayName="Bob")
        path = f"{USERS}/{bob['id']}"
        patch = {"roles": ["engineer"], "regions": None, "carriers": ["acme"], "email": None}
        answer = await client.patch(path, json=patch)
        assert answer.status_code == 200
        changed = answer.json()
        assert changed.pop("advice") == []
        assert changed["roles"] == ["engineer"]
        assert (changed["regions"], changed["carriers"]) == (None, ["acme"])
        assert changed["email"] is None
        assert changed["displayName"] == "Bob"
        assert (await client.get(path)).json() == changed


@pytest.mark.parametrize(
    ("path", "by", "key"), [(USERS, "name", "name"), (ROLES, "id", "id"), (CLIENTS, "id", "id")]
)
async def test_lists_are_given_in_either_direction(path: str, by: str, key: str) -> None:
    async with running() as world, world.client() as client:
        for name in ("Bert", "carl", "anna"):
            await made(client, name=name, email=None)
            draft = {"name": name, "scopes": ["telephony.trunks.read"]}
            assert (await client.post(CLIENTS, json=draft)).status_code == 201
        upwards = (await client.get(path)).json()["entities"]
        assert [each[key].casefold() for each in upwards] == sorted(
            each[key].casefold() for each in upwards
        )
        assert len(upwards) >= 3
        down = f"{path}?sort=-{by}"
        first = (await client.get(f"{down}&limit=2")).json()
        rest = await client.get(f"{down}&cursor={first['nextCursor']}")
        assert first["entities"] + rest.json()["entities"] == upwards[::-1]
        assert rest.json()["nextCursor"] is None


async def test_limits_that_no_trunk_is_within_are_advised_on() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client, regions=["mars", "us-east"])
        answer = await client.patch(f"{USERS}/{bob['id']}", json={"carriers": ["acne"]})
    assert "no trunk has the region" in str(bob["advice"])
    assert [each["detail"].split(";")[0] for each in answer.json()["advice"]] == [
        'no trunk has the carrier "acne" now',
        'no trunk has the region "mars" now',
    ]


async def test_two_administrators_do_not_overwrite_each_other() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client)
        path = f"{USERS}/{bob['id']}"
        etag = (await client.get(path)).headers["etag"]
        for display_name, status in (("Bob", 200), ("Robert", 412)):
            answer = await client.patch(
                path, json={"displayName": display_name}, headers={"if-match": etag}
            )
            assert answer.status_code == status
        assert (await client.get(path)).json()["displayName"] == "Bob"
        gone = await client.delete(path, headers={"if-match": etag})
        assert gone.status_code == 412
        known = (await client.get(path)).headers["etag"]
        assert (await client.get(path, headers={"if-none-match": known})).status_code == 304
        assert (await client.delete(path, headers={"if-match": known})).status_code == 204
        assert (await client.get(path)).status_code == 404


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"name": "two words"}, "body.name"),
        ({"name": ""}, "body.name"),
        ({"name": "-x"}, "body.name"),
        ({"name": "line\nbreak"}, "body.name"),
        ({"email": "nobody"}, "body.email"),
        ({"password": "short"}, "body.password"),
        ({"password": "bob bob bob!"}, "body.password"),
        ({"roles": "operations"}, "body.roles"),
        ({"nonsense": 1}, "body.nonsense"),
        ({"password": PASSWORD, "providerOnly": True}, "body.password"),
    ],
    ids=str,
)
async def test_what_is_wrong_with_a_user_is_named(members: dict[str, object], field: str) -> None:
    async with running() as world, world.client() as client:
        answer = await client.post(USERS, json={**BOB, **members})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize("member", ["name", "roles", "enabled", "mustChangePassword"])
async def test_what_everybody_has_cannot_be_taken_away(member: str) -> None:
    async with running() as world, world.client() as client:
        bob = await made(client)
        answer = await client.patch(f"{USERS}/{bob['id']}", json={member: None})
        assert answer.status_code == 422


async def test_what_others_have_already_is_a_conflict() -> None:
    async with running() as world, world.client() as client:
        await made(client)
        for members in (
            {"name": "BOB", "email": None},
            {"name": "x"},
            {"name": "y", "email": None, "roles": ["nonsense"]},
        ):
            answer = await client.post(USERS, json={**BOB, **members})
            assert answer.status_code == 409


async def test_the_last_administrator_stays() -> None:
    async with running() as world, world.client() as client:
        root = await made(client, name="root", roles=[ADMINISTRATOR])
        path = f"{USERS}/{root['id']}"
        for answer in (
            await client.delete(path),
            await client.patch(path, json={"enabled": False}),
            await client.patch(path, json={"roles": ["engineer"]}),
        ):
            assert answer.status_code == 409
            assert "last administrator" in answer.json()["detail"]


async def test_nobody_gives_what_they_do_not_have() -> None:
    async with running(world=World(gate=None)) as world:
        machine_client = world.client()
        machine_client.headers.update(bearer(MACHINE_TOKEN))
        async with machine_client as client:
            root = await made(client, name="root", roles=[ADMINISTRATOR])
            await client.post(
                ROLES, json={"id": "desk", "permissions": ["users:view", "users:edit"]}
            )
        async with as_user(world, "desk") as desk:
            path = f"{USERS}/{root['id']}"
            for answer in (
                await desk.post(USERS, json={"name": "eve", "roles": [ADMINISTRATOR]}),
                await desk.post(USERS, json={"name": "eve", "roles": ["operations"]}),
                await desk.put(
                    f"{path}/password", json={"password": PASSWORD, "currentPassword": PASSWORD}
                ),
                await desk.patch(path, json={"enabled": False}),
                await desk.delete(path),
                await desk.delete(f"{path}/sessions"),
                await desk.post(ROLES, json={"id": "r", "permissions": ["license:edit"]}),
                await desk.patch(
                    f"{ROLES}/desk", json={"permissions": ["users:edit", "audit:view"]}
                ),
            ):
                assert answer.status_code == 403, answer.request.url
                assert "does not have" in answer.json()["detail"]
            assert (await desk.post(USERS, json={"name": "eve", "roles": ["desk"]})).is_success


@pytest.mark.parametrize("member", ["name", "email", "roles", "regions", "carriers", "password"])
async def test_how_somebody_gets_in_is_changed_by_who_proves_to_be_there(member: str) -> None:
    async with (
        running(world=World(gate=None)) as world,
        as_user(world, ADMINISTRATOR) as client,
        world.client() as machine_client,
    ):
        wanted = User(id="", name="bob", roles=("operations",))
        bob, _ = await world.access.people.users.create(wanted, PASSWORD, machine())
        path, body = f"{USERS}/{bob.id}", {member: ["x"] if member.endswith("s") else "x@y"}
        send = client.patch
        if member == "password":
            path, body, send = f"{path}/password", {}, client.put
        for given in ({}, {"currentPassword": "a wrong password"}):
            refused = await send(path, json={**body, **given})
            assert refused.status_code == 403
            assert "currentPassword" in refused.json()["detail"]
        assert world.access.people.users.get(bob.id) == bob
        if member == "roles":
            body = {"roles": ["auditor"]}
        assert (await send(path, json={**body, "currentPassword": PASSWORD})).is_success
        program = await machine_client.patch(
            f"{USERS}/{bob.id}", json={"roles": []}, headers=bearer(MACHINE_TOKEN)
        )
        assert program.is_success


async def test_guessing_at_ones_own_password_in_a_stolen_session_is_slowed_down() -> None:
    async with (
        running(world=World(gate=None)) as world,
        as_user(world, ADMINISTRATOR) as client,
    ):
        bob, _ = await world.access.people.users.create(User(id="", name="bob"), None, machine())
        body = {"roles": [], "currentPassword": "a wrong password"}
        path = f"{USERS}/{bob.id}"
        statuses = [(await client.patch(path, json=body)).status_code for _ in range(8)]
        assert statuses == [403] * 5 + [429] * 3
        # Nothing of how they get in: an emergency, in which nobody looks for a password.
        assert (await client.patch(path, json={"enabled": False})).is_success


async def test_who_has_to_change_their_password_is_not_let_off_by_others() -> None:
    async with running() as world, world.client() as client:
        bob = await made(client)
        assert bob["passwordEnds"] == 1_700_000_000_000 + 72 * 3600 * 1000
        refused = await client.patch(f"{USERS}/{bob['id']}", json={"mustChangePassword": False})
        assert refused.status_code == 409
        assert "password of their own" in refused.json()["detail"]


async def test_who_is_limited_to_a_region_changes_no_users() -> None:
    async with (
        running(world=World(gate=None)) as world,
        as_user(world, ADMINISTRATOR) as client,
    ):
        users = world.access.people.users
        me = users.named("somebody")
        assert me is not None
        await users.create(User(id="", name="root", roles=(ADMINISTRATOR,)), None, machine())
        path = f"{USERS}/{me.id}"
        limited = {"regions": ["eu"], "currentPassword": PASSWORD}
        assert (await client.patch(path, json=limited)).status_code == 200
        for place in (USERS, path):
            refused = await client.get(place)
            assert refused.status_code == 403
            assert "limited" in refused.json()["detail"]


async def test_a_new_password_from_an_administrator_signs_out_and_has_to_be_changed() -> None:
    async with (
        running(world=World(gate=None)) as world,
        world.client() as client,
        as_user(world, "operations") as theirs,
    ):
        me = world.access.people.users.named("somebody")
        assert me is not None
        path = f"{USERS}/{me.id}/password"
        answer = await client.put(path, json={}, headers=bearer(MACHINE_TOKEN))
        assert answer.status_code == 200
        assert (await theirs.get(SESSION)).status_code == 401
        body = {"name": "somebody", "password": answer.json()["oneTimePassword"]}
        assert (await theirs.post(SESSION, json=body)).json()["mustChangePassword"] is True


@pytest.mark.parametrize("how", ["disable", "delete", "sign out"])
async def test_what_an_administrator_ends_is_over_at_once(how: str) -> None:
    async with running(world=World(gate=None)) as world, world.client() as client:
        client.headers.update(bearer(MACHINE_TOKEN))
        async with as_user(world, "operations") as theirs:
            me = world.access.people.users.named("somebody")
            assert me is not None
            path = f"{USERS}/{me.id}"
            assert (await theirs.get(SESSION)).status_code == 200
            match how:
                case "disable":
                    answer = await client.patch(path, json={"enabled": False})
                case "delete":
                    answer = await client.delete(path)
                case _:
                    answer = await client.delete(f"{path}/sessions")
            assert answer.is_success
            assert (await theirs.get(SESSION)).status_code == 401


# --- roles -----------------------------------------------------------------------------------


async def test_four_roles_are_there_already() -> None:
    async with running() as world, world.client() as client:
        listed = (await client.get(ROLES)).json()["entities"]
        assert {each["id"]: each["builtIn"] for each in listed} == dict.fromkeys(
            ("administrator", "auditor", "engineer", "operations"), True
        )
        for answer in (
            await client.patch(f"{ROLES}/operations", json={"name": "Ops"}),
            await client.delete(f"{ROLES}/operations"),
        ):
            assert answer.status_code == 409


async def test_a_role_of_ones_own_counts_at_once_for_who_has_it() -> None:
    async with running(world=World(gate=None)) as world, world.client() as client:
        client.headers.update(bearer(MACHINE_TOKEN))
        body = {"id": "watch", "name": "Watch", "permissions": ["telephony:trunk:view"]}
        answer = await client.post(ROLES, json=body)
        assert answer.status_code == 201
        etag = answer.headers["etag"]
        async with as_user(world, "watch") as theirs:
            assert (await theirs.get("/api/v2/telephony/trunks")).status_code == 200
            patch = {"permissions": ["audit:view"], "description": "Reads the audit."}
            changed = await client.patch(f"{ROLES}/watch", json=patch, headers={"if-match": etag})
            assert changed.status_code == 200
            assert (await theirs.get("/api/v2/telephony/trunks")).status_code == 403
        assert (
            await client.patch(f"{ROLES}/watch", json=patch, headers={"if-match": etag})
        ).status_code == 412
        assert (await client.delete(f"{ROLES}/watch")).status_code == 409


async def test_a_role_that_nobody_has_can_be_deleted() -> None:
    async with running() as world, world.client() as client:
        body = {"id": "watch", "permissions": []}
        assert (await client.post(ROLES, json=body)).status_code == 201
        assert (await client.post(ROLES, json=body)).status_code == 409
        assert (await client.delete(f"{ROLES}/watch")).status_code == 204
        assert (await client.get(f"{ROLES}/watch")).status_code == 404


@pytest.mark.parametrize("permissions", [["nonsense"], "users:view", None])
async def test_a_permission_that_there_is_not_is_named(permissions: object) -> None:
    async with running() as world, world.client() as client:
        answer = await client.post(ROLES, json={"id": "r", "permissions": permissions})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"].startswith("body.permissions")
