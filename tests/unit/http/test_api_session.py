"""Signing in over HTTP: the cookie, the token beside it, and what a one-time password may do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import httpx2
import pytest

from access_world import access_over
from oidc_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, OpenIdProvider
from trunkpulse.access import Permission
from trunkpulse.access.roles import ADMINISTRATOR
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.oidc.asking import Asking
from trunkpulse.config.access_settings import OidcSettings
from unit.http.api_world import BASE, World, running

PASSWORD = "three old trombones"
OTHER_PASSWORD = "four new bassoons"
SESSION = "/api/v2/session"
TRUNKS = "/api/v2/telephony/trunks"
THERE = "198.51.100.7"


def browser(world: World, *, base: str = BASE, address: str = "127.0.0.1") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=world.app, client=(address, 50_000))
    return httpx2.AsyncClient(transport=transport, base_url=base)


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    """With alice, who may do everything, and harry, who watches."""
    async with running(world=World(gate=None)) as world:
        users = world.access.people.users
        for name, role in (("alice", ADMINISTRATOR), ("harry", "operations")):
            await users.create(User(id="", name=name, roles=(role,)), PASSWORD, machine())
        yield world


async def sign_in(
    client: httpx2.AsyncClient, name: str = "alice", password: str = PASSWORD
) -> httpx2.Response:
    return await client.post(SESSION, json={"name": name, "password": password})


async def signed_in(client: httpx2.AsyncClient, name: str = "alice") -> dict[str, str]:
    """The header that each change needs."""
    answer = await sign_in(client, name)
    assert answer.status_code == 200
    return {"x-csrf-token": answer.json()["csrfToken"]}


async def test_who_signs_in_may_do_what_their_role_allows() -> None:
    async with a_world() as world, browser(world) as client:
        assert (await client.get(TRUNKS)).status_code == 401
        csrf = await signed_in(client, "harry")
        assert (await client.get(TRUNKS)).status_code == 200
        refused = await client.post(f"{TRUNKS}/carrier-a/disable", headers=csrf)
        assert refused.status_code == 403
        assert "telephony:trunk:edit" in refused.json()["detail"]


async def test_who_one_is_and_what_one_may() -> None:
    async with a_world() as world, browser(world) as client:
        answer = await sign_in(client, "harry")
        who = (await client.get(SESSION)).json()
        assert who == answer.json()
        assert who["kind"] == "user"
        assert who["name"] == "harry"
        assert who["permissions"] == sorted(
            [Permission.TRUNK_VIEW, Permission.STREAM_READ, Permission.ROUTE_VIEW]
        )
        assert who["expires"] == 1_700_000_000_000 + 12 * 3600 * 1000


async def test_the_cookie_is_kept_from_scripts_and_other_sites() -> None:
    async with a_world() as world, browser(world) as client:
        cookie = (await sign_in(client)).headers["set-cookie"]
        assert cookie.startswith("trunkpulse_session=")
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert "Secure" not in cookie


async def test_over_tls_the_cookie_goes_over_nothing_else() -> None:
    async with a_world() as world, browser(world, base="https://127.0.0.1:8080") as client:
        answer = await sign_in(client)
        cookie = answer.headers["set-cookie"]
        assert cookie.startswith("__Host-trunkpulse_session=")
        assert "Secure" in cookie
        assert (await client.get(TRUNKS)).status_code == 200


async def test_a_change_without_the_sessions_token_is_refused() -> None:
    async with a_world() as world, browser(world) as client:
        csrf = await signed_in(client)
        path = f"{TRUNKS}/carrier-a/disable"
        for headers in ({}, {"x-csrf-token": "x" * 43}):
            refused = await client.post(path, headers=headers)
            assert refused.status_code == 403
            assert "X-CSRF-Token" in refused.json()["detail"]
        assert (await client.post(path, headers=csrf)).status_code == 200


async def test_signing_in_again_is_another_session() -> None:
    async with a_world() as world, browser(world) as client:
        client.cookies.set("trunkpulse_session", "x" * 43, domain="127.0.0.1")  # planted
        await sign_in(client)
        first = client.cookies["trunkpulse_session"]
        assert first != "x" * 43
        await sign_in(client)
        assert client.cookies["trunkpulse_session"] != first


async def test_signing_in_ends_the_session_that_the_browser_had_and_no_other() -> None:
    async with a_world() as world, browser(world) as here, browser(world) as there:
        await signed_in(here)
        await signed_in(there)
        former = {"cookie": f"trunkpulse_session={here.cookies['trunkpulse_session']}"}
        await signed_in(here, "harry")
        async with browser(world) as whoever:
            assert (await whoever.get(TRUNKS, headers=former)).status_code == 401
        assert (await here.get(SESSION)).json()["name"] == "harry"
        assert (await there.get(TRUNKS)).status_code == 200


async def test_a_sign_in_that_is_refused_ends_nothing() -> None:
    async with a_world() as world, browser(world) as client:
        await signed_in(client)
        assert (await sign_in(client, "alice", "a wrong password")).status_code == 401
        assert (await client.get(TRUNKS)).status_code == 200


async def test_signing_out_ends_the_session_for_whoever_has_the_cookie() -> None:
    async with a_world() as world, browser(world) as client:
        csrf = await signed_in(client)
        cookie = client.cookies["trunkpulse_session"]
        gone = await client.delete(SESSION, headers=csrf)
        assert gone.status_code == 204
        assert 'trunkpulse_session=""' in gone.headers["set-cookie"]
        again = await client.get(TRUNKS, headers={"cookie": f"trunkpulse_session={cookie}"})
        assert again.status_code == 401
        assert "sign in again" in again.json()["detail"]


@pytest.mark.parametrize(("name", "password"), [("alice", "wrong"), ("eve", PASSWORD)])
async def test_what_is_wrong_is_not_told(name: str, password: str) -> None:
    async with a_world() as world, browser(world) as client:
        answer = await sign_in(client, name, password)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["detail"] == "The name or the password is wrong."
        assert "set-cookie" not in answer.headers


async def test_whoever_guesses_waits_and_the_true_user_elsewhere_does_not() -> None:
    async with a_world() as world, browser(world) as guesser, browser(world, address=THERE) as true:
        statuses = [(await sign_in(guesser, password=f"guess {n}")).status_code for n in range(50)]
        assert statuses == [401] * 5 + [429] * 45
        refused = await sign_in(guesser)
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert (await guesser.get("/healthz")).status_code == 200
        assert (await sign_in(true)).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": "alice"},
        {"name": "alice", "password": "x" * 1025},
        {"name": "x" * 257, "password": "x"},
        {"name": 1, "password": "x"},
        {"name": "alice", "password": PASSWORD, "more": 1},
    ],
)
async def test_what_cannot_be_a_password_is_not_looked_at_nor_repeated(body: object) -> None:
    async with a_world() as world, browser(world) as client:
        before = world.access.people.hashing.computed
        answer = await client.post(SESSION, json=body)
        assert answer.status_code == 422
        assert PASSWORD not in answer.text
        assert world.access.people.hashing.computed == before


async def test_a_one_time_password_is_good_for_nothing_but_changing_it() -> None:
    async with a_world() as world, browser(world) as client:
        wanted = User(id="", name="new", roles=(ADMINISTRATOR,))
        _, made = await world.access.people.users.create(wanted, None, machine(), one_time=True)
        assert made is not None
        answer = await sign_in(client, "new", made)
        assert answer.json()["mustChangePassword"] is True
        csrf = {"x-csrf-token": answer.json()["csrfToken"]}
        for method, path in (
            ("GET", TRUNKS),
            ("POST", f"{TRUNKS}/carrier-a/disable"),
            ("GET", f"{SESSION}/all"),
            ("GET", "/api/v2/users"),
        ):
            refused = await client.request(method, path, headers=csrf)
            assert refused.status_code == 403
            assert "PUT /api/v2/session/password" in refused.json()["detail"]
        assert (await client.get(SESSION)).status_code == 200
        body = {"password": made, "newPassword": OTHER_PASSWORD}
        changed = await client.put(f"{SESSION}/password", json=body, headers=csrf)
        assert changed.status_code == 200
        assert changed.json()["mustChangePassword"] is False
        assert (await client.get(TRUNKS)).status_code == 200


async def test_a_new_password_signs_out_everywhere_else() -> None:
    async with a_world() as world, browser(world) as here, browser(world) as there:
        csrf = await signed_in(here)
        await signed_in(there)
        body = {"password": PASSWORD, "newPassword": OTHER_PASSWORD}
        assert (await here.put(f"{SESSION}/password", json=body, headers=csrf)).status_code == 200
        assert (await here.get(TRUNKS)).status_code == 200
        assert (await there.get(TRUNKS)).status_code == 401


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        (
            {"password": "wrong", "newPassword": OTHER_PASSWORD},
            403,
            "The present password is wrong.",
        ),
        ({"password": PASSWORD, "newPassword": "short"}, 422, "at least 12 characters"),
        ({"password": PASSWORD, "newPassword": "password1234"}, 422, "tried first"),
        ({"password": PASSWORD, "newPassword": PASSWORD}, 422, "take another"),
    ],
)
async def test_why_a_password_is_not_changed(body: object, status: int, said: str) -> None:
    async with a_world() as world, browser(world) as client:
        csrf = await signed_in(client)
        answer = await client.put(f"{SESSION}/password", json=body, headers=csrf)
        assert answer.status_code == status
        assert said in answer.json()["detail"]
        if status == 422:
            assert answer.json()["errors"][0]["field"] == "body.newPassword"
        assert (await client.get(TRUNKS)).status_code == 200


async def test_ones_own_sessions_can_be_seen_and_ended() -> None:
    async with a_world() as world, browser(world) as here, browser(world, address=THERE) as there:
        csrf = await signed_in(here)
        world.clock.seconds += 1
        await signed_in(there)
        world.clock.seconds += 1
        listed = (await here.get(f"{SESSION}/all")).json()["entities"]
        assert [(each["address"], each["current"]) for each in listed] == [
            ("127.0.0.1", True),
            (THERE, False),
        ]
        other = listed[1]["id"]
        assert (await here.delete(f"{SESSION}/all/{other}", headers=csrf)).status_code == 204
        assert (await here.delete(f"{SESSION}/all/{other}", headers=csrf)).status_code == 404
        assert (await there.get(TRUNKS)).status_code == 401


async def test_nobody_ends_somebody_elses_session_by_its_id() -> None:
    async with a_world() as world, browser(world) as alice, browser(world) as harry:
        await signed_in(alice)
        csrf = await signed_in(harry, "harry")
        session = (await alice.get(f"{SESSION}/all")).json()["entities"][0]["id"]
        assert (await harry.delete(f"{SESSION}/all/{session}", headers=csrf)).status_code == 404
        assert (await alice.get(TRUNKS)).status_code == 200


async def test_nobody_signs_in_while_the_database_is_away_but_sessions_go_on() -> None:
    async with a_world() as world, browser(world) as client, browser(world) as late:
        await signed_in(client)
        assert (await client.get(TRUNKS)).status_code == 200
        world.store.plugged = False
        assert (await client.get(TRUNKS)).status_code == 200
        refused = await sign_in(late)
        assert refused.status_code == 503
        assert "set-cookie" not in refused.headers


# --- by a provider ---------------------------------------------------------------------------


OIDC = OidcSettings(issuer=ISSUER, client_id=CLIENT_ID, client_secret=CLIENT_SECRET)


@asynccontextmanager
async def with_provider(
    settings: OidcSettings = OIDC,
) -> AsyncIterator[tuple[World, OpenIdProvider]]:
    world = World(gate=None)
    provider = OpenIdProvider(world.clock.wall)
    oidc = OidcProvider(settings, Asking(provider), world.clock)
    world.access = access_over(world.store, world.clock, oidc=oidc)
    async with running(world=world):
        wanted = User(id="", name="alice", roles=("operations",), email="alice@example.com")
        await world.access.people.users.create(wanted, None, machine())
        yield world, provider


async def come_back(client: httpx2.AsyncClient, provider: OpenIdProvider) -> httpx2.Response:
    away = await client.get(f"{SESSION}/oidc/start", params={"page": "/trunks"})
    assert away.status_code == 303
    assert "SameSite=lax" in away.headers["set-cookie"]
    assert "HttpOnly" in away.headers["set-cookie"]
    return await client.get(provider.sign_in(away.headers["location"]))


async def test_the_provider_signs_in_and_sends_on_to_our_own_page() -> None:
    async with with_provider() as (world, provider), browser(world) as client:
        back = await come_back(client, provider)
        assert back.status_code == 303
        assert back.headers["location"] == "/trunks"
        assert (await client.get(SESSION)).json()["name"] == "alice"
        assert "trunkpulse_oidc" not in client.cookies


async def test_the_provider_ends_the_session_that_the_browser_set_out_with() -> None:
    async with with_provider() as (world, provider), browser(world) as client:
        await come_back(client, provider)
        former = client.cookies["trunkpulse_session"]
        away = await client.get(f"{SESSION}/oidc/start")
        # With a request that the provider's page began, a browser sends no strict cookie.
        client.cookies.delete("trunkpulse_session")
        back = await client.get(provider.sign_in(away.headers["location"]))
        assert back.status_code == 303
        assert client.cookies["trunkpulse_session"] != former
        async with browser(world) as whoever:
            headers = {"cookie": f"trunkpulse_session={former}"}
            assert (await whoever.get(TRUNKS, headers=headers)).status_code == 401


async def test_no_page_of_another_site_has_a_browser_begin_to_sign_in() -> None:
    async with with_provider() as (world, _), browser(world) as client:
        start = f"{SESSION}/oidc/start"
        refused = await client.get(start, headers={"sec-fetch-site": "cross-site"})
        assert refused.status_code == 403
        assert "Another site" in refused.json()["detail"]
        assert "set-cookie" not in refused.headers
        for site in ("none", "same-origin", "same-site"):
            begun = await client.get(start, headers={"sec-fetch-site": site})
            assert begun.status_code == 303


async def test_an_answer_is_good_in_the_browser_that_asked_alone() -> None:
    async with (
        with_provider() as (world, provider),
        browser(world) as client,
        browser(world) as other,
    ):
        away = await client.get(f"{SESSION}/oidc/start")
        back = provider.sign_in(away.headers["location"])
        refused = await other.get(back)
        assert refused.status_code == 403
        assert "set-cookie" not in refused.headers
        assert (await client.get(back)).status_code == 303
        assert (await client.get(back)).status_code == 403


async def test_whom_nobody_made_a_user_is_told_whom_to_ask() -> None:
    async with with_provider() as (world, provider), browser(world) as client:
        provider.person["email"] = "eve@example.com"
        refused = await come_back(client, provider)
        assert refused.status_code == 403
        assert "ask an administrator" in refused.json()["detail"]


async def test_groups_of_the_provider_make_a_user_where_that_is_allowed() -> None:
    settings = replace(OIDC, roles={"noc": ("engineer",)}, allow_signup=True)
    async with (
        with_provider(settings) as (world, provider),
        browser(world) as client,
    ):
        provider.person.update({"email": "eve@example.com", "groups": ["noc"]})
        assert (await come_back(client, provider)).status_code == 303
        who = (await client.get(SESSION)).json()
        assert who["name"] == "alice.smith"
        assert "telephony:trunk:edit" in who["permissions"]


async def test_a_provider_that_is_away_is_a_503() -> None:
    async with with_provider() as (world, provider), browser(world) as client:
        provider.away = True
        answer = await client.get(f"{SESSION}/oidc/start")
        assert answer.status_code == 503
        assert "OIDC provider" in answer.json()["detail"]


async def test_without_a_provider_there_is_none() -> None:
    async with a_world() as world, browser(world) as client:
        assert (await client.get(f"{SESSION}/oidc")).json() == {
            "enabled": False,
            "displayName": None,
            "start": None,
        }
        for path in ("start", "callback"):
            assert (await client.get(f"{SESSION}/oidc/{path}")).status_code == 404


async def test_what_the_provider_is_called_is_for_everybody() -> None:
    settings = replace(OIDC, display_name="NOC login")
    async with with_provider(settings) as (world, _), browser(world) as client:
        answer = (await client.get(f"{SESSION}/oidc")).json()
        assert (answer["enabled"], answer["displayName"]) == (True, "NOC login")
        assert CLIENT_SECRET not in str(answer)
