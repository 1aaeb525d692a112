"""A browser in which somebody has signed in is known again, whatever strangers do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from unit.http.api_world import BASE, World, running

PASSWORD = "three old trombones"
SESSION = "/api/v2/session"
HOME, HOTEL = "192.0.2.1", "203.0.113.9"


def browser(
    world: World, address: str, *, base: str = BASE, cookies: httpx2.Cookies | None = None
) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=world.app, client=(address, 50_000))
    return httpx2.AsyncClient(transport=transport, base_url=base, cookies=cookies)


@asynccontextmanager
async def a_world() -> AsyncIterator[World]:
    async with running(world=World(gate=None)) as world:
        alice = User(id="", name="alice", roles=("operations",))
        await world.access.people.users.create(alice, PASSWORD, machine())
        yield world


async def sign_in(client: httpx2.AsyncClient, password: str = PASSWORD) -> httpx2.Response:
    return await client.post(SESSION, json={"name": "alice", "password": password})


async def test_the_mark_is_kept_from_scripts_and_other_sites_and_stays_after_signing_out() -> None:
    async with a_world() as world, browser(world, HOME) as client:
        answer = await sign_in(client)
        [cookie] = [
            each
            for each in answer.headers.get_list("set-cookie")
            if each.startswith("trunkpulse_device=")
        ]
        for part in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=15552000"):
            assert part in cookie
        csrf = {"x-csrf-token": answer.json()["csrfToken"]}
        assert (await client.delete(SESSION, headers=csrf)).status_code == 204
        assert "trunkpulse_device" in client.cookies
        assert (await client.get(SESSION)).status_code == 401  # it opens nothing


async def test_over_tls_it_goes_over_nothing_else() -> None:
    async with a_world() as world, browser(world, HOME, base="https://127.0.0.1:8080") as client:
        await sign_in(client)
        assert "__Host-trunkpulse_device" in client.cookies


async def test_who_travels_with_their_browser_gets_in_while_strangers_guess() -> None:
    async with a_world() as world, browser(world, HOME) as home:
        await sign_in(home)
        mark = httpx2.Cookies({"trunkpulse_device": home.cookies["trunkpulse_device"]})
        for number in range(60):
            async with browser(world, f"2001:db8:0:{number:x}::1") as stranger:
                assert (await sign_in(stranger, "a wrong password")).status_code == 401
        async with (
            browser(world, HOTEL) as unknown,
            browser(world, HOTEL, cookies=mark) as known,
        ):
            assert (await sign_in(unknown)).status_code == 429
            assert (await sign_in(known)).status_code == 200
        assert (await sign_in(home)).status_code == 200


async def test_a_refused_sign_in_gives_no_mark() -> None:
    async with a_world() as world, browser(world, HOME) as client:
        refused = await sign_in(client, "a wrong password")
        assert refused.status_code == 401
        assert "set-cookie" not in refused.headers
