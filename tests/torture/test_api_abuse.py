"""Whatever comes in over the API, the trunks are probed on and the next request is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import pytest

from torture.peers import Carrier, cseqs_rise, world
from torture.service import Installation, Service, decided, http, route, states, trunk

DECIDE = "/api/v2/routing/decide"
JSON = {"content-type": "application/json"}

BAD_BODIES = {
    "nothing": (b"", 422),
    "no JSON": (b"{", 422),
    "no object": (b"[]", 422),
    "no UTF-8": (b'{"to": "\xff"}', 400),
    "a number with a hundred thousand digits": (b'{"to": ' + b"1" * 100_000 + b"}", 400),
    "a hundred thousand open brackets": (b"[" * 100_000, 400),
    "thirty thousand nested objects": (b'{"to":' * 30_000 + b"1" + b"}" * 30_000, 400),
    "a lone surrogate": (b'{"to": "\\ud800"}', 422),
    "a NUL": (b'{"to": "\\u0000"}', 422),
    "an unknown key": (b'{"to": "+15551230001", "too": 1}', 422),
    "two MiB": (b'{"to": "' + b"1" * (2 << 20) + b'"}', 413),
}


async def undisturbed(carrier: Carrier, service: Service) -> None:
    """Probing goes on as before, no trunk was thought down, and a call is routed."""
    await carrier.until_asked(5)
    cseqs_rise(carrier)
    async with http(service) as api:
        assert await states(api) == {"a": "AVAILABLE"}
        assert await decided(api) == ["a"]
    assert len(service.logged("trunk.changed")) == 1
    assert "Traceback" not in "\n".join(service.text)


async def test_bad_bodies_are_refused_with_a_problem_and_change_nothing(
    installation: Installation,
) -> None:
    async with world() as outside:
        carrier = outside.carrier()
        installation.write(trunk("a", carrier.uri), route("us", "a"))
        async with installation.running(outside.watch) as service, http(service) as api:
            await service.until_logged("trunk.changed")
            for name, (body, status) in BAD_BODIES.items():
                answer = await api.post(DECIDE, content=body, headers=JSON)
                assert answer.status_code == status, (name, answer.text[:300])
                assert answer.headers["content-type"] == "application/problem+json", name
            await undisturbed(carrier, service)
            assert await service.end() == 0


async def test_a_body_in_chunks_without_end_is_cut_off(installation: Installation) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * (64 << 10)

    async with world() as outside:
        carrier = outside.carrier()
        installation.write(trunk("a", carrier.uri), route("us", "a"))
        async with installation.running(outside.watch) as service, http(service) as api:
            await service.until_logged("trunk.changed")
            answer = await api.post(DECIDE, content=endless(), headers=JSON)
            assert answer.status_code == 413
            await undisturbed(carrier, service)
            assert await service.end() == 0


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST /api/v2/routing/decide HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ",
        (
            b"POST /api/v2/routing/decide HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
        ),
        b"GET /api/v2/events/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200,
    ],
    ids=["silent", "half a header", "half a body", "a live feed", "TLS"],
)
async def test_clients_that_hold_connections_stop_neither_probes_nor_the_end(
    installation: Installation, beginning: bytes
) -> None:
    async with world() as outside, AsyncExitStack() as connections:
        carrier = outside.carrier()
        installation.write(trunk("a", carrier.uri), route("us", "a"))
        async with installation.running(outside.watch) as service:
            await service.until_logged("trunk.changed")
            place = urlsplit(service.api)
            for _ in range(200):
                _, writer = await asyncio.open_connection(place.hostname, place.port)
                connections.callback(writer.close)
                writer.write(beginning)
                await writer.drain()
            await undisturbed(carrier, service)
            async with asyncio.timeout(5.0):
                assert await service.end() == 0
            assert "Traceback" not in "\n".join(service.text)
