"""Who signs in or gets a token is in the audit, and so is who tries to, by the name they claim."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from access_world import access_over
from oidc_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, OpenIdProvider
from trunkpulse.access import Permission
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.oidc.asking import Asking
from trunkpulse.admission.clients import ClientDraft
from trunkpulse.config.access_settings import OidcSettings
from unit.http.api_world import World, running

PASSWORD = "three old trombones"
SESSION = "/api/v2/session"
OIDC = OidcSettings(issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


async def with_alice(world: World) -> User:
    wanted = User(id="", name="alice", roles=("operations",), email="alice@example.com")
    user, _ = await world.access.people.users.create(wanted, PASSWORD, machine())
    return user


async def last_act(world: World) -> dict[str, Any]:
    """Refusals are written without anybody waiting for it."""
    await world.access.ledger.close()
    record: dict[str, Any] = json.loads((await world.store.read_audit(limit=100))[-1].record)
    assert PASSWORD not in str(record)
    return record


async def sign_in(http: httpx2.AsyncClient, name: str, password: str) -> int:
    answer = await http.post(SESSION, json={"name": name, "password": password})
    return answer.status_code


async def test_who_signs_in_by_a_password_is_recorded() -> None:
    async with running(world=World(gate=None)) as world, world.client() as http:
        alice = await with_alice(world)
        assert await sign_in(http, "ALICE", PASSWORD) == 200
        act = await last_act(world)
        assert (act["action"], act["outcome"]) == ("sign_in", "done")
        assert (act["actor"]["id"], act["actor"]["claimed"]) == (alice.id, "ALICE")
        [change] = act["changes"]
        assert (change["kind"], change["before"]) == ("session", None)


async def test_the_session_that_a_sign_in_ends_is_recorded_too() -> None:
    async with running(world=World(gate=None)) as world, world.client() as http:
        await with_alice(world)
        for _ in range(2):
            assert await sign_in(http, "alice", PASSWORD) == 200
        _, ended = (await last_act(world))["changes"]
        assert ended["kind"] == "session"
        assert (ended["before"], ended["after"]) == ({"user": "alice"}, None)


@pytest.mark.parametrize("name", ["alice", "nobody"])
async def test_who_does_not_know_the_password_is_recorded(name: str) -> None:
    async with running(world=World(gate=None)) as world, world.client() as http:
        await with_alice(world)
        assert await sign_in(http, name, "a wrong password") == 401
        act = await last_act(world)
        assert (act["action"], act["outcome"], act["status"]) == ("sign_in", "refused", 401)
        assert act["actor"]["claimed"] == name
        assert act["actor"]["id"] == ""


@pytest.mark.parametrize("outcome", ["done", "refused"])
async def test_a_client_that_asks_for_a_token_is_recorded(outcome: str) -> None:
    right = outcome == "done"
    async with running(world=World(gate=None)) as world, world.client() as http:
        draft = ClientDraft(name="grafana", permissions=frozenset({Permission.TRUNK_VIEW}))
        made = await world.access.clients.create(draft, machine())
        form = {
            "grant_type": "client_credentials",
            "client_id": made.client.id,
            "client_secret": made.text if right else "x" * 43,
        }
        await http.post("/oauth/token", data=form)
        act = await last_act(world)
        assert act["outcome"] == outcome
        assert act["actor"]["claimed"] == made.client.id
        assert act["actor"]["id"] == (made.client.id if right else "")
        assert made.text not in str(act)


@pytest.mark.parametrize(
    ("email", "outcome"), [("alice@example.com", "done"), ("eve@example.com", "refused")]
)
async def test_who_comes_from_the_provider_is_recorded(email: str, outcome: str) -> None:
    world = World(gate=None)
    provider = OpenIdProvider(world.clock.wall)
    provider.person["email"] = email
    oidc = OidcProvider(OIDC, Asking(provider), world.clock)
    world.access = access_over(world.store, world.clock, oidc=oidc)
    async with running(world=world), world.client() as http:
        alice = await with_alice(world)
        away = await http.get(f"{SESSION}/oidc/start")
        await http.get(provider.sign_in(away.headers["location"]))
        act = await last_act(world)
        assert (act["action"], act["outcome"]) == ("finish_oidc", outcome)
        assert act["actor"]["claimed"] == "alice.smith"
        assert act["actor"]["id"] == (alice.id if outcome == "done" else "")
