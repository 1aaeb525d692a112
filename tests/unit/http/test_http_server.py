from __future__ import annotations

import asyncio
import signal
import socket

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from interop.peers.ports import free_port
from trunkpulse.adapters.http.server import ListenFailed, serve_http
from unit.http.api_world import running


async def test_the_api_is_served_on_a_port_that_can_be_read() -> None:
    async with running() as world, serve_http(world.app, "127.0.0.1", 0) as (host, port):
        assert port > 0
        async with httpx2.AsyncClient(base_url=f"http://{host}:{port}") as http:
            answer = await http.get("/healthz")
        assert answer.json() == {"status": "alive"}
        assert "server" not in answer.headers


async def test_a_busy_port_is_one_plain_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        async with running() as world:
            with pytest.raises(ListenFailed) as caught:
                async with serve_http(world.app, "127.0.0.1", port):
                    pass
    assert str(caught.value) == (
        f"The API cannot listen on 127.0.0.1:{port} because another program does; "
        "stop it or set api.listen to another port."
    )


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "999.1.1.1"])
async def test_an_address_of_another_machine_is_one_plain_sentence(host: str) -> None:
    async with running() as world:
        with pytest.raises(ListenFailed, match="no address of this machine"):
            async with serve_http(world.app, host, 0):
                pass


async def test_the_port_is_free_again_at_the_end() -> None:
    async with running() as world:
        port = free_port("127.0.0.1")
        async with serve_http(world.app, "127.0.0.1", port):
            pass
        async with serve_http(world.app, "127.0.0.1", port) as again:
            assert again == ("127.0.0.1", port)


async def test_the_signals_stay_with_the_process() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    async with running() as world, serve_http(world.app, "127.0.0.1", 0) as (host, port):
        async with httpx2.AsyncClient(base_url=f"http://{host}:{port}") as http:
            await http.get("/healthz")
        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


async def test_live_events_arrive_and_end_cleanly_at_shutdown() -> None:
    async with running() as world, httpx2.AsyncClient() as http:
        received = b""
        heard = asyncio.Event()

        async def listen(url: str) -> None:
            nonlocal received
            async with http.stream("GET", url) as answer:
                async for chunk in answer.aiter_raw():
                    received += chunk
                    if b"carrier-b" in received:
                        heard.set()

        async with (
            asyncio.TaskGroup() as tasks,
            serve_http(
                world.app, "127.0.0.1", 0, graceful_seconds=60, stopping=world.feed.close
            ) as (host, port),
        ):
            # An incomplete chunked answer would raise in the listener.
            tasks.create_task(listen(f"http://{host}:{port}/api/v2/events/live?after=0"))
            world.succeed("carrier-b")
            await heard.wait()
        assert received.endswith(b"\n\n")
    assert world.feed.clients == 0


async def test_a_request_under_way_is_answered_before_the_end() -> None:
    entered, finish = asyncio.Event(), asyncio.Event()

    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        await finish.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    async with httpx2.AsyncClient() as http:
        async with serve_http(slow, "127.0.0.1", 0, graceful_seconds=60, stopping=finish.set) as (
            host,
            port,
        ):
            asking = asyncio.create_task(http.get(f"http://{host}:{port}/"))
            await entered.wait()
        assert (await asking).text == "done"


async def test_a_request_that_never_ends_does_not_hold_up_the_end() -> None:
    entered, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with httpx2.AsyncClient() as http:
        async with serve_http(endless, "127.0.0.1", 0, graceful_seconds=0) as (host, port):
            asking = asyncio.create_task(http.get(f"http://{host}:{port}/"))
            await entered.wait()
        await cancelled.wait()
        asking.cancel()
        with pytest.raises((asyncio.CancelledError, httpx2.HTTPError)):
            await asking


async def test_serving_ends_with_the_block_that_is_cancelled() -> None:
    closed = asyncio.Event()
    up = asyncio.Event()
    port = free_port("127.0.0.1")  # which nobody else is given once it is closed

    async def serve() -> None:
        async with (
            running() as world,
            serve_http(world.app, "127.0.0.1", port, stopping=closed.set),
        ):
            up.set()
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await up.wait()
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert closed.is_set()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_headers_beyond_the_limit_are_refused() -> None:
    async with running() as world, serve_http(world.app, "127.0.0.1", 0) as (host, port):
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: " + b"x" * 40_000)
        assert b" 400 " in await reader.readline()
        writer.close()
        await writer.wait_closed()
