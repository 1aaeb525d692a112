"""The guard where others than this machine reach the API: names, proxies, origins, sizes."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.config.settings import ApiSettings, MetricsSettings
from unit.http.api_world import World, running

NAME = "trunkpulse.example.com"
PROXY = "10.0.0.1"
PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)
CONSOLE = "https://noc.example.com"
DISABLE = "/api/v2/telephony/trunks/carrier-b/disable"
TRUNKS = "/api/v2/telephony/trunks"


@asynccontextmanager
async def outside(
    *, listen_host: str = "0.0.0.0", peer: str = PROXY, world: World | None = None, **api: Any
) -> AsyncIterator[tuple[World, httpx2.AsyncClient]]:
    """A world that listens everywhere, and a client at ``peer`` that asks for its public name."""
    world = world or World(listen_host=listen_host)
    settings = ApiSettings(**{"hosts": (NAME,), "trusted_proxies": PROXIES, **api})
    world.config = replace(world.config, api=settings)
    async with running(world=world):
        transport = httpx2.ASGITransport(app=world.app, client=(peer, 4711))
        base = f"http://{NAME}"
        async with httpx2.AsyncClient(transport=transport, base_url=base) as http:
            yield world, http


def forwarded(client: str = "203.0.113.7", scheme: str = "https") -> dict[str, str]:
    return {"x-forwarded-for": client, "x-forwarded-proto": scheme}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        (NAME, 200),
        (f"{NAME}:443", 200),
        (NAME.upper(), 200),
        ("noc.example.com", 200),  # of the public address
        (f"evil.{NAME}", 421),
        (f"{NAME}.evil.example", 421),
        ("evil.example", 421),
    ],
)
async def test_only_declared_names_are_ours(host: str, status: int) -> None:
    async with outside(public_url=CONSOLE) as (_, http):
        answer = await http.get("/healthz", headers={**forwarded(), "host": host})
        assert answer.status_code == status


async def test_the_host_that_a_proxy_was_asked_for_must_be_ours_too() -> None:
    async with outside() as (_, http):
        told = {**forwarded(), "host": "127.0.0.1:8080", "x-forwarded-host": "evil.example"}
        assert (await http.get("/healthz", headers=told)).status_code == 421
        told["x-forwarded-host"] = NAME
        assert (await http.get("/healthz", headers=told)).status_code == 200


@pytest.mark.parametrize(
    ("listen_host", "peer", "headers", "status"),
    [
        ("0.0.0.0", "203.0.113.7", {}, 403),
        ("0.0.0.0", "203.0.113.7", forwarded(), 403),  # it says so itself
        ("192.0.2.1", "203.0.113.7", {}, 403),
        ("0.0.0.0", PROXY, forwarded(), 200),
        ("0.0.0.0", "127.0.0.1", {}, 200),
        ("127.0.0.1", "127.0.0.1", {}, 200),
    ],
)
async def test_nobody_speaks_in_the_clear_from_outside(
    listen_host: str, peer: str, headers: dict[str, str], status: int
) -> None:
    async with outside(listen_host=listen_host, peer=peer) as (_, http):
        answer = await http.get("/docs", headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert "in the clear" in answer.json()["detail"]
            assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("listen_host", ["0.0.0.0", "127.0.0.1"])
@pytest.mark.parametrize("peer", [PROXY, "127.0.0.1"])
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (forwarded(), 401),
        ({"forwarded": "for=203.0.113.7;proto=https"}, 401),
        (forwarded(scheme="http"), 403),
        ({"forwarded": "for=203.0.113.7;proto=http"}, 403),
        ({"x-forwarded-for": "203.0.113.7"}, 403),
        ({"forwarded": "for=203.0.113.7"}, 403),
        (forwarded(scheme="wss"), 403),
        (forwarded(client="127.0.0.1", scheme="http"), 403),
        ({"x-forwarded-host": NAME}, 403),
        ({}, 403),  # a proxy that says nothing, for a name that is not this machine's
    ],
)
async def test_no_password_comes_through_a_proxy_in_the_clear(
    listen_host: str, peer: str, headers: dict[str, str], status: int
) -> None:
    world = World(listen_host=listen_host, gate=None)
    proxies = (*PROXIES, ipaddress.ip_network("127.0.0.0/8"))
    credentials = {"name": "anna", "password": "three old trombones"}
    async with outside(world=world, peer=peer, trusted_proxies=proxies) as (_, http):
        answer = await http.post("/api/v2/session", json=credentials, headers=headers)
        assert answer.status_code == status
        if status == 403:
            assert "X-Forwarded-Proto: https" in answer.json()["detail"]
            assert answer.headers["connection"] == "close"
        for path in ("/healthz", "/readyz"):  # what balancers ask is no secret
            assert (await http.get(path, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("peer", "host", "status"),
    [
        ("127.0.0.1", "127.0.0.1:8080", 200),
        ("127.0.0.1", "localhost:8080", 200),
        ("::1", "[::1]:8080", 200),
        (PROXY, "127.0.0.1:8080", 403),
        ("127.0.0.1", NAME, 403),
    ],
)
async def test_commands_on_the_machine_need_no_tls_beside_a_proxy_on_it(
    peer: str, host: str, status: int
) -> None:
    world = World(listen_host="0.0.0.0", gate=None)
    here = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "::1/128", "10.0.0.0/8")))
    async with outside(world=world, peer=peer, trusted_proxies=here) as (_, http):
        headers = {**bearer(MACHINE_TOKEN), "host": host}
        assert (await http.get(TRUNKS, headers=headers)).status_code == status


async def test_over_our_own_tls_a_proxy_still_has_to_say_how_it_was_asked() -> None:
    async with outside() as (_, http):
        answer = await http.get(f"https://{NAME}/docs", headers={"x-forwarded-for": "203.0.113.7"})
        assert answer.status_code == 403
        answer = await http.get(f"https://{NAME}/docs", headers=forwarded())
        assert answer.status_code == 200


async def test_over_tls_browsers_are_told_to_stay_with_it() -> None:
    async with outside() as (_, http):
        over_tls = (await http.get("/healthz", headers=forwarded())).headers
        assert over_tls["strict-transport-security"] == "max-age=31536000"
        in_the_clear = (await http.get("/healthz", headers=forwarded(scheme="http"))).headers
        assert "strict-transport-security" not in in_the_clear


async def test_what_proxies_contradict_each_other_in_is_a_problem_with_all_headers() -> None:
    async with outside() as (_, http):
        told = {**forwarded(), "forwarded": "for=192.0.2.1"}
        answer = await http.get("/healthz", headers=told)
        assert answer.status_code == 400
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


# --- pages of other sites -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (f"https://{NAME}", 200),
        (CONSOLE, 200),
        (f"http://{NAME}", 403),
        ("https://evil.example", 403),
        (f"{CONSOLE}.evil.example", 403),
        ("http://noc.example.com", 403),
        (f"{CONSOLE}:8443", 403),
        ("null", 403),
    ],
)
async def test_only_our_pages_and_declared_ones_may_change_anything(
    origin: str, status: int
) -> None:
    async with outside(allowed_origins=(CONSOLE,)) as (world, http):
        sent = {**forwarded(), "origin": origin, "sec-fetch-site": "cross-site"}
        if origin == f"https://{NAME}":
            sent["sec-fetch-site"] = "same-origin"
        assert (await http.post(DISABLE, headers=sent)).status_code == status
        assert world.roster.record("carrier-b").admin_enabled is (status != 200)


async def test_a_declared_origin_may_read_and_is_named_exactly() -> None:
    async with outside(allowed_origins=(CONSOLE,)) as (_, http):
        mine = (await http.get(TRUNKS, headers={**forwarded(), "origin": CONSOLE})).headers
        assert mine["access-control-allow-origin"] == CONSOLE
        assert "ETag" in mine["access-control-expose-headers"]
        assert "access-control-allow-credentials" not in mine
        other = {**forwarded(), "origin": "https://evil.example"}
        for headers in (other, forwarded()):
            answer = (await http.get(TRUNKS, headers=headers)).headers
            assert "access-control-allow-origin" not in answer
            assert "origin" in answer["vary"].lower()


@pytest.mark.parametrize(
    ("origin", "allowed"), [(CONSOLE, True), ("https://evil.example", False), ("null", False)]
)
async def test_a_browser_is_told_beforehand(origin: str, *, allowed: bool) -> None:
    async with outside(allowed_origins=(CONSOLE,)) as (_, http):
        asks = {
            **forwarded(),
            "origin": origin,
            "access-control-request-method": "PATCH",
            "access-control-request-headers": "authorization, if-match",
        }
        answer = await http.options(TRUNKS, headers=asks)
        assert (answer.status_code == 204) is allowed
        assert ("access-control-allow-origin" in answer.headers) is allowed
        assert "access-control-allow-credentials" not in answer.headers
        if allowed:
            assert "PATCH" in answer.headers["access-control-allow-methods"]
            assert "Authorization" in answer.headers["access-control-allow-headers"]
            assert "*" not in str(answer.headers)


async def test_cookies_do_not_come_along_from_another_origin() -> None:
    """With the real gate: a session's cookie proves nothing for a page of another site."""
    world = World(listen_host="0.0.0.0", gate=None)
    async with outside(world=world, allowed_origins=(CONSOLE,)) as (_, http):
        cookie = {**forwarded(), "cookie": "__Host-trunkpulse_session=anything"}
        own = await http.get(TRUNKS, headers=cookie)
        assert "session is over" in own.json()["detail"]  # it was looked at
        foreign = await http.get(TRUNKS, headers={**cookie, "origin": CONSOLE})
        assert foreign.status_code == 401
        assert "session is over" not in foreign.json()["detail"]
        token = {**forwarded(), **bearer(MACHINE_TOKEN), "origin": CONSOLE}
        assert (await http.get(TRUNKS, headers=token)).status_code == 200


# --- bounds -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/healthz?" + "x" * 9000, {}, 414),
        ("/" + "x" * 9000, {}, 414),
        ("/healthz", {f"x-{n}": "1" for n in range(101)}, 431),
        ("/healthz", {"x-long": "1" * 17_000}, 431),
        ("/healthz", {"content-length": "1", "transfer-encoding": "chunked"}, 400),
    ],
)
async def test_a_head_beyond_the_bounds_is_refused_as_a_problem(
    path: str, headers: dict[str, str], status: int
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(path, headers=headers)
        assert answer.status_code == status
        assert answer.json()["status"] == status
        assert answer.headers["connection"] == "close"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "content_type", "status"),
    [
        ("/oauth/token", "application/json", 415),
        ("/oauth/token", "multipart/form-data; boundary=x", 415),
        (DISABLE, "application/x-www-form-urlencoded", 415),
        (DISABLE, "text/csv", 415),
        (f"{TRUNKS}/import", "application/x-www-form-urlencoded", 415),
        (f"{TRUNKS}/import", "text/plain", 415),
    ],
)
async def test_each_path_takes_only_its_own_kinds_of_bodies(
    path: str, content_type: str, status: int
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(path, content=b"a=b", headers={"content-type": content_type})
        assert answer.status_code == status


# --- metrics ------------------------------------------------------------------------------------

SCRAPE = "scrape-me-0123456789abcdef"


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("127.0.0.1", {"x-forwarded-for": "127.0.0.1"}, 401),
        (PROXY, forwarded(), 401),
        (PROXY, forwarded("127.0.0.1"), 401),
        (PROXY, {**forwarded(), **bearer(SCRAPE)}, 200),
        (PROXY, {**forwarded(), **bearer(MACHINE_TOKEN)}, 200),
        (PROXY, {**forwarded(), **bearer(SCRAPE[:-1])}, 401),
        (PROXY, {**forwarded(), **bearer(f"{SCRAPE}é".encode().decode("latin-1"))}, 401),
        (PROXY, {**forwarded(), "authorization": "Bearer"}, 401),
    ],
)
async def test_metrics_are_for_this_machine_and_those_with_a_token(
    peer: str, headers: dict[str, str], status: int
) -> None:
    world = World(listen_host="0.0.0.0", gate=None)
    world.config = replace(world.config, metrics=MetricsSettings(token=SCRAPE))
    async with outside(world=world, peer=peer) as (_, http):
        headers = {"host": "127.0.0.1", **headers}
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = await http.get("/metrics", headers=raw)
        assert answer.status_code == status
        assert SCRAPE not in answer.text
        if status == 401 and "authorization" not in headers:
            assert "the token of [metrics] token" in answer.json()["detail"]
            assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_the_scrape_token_opens_nothing_else() -> None:
    world = World(listen_host="0.0.0.0", gate=None)
    world.config = replace(world.config, metrics=MetricsSettings(token=SCRAPE))
    async with outside(world=world) as (_, http):
        sent = {**forwarded(), **bearer(SCRAPE)}
        assert (await http.get(TRUNKS, headers=sent)).status_code == 401


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND"])
async def test_a_method_that_nothing_takes_is_refused(method: str) -> None:
    async with running() as world, world.client() as http:
        for path in ("/healthz", TRUNKS, "/oauth/token"):
            assert (await http.request(method, path)).status_code in {404, 405}
