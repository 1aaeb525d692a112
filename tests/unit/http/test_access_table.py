"""Every route, asked by everybody there can be: each gets what the route declares, and no more.

The rows are the routes of the whole application, the columns whoever may ask: nobody, a token of
each scope, of all and of none, somebody with each of the roles that are there already, and those
whom something else keeps out. What is expected follows from the declaration alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx2
from fastapi import APIRouter

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.access import UNLIMITED, Limits, Permission
from trunkpulse.access.roles import BUILT_IN_ROLES
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.admission import only_if_declared
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.http.api.route_table import RouteAccess, route_table
from trunkpulse.admission.clients import ClientDraft
from unit.http.api_world import World, running

PASSWORD = "three old trombones"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
SIGN_OUT = ("DELETE", "/api/v2/session")
UNREFUSED = frozenset({503})
"""What the live feed answers, which is closed here because it would not end."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Caller:
    """Somebody who asks, and what is true of them."""

    may: frozenset[Permission] = frozenset()
    proved: bool = True
    limited: bool = False
    must_change_password: bool = False
    forged: bool = False
    """A page of another site sends their cookie along."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def expected(self, row: RouteAccess) -> int | None:
        """The status that they are refused with; None: they get in."""
        declared = row.declared
        assert declared is not None
        if declared.public:
            return None
        if not self.proved:
            return 401
        kept_out = (
            (self.forged and row.method not in SAFE)
            or (self.must_change_password and not declared.before_new_password)
            or (declared.permission is not None and declared.permission not in self.may)
            or (self.limited and declared.refuses_limited)
        )
        return 403 if kept_out else None


def refusal(answer: httpx2.Response) -> int | None:
    """The status that admission refused with; None: it let the request through."""
    if answer.status_code == 401 and "Bearer" in answer.headers.get("www-authenticate", ""):
        return 401
    return 403 if answer.status_code == 403 else None


async def test_every_route_declares_who_may_use_it() -> None:
    async with running() as world:
        rows = list(route_table(world.app))
        undeclared = [(row.method, row.path) for row in rows if row.declared is None]
        assert undeclared == []
        declared = {row.declared.permission for row in rows if row.declared is not None}
        assert declared == {*Permission, None}
        assert len({(row.method, row.path) for row in rows}) == len(rows)


async def test_a_route_that_declares_nothing_refuses_even_who_may_do_everything() -> None:
    router = APIRouter()

    @router.get("/api/v2/forgotten")
    async def forgotten() -> str:
        return "anything"

    async with running(world=World(gate=None)) as world, world.client() as http:
        world.app.include_router(router, dependencies=[only_if_declared()])
        answer = await http.get("/api/v2/forgotten", headers=bearer(MACHINE_TOKEN))
        assert answer.status_code == 403
        assert "does not declare who may use it" in answer.json()["detail"]
        [row] = [row for row in route_table(world.app) if row.path == "/api/v2/forgotten"]
        assert row.declared is None


async def test_a_token_opens_what_its_scopes_say() -> None:
    async with running(world=World(gate=None)) as world:
        for permission in Permission:
            await try_all(world, await client(world, frozenset({permission})))
        await try_all(world, await client(world, frozenset(Permission)))
        await try_all(world, await client(world, frozenset()))


async def test_who_is_limited_is_refused_where_all_trunks_are_concerned() -> None:
    async with running(world=World(gate=None)) as world:
        for limits in (Limits(regions=frozenset({"eu"})), Limits(carriers=frozenset({"acme"}))):
            await try_all(world, await client(world, frozenset(Permission), limits))


async def test_nobody_gets_in_but_where_everybody_does() -> None:
    async with running(world=World(gate=None)) as world:
        await try_all(world, Caller(proved=False))


async def test_a_token_that_is_no_good_is_as_none() -> None:
    async with running(world=World(gate=None)) as world:
        for token in ("nonsense", f"{MACHINE_TOKEN}x", "e30.e30.e30"):
            await try_all(world, Caller(proved=False, headers=bearer(token)))


async def test_the_machines_own_token_opens_everything() -> None:
    async with running(world=World(gate=None)) as world:
        headers = bearer(MACHINE_TOKEN)
        await try_all(world, Caller(may=frozenset(Permission), headers=headers))


async def test_a_person_may_do_what_their_role_says() -> None:
    async with running(world=World(gate=None)) as world:
        for role in BUILT_IN_ROLES:
            headers = await signed_in(world, f"the-{role.id}", role.id)
            await try_all(world, Caller(may=role.permissions, headers=headers))
        await try_all(world, Caller(headers=await signed_in(world, "nobody-yet")))


async def test_another_site_cannot_change_anything_by_a_persons_cookie() -> None:
    async with running(world=World(gate=None)) as world:
        headers = await signed_in(world, "ada", "administrator")
        del headers["x-csrf-token"]
        await try_all(world, Caller(may=frozenset(Permission), forged=True, headers=headers))


async def test_with_a_password_to_be_used_once_one_can_but_change_it() -> None:
    async with running(world=World(gate=None)) as world:
        headers = await signed_in(world, "ada", "administrator", one_time=True)
        await try_all(
            world, Caller(may=frozenset(Permission), must_change_password=True, headers=headers)
        )


async def try_all(world: World, caller: Caller) -> None:
    """Every route as ``caller``, with nothing in the request that could make it do something."""
    world.feed.close()
    world.clock.seconds += 60  # whoever asked before must not have used up what these may ask
    rows = sorted(route_table(world.app), key=lambda row: (row.method, row.path) == SIGN_OUT)
    assert len(rows) > 50
    wrong: dict[tuple[str, Caller], int] = {}
    async with world.client() as http:
        for row in rows:
            empty: dict[str, object] | None = (
                None if row.method in SAFE or row.method == "DELETE" else {}
            )
            path = re.sub(r"\{\w+\}", "nothing", row.path)
            answer = await http.request(row.method, path, headers=dict(caller.headers), json=empty)
            http.cookies.clear()
            broken = answer.status_code >= 500 and answer.status_code not in UNREFUSED
            if broken or refusal(answer) != caller.expected(row):
                wrong[f"{row.method} {row.path}", caller] = answer.status_code
    assert wrong == {}


async def client(
    world: World, permissions: frozenset[Permission], limits: Limits = UNLIMITED
) -> Caller:
    """A machine with a token of these scopes, whose client may do everything within ``limits``."""
    name = f"client-{len(world.access.clients.all)}"
    draft = ClientDraft(name=name, permissions=frozenset(Permission), limits=limits)
    made = await world.access.clients.create(draft, machine())
    token = world.access.tokens.issue(made.client, permissions).text
    return Caller(may=permissions, limited=bool(limits), headers=bearer(token))


async def signed_in(world: World, name: str, *roles: str, one_time: bool = False) -> dict[str, str]:
    """The headers of a person who has signed in with a browser."""
    password = None if one_time else PASSWORD
    _, made = await world.access.people.users.create(
        User(id="", name=name, roles=roles), password, machine(), one_time=one_time
    )
    async with world.client() as http:
        answer = await http.post(
            "/api/v2/session", json={"name": name, "password": made or PASSWORD}
        )
        assert answer.status_code == 200, answer.text
        cookie = "; ".join(f"{key}={value}" for key, value in http.cookies.items())
    return {"cookie": cookie, "x-csrf-token": answer.json()["csrfToken"]}
