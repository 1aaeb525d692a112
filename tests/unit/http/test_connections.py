"""Real connections that are slow, broken, ambiguous or too many."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
from starlette.types import Receive, Scope, Send

from trunkpulse.adapters.http.connections import Patience, Peers
from trunkpulse.adapters.http.server import serve_http
from unit.http.api_world import running

HEAD = b"POST /api/v2/routing/decide HTTP/1.1\r\nHost: localhost\r\n"
IMPATIENT = Patience(
    head_seconds=0.05, body_seconds=0.05, body_bytes_per_second=1e6, reader_seconds=0.05
)


@asynccontextmanager
async def connected(
    patience: Patience | None = None, peers: Peers | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", 0, patience=patience, peers=peers) as place,
    ):
        reader, writer = await asyncio.open_connection(*place)
        try:
            yield reader, writer
        finally:
            writer.close()


async def answered(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """All until the connection ends: status, headers, body."""
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in fields)
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize(
    "begun", [b"GET /he", HEAD, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"]
)
async def test_a_head_that_does_not_arrive_is_not_waited_for(begun: bytes) -> None:
    async with connected(IMPATIENT) as (reader, writer):
        writer.write(begun)
        status, headers, body = await answered(reader)
        assert status == 408
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-content-type-options"] == "nosniff"
        assert json.loads(body)["status"] == 408


async def test_who_says_nothing_at_all_is_let_go() -> None:
    async with connected(IMPATIENT) as (reader, _):
        assert await reader.read() == b""


async def test_a_body_that_does_not_arrive_is_not_waited_for() -> None:
    async with connected(IMPATIENT) as (reader, writer):
        writer.write(HEAD + b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{")
        status, _, _ = await answered(reader)
        assert status == 408


async def test_a_second_request_is_waited_for_no_longer_than_the_first() -> None:
    patience = Patience(head_seconds=0.05)
    async with connected(patience) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200" in await reader.readuntil(b"}")
        writer.write(b"GET /healthz HTT")
        status, _, _ = await answered(reader)
        assert status == 408


async def test_who_does_not_read_is_let_go() -> None:
    gone = asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        left = asyncio.ensure_future(receive())
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while not left.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            await asyncio.sleep(0)
        gone.set()

    async with serve_http(endless, "127.0.0.1", 0, patience=IMPATIENT) as place:
        _, writer = await asyncio.open_connection(*place, limit=1)  # reads no further than that
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await gone.wait()
        writer.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"NOT HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",  # no Host
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: a\x00b\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        HEAD + b"Content-Length: +5\r\n\r\nhello",
        HEAD + b"Content-Length: 5, 6\r\n\r\nhello",
        HEAD + b"Content-Length: 0x5\r\n\r\nhello",
        HEAD + b"Transfer-Encoding: xchunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5x\r\nhello",
        HEAD + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 40_000 + b"\r\n\r\n",
    ],
)
async def test_a_request_whose_end_is_in_doubt_ends_the_connection(sent: bytes) -> None:
    """Nothing that follows it is taken for another request (RFC 9112 11.2)."""
    async with connected() as (reader, writer):
        writer.write(sent)
        await writer.drain()
        status, headers, body = await answered(reader)
        assert status in {400, 421, 431, 501}
        assert headers["connection"] == "close"
        assert headers["content-type"] == "application/problem+json"
        assert json.loads(body)["status"] == status
        assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_a_broken_request_says_nothing_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with connected() as (reader, writer):
        writer.write(b"\x16\x03\x01 not HTTP\r\n\r\n")
        await answered(reader)
    assert not caplog.records


def test_an_address_has_so_many_connections_and_no_more() -> None:
    peers = Peers(most=2)
    assert [peers.enter("192.0.2.1") for _ in range(3)] == [True, True, False]
    assert peers.enter("192.0.2.2")
    peers.leave("192.0.2.1")
    assert peers.enter("192.0.2.1")


def test_addresses_of_one_ipv6_network_count_together() -> None:
    peers = Peers(most=2)
    assert peers.enter("2001:db8::1")
    assert peers.enter("2001:db8::2")
    assert not peers.enter("2001:db8::ffff:3")
    assert peers.enter("2001:db8:0:1::1")
    assert peers.enter("::ffff:192.0.2.1")
    assert peers.enter("192.0.2.1")
    assert not peers.enter("::ffff:192.0.2.1")


def test_this_machine_and_declared_proxies_may_have_more() -> None:
    peers = Peers(lambda: (ipaddress.ip_network("10.0.0.0/8"),), most=1)
    assert all(peers.enter(each) for each in ("10.0.0.1", "127.0.0.1", "::1") for _ in range(9))
    assert peers.enter("192.0.2.1")
    assert not peers.enter("192.0.2.1")


def test_all_together_are_bounded_too_and_nothing_is_kept_of_who_has_gone() -> None:
    peers = Peers()
    addresses = [f"10.{n // 250}.{n % 250}.1" for n in range(2000)]
    taken = [each for each in addresses if peers.enter(each)]
    assert len(taken) == 1024
    for each in taken:
        peers.leave(each)
    assert peers.known == 0
    assert peers.enter("10.0.0.1")


async def test_a_connection_too_many_is_ended_and_the_others_go_on() -> None:
    class Full(Peers):
        def enter(self, address: str) -> bool:
            return False

    async with running() as world, serve_http(world.app, "127.0.0.1", 0, peers=Full()) as place:
        reader, writer = await asyncio.open_connection(*place)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
