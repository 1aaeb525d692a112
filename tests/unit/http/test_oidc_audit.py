"""What the word of a provider makes of users is in the audit, also where it lets nobody in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx2

from access_world import access_over
from oidc_provider import CLIENT_ID, CLIENT_SECRET, ISSUER, OpenIdProvider
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.gate import machine
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.oidc.asking import Asking
from trunkpulse.config.access_settings import OidcSettings
from unit.http.api_world import World, running

START = "/api/v2/session/oidc/start"
SETTINGS = OidcSettings(
    issuer=ISSUER,
    client_id=CLIENT_ID,
    client_secret=CLIENT_SECRET,
    roles={"root": ("administrator",), "noc": ("operations",)},
    allow_signup=True,
)


@dataclass
class Scene:
    world: World
    provider: OpenIdProvider

    async def come_back(self) -> int:
        async with self.world.client() as browser:
            away: httpx2.Response = await browser.get(START)
            answer = await browser.get(self.provider.sign_in(away.headers["location"]))
            return answer.status_code

    async def acts(self) -> list[dict[str, Any]]:
        """What the provider did; nothing waits in memory for it."""
        entries = await self.world.store.read_audit(limit=1000)
        records = [json.loads(each.record) for each in entries]
        return [each for each in records if each["actor"]["id"] == "provider"]


@asynccontextmanager
async def a_scene() -> AsyncIterator[Scene]:
    world = World(gate=None)
    provider = OpenIdProvider(world.clock.wall)
    oidc = OidcProvider(SETTINGS, Asking(provider), world.clock)
    world.access = access_over(world.store, world.clock, oidc=oidc)
    async with running(world=world):
        yield Scene(world, provider)


async def test_a_user_that_sign_up_makes_is_recorded_with_their_roles() -> None:
    async with a_scene() as scene:
        scene.provider.person["groups"] = ["root"]
        assert await scene.come_back() == 303
        [act] = await scene.acts()
        [change] = act["changes"]
        assert (act["action"], act["outcome"]) == ("finish_oidc", "done")
        assert (act["actor"]["name"], act["actor"]["claimed"]) == ("the provider", "alice.smith")
        assert act["address"] == "127.0.0.1"
        assert (change["kind"], change["before"]) == ("user", None)
        assert change["after"]["roles"] == ["administrator"]
        assert change["id"] == change["after"]["id"] == act["object"]["id"]
        assert await scene.come_back() == 303
        assert len(await scene.acts()) == 1  # nothing has changed


async def test_a_user_that_the_provider_takes_over_by_their_address_is_recorded() -> None:
    async with a_scene() as scene:
        wanted = User(id="", name="boss", email="alice@example.com", roles=("administrator",))
        people = scene.world.access.people
        boss, _ = await people.users.create(wanted, "three old trombones", machine())
        assert await scene.come_back() == 303
        [act] = await scene.acts()
        [change] = act["changes"]
        assert change["id"] == boss.id
        assert (change["before"]["provider"], change["after"]["provider"]) == (None, ISSUER)


async def test_roles_that_the_provider_replaces_or_takes_away_are_recorded() -> None:
    async with a_scene() as scene:
        scene.provider.person["groups"] = ["root"]
        assert await scene.come_back() == 303
        # The last administrator cannot be made something else by the provider either.
        await scene.world.access.people.users.create(
            User(id="", name="other", roles=("administrator",)), None, machine()
        )
        scene.provider.person["groups"] = ["noc"]
        assert await scene.come_back() == 303
        scene.provider.person["groups"] = []
        assert await scene.come_back() == 403
        roles = [
            (change["before"] and change["before"]["roles"], change["after"]["roles"])
            for act in await scene.acts()
            for change in act["changes"]
        ]
        assert roles == [
            (None, ["administrator"]),
            (["administrator"], ["operations"]),
            (["operations"], []),
        ]


async def test_a_disabled_users_change_is_recorded_though_they_are_not_let_in() -> None:
    async with a_scene() as scene:
        scene.provider.person["groups"] = ["noc"]
        assert await scene.come_back() == 303
        users = scene.world.access.people.users
        [user] = users.all
        await users.change(user.id, lambda known: replace(known, enabled=False), machine())
        scene.provider.person["groups"] = ["noc", "root"]
        assert await scene.come_back() == 403
        change = (await scene.acts())[-1]["changes"][0]
        assert sorted(change["after"]["roles"]) == ["administrator", "operations"]


async def test_nothing_is_changed_that_cannot_be_recorded_any_more() -> None:
    async with a_scene() as scene:
        scene.provider.person["groups"] = ["root"]
        scene.world.access.ledger.most_waiting = 0
        assert await scene.come_back() == 503
        assert scene.world.access.people.users.all == ()
