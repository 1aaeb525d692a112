from __future__ import annotations

from dataclasses import dataclass, replace
from http import HTTPStatus

import httpx2
import pytest
from fastapi import Request

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.config.settings import ApiSettings
from unit.http.api_world import BASE, World, running

TRUNKS = "/api/v2/telephony/trunks"


@dataclass
class NamedGate:
    """Whoever a header says; without one nobody."""

    kind: PrincipalKind = PrincipalKind.CLIENT

    async def principal(self, request: Request) -> Principal:
        name = request.headers.get("x-who")
        if name is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "Say who you are.")
        return Principal(
            kind=self.kind, id=name, name=name, permissions=frozenset({Permission.TRUNK_VIEW})
        )


def limited(burst: int = 20, *, kind: PrincipalKind = PrincipalKind.CLIENT) -> World:
    world = World(gate=NamedGate(kind))
    api = ApiSettings(requests_per_second=10.0, burst=burst)
    world.config = replace(world.config, api=api)
    return world


def who(name: str) -> dict[str, str]:
    return {"x-who": name}


async def test_each_answer_says_how_much_is_left() -> None:
    async with running(world=limited()) as world, world.client() as http:
        first = await http.get(TRUNKS, headers=who("a"))
        assert first.headers["ratelimit-policy"] == '"caller";q=20;w=2'
        assert first.headers["ratelimit"] == '"caller";r=19;t=1'
        refused = await http.post(f"{TRUNKS}/carrier-a/disable", headers=who("a"))
        assert refused.status_code == 403
        assert refused.headers["ratelimit"] == '"caller";r=18;t=1'


async def test_too_many_are_told_how_long_to_wait_and_then_it_is_enough() -> None:
    async with running(world=limited()) as world, world.client() as http:
        for _ in range(20):
            assert (await http.get(TRUNKS, headers=who("a"))).status_code == 200
        answer = await http.get(TRUNKS, headers=who("a"))
        assert answer.status_code == 429
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["ratelimit"] == '"caller";r=0;t=2'
        assert "wait 1 s" in answer.json()["detail"]
        # Others go on, also from the same address.
        assert (await http.get(TRUNKS, headers=who("b"))).status_code == 200
        world.clock.seconds += 1
        assert (await http.get(TRUNKS, headers=who("a"))).status_code == 200


async def test_whoever_has_not_proved_who_they_are_has_a_tenth_by_address() -> None:
    async with running(world=limited(30)) as world, world.client() as http:
        statuses = [(await http.get(TRUNKS)).status_code for _ in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        # What anybody may read is counted alike; whoever proves a right is not held up.
        public = await http.get("/api/v2/events/catalogue")
        assert public.status_code == 429
        assert public.headers["ratelimit-policy"] == '"address";q=3;w=3'
        assert (await http.get(TRUNKS, headers=who("a"))).status_code == 200


async def test_addresses_are_counted_apart_and_a_network_of_ipv6_together() -> None:
    async with running(world=limited(10)) as world:

        def client(address: str) -> httpx2.AsyncClient:
            transport = httpx2.ASGITransport(app=world.app, client=(address, 5000))
            return httpx2.AsyncClient(transport=transport, base_url=BASE)

        statuses: list[int] = []
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"):
            async with client(address) as http:
                statuses.append((await http.get(TRUNKS)).status_code)
        assert statuses == [401, 429, 401, 401, 429]


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
async def test_balancers_are_never_told_to_come_later(path: str) -> None:
    async with running(world=limited(1)) as world, world.client() as http:
        for _ in range(30):
            answer = await http.get(path)
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_commands_on_the_machine_itself_are_not_counted() -> None:
    machine = limited(1, kind=PrincipalKind.MACHINE)
    async with running(world=machine) as world, world.client() as http:
        for _ in range(30):
            answer = await http.get(TRUNKS, headers=who("machine"))
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers


async def test_what_is_not_there_is_counted_too() -> None:
    async with running(world=limited(30)) as world, world.client() as http:
        answers = [await http.get("/api/v2/nothing") for _ in range(3)]
        assert [each.status_code for each in answers] == [404, 404, 404]
        assert answers[-1].headers["ratelimit"] == '"address";r=0;t=3'
        assert (await http.get("/api/v2/events/catalogue")).status_code == 429


async def test_what_the_file_says_anew_counts_at_once() -> None:
    async with running(world=limited(20)) as world, world.client() as http:
        assert (await http.get(TRUNKS, headers=who("a"))).headers["ratelimit"].endswith("r=19;t=1")
        api = ApiSettings(requests_per_second=5.0, burst=10)
        world.config = replace(world.config, api=api)
        answer = await http.get(TRUNKS, headers=who("a"))
        assert answer.headers["ratelimit-policy"] == '"caller";q=10;w=2'
        assert answer.headers["ratelimit"] == '"caller";r=9;t=1'
        stranger = await http.get(TRUNKS)
        assert stranger.headers["ratelimit-policy"] == '"address";q=1;w=2'
