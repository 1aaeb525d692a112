"""A reader of the live feed that stops reading, over a real connection."""

from __future__ import annotations

import asyncio
import json
import socket

import httpx2
from starlette.types import Message, Receive, Scope, Send

from contracts.stores import commit_of
from trunkpulse.adapters.http.api.feed import FeedLimits
from trunkpulse.adapters.http.server import serve_http
from unit.http.api_world import World, running

EVENTS = 20_000
"""Several megabytes: more than the buffers between the two sides take."""
SMALL_BUFFER = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 128 * 1024)]
"""The system would let it grow as large as all of that."""


async def test_a_reader_that_stops_is_cut_told_and_goes_on_without_a_gap() -> None:
    given_up = asyncio.Event()
    limits = FeedLimits(send_seconds=0.2, farewell_seconds=60)
    async with running(world=World(limits=limits)) as world:

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            async def noted(message: Message) -> None:
                try:
                    await send(message)
                except asyncio.CancelledError:
                    given_up.set()
                    raise

            await world.app(scope, receive, noted)

        await world.store.commit([commit_of(f"t{n}", 1) for n in range(EVENTS)])
        async with (
            serve_http(app, "127.0.0.1", 0, stopping=world.feed.close) as (host, port),
            httpx2.AsyncClient(
                transport=httpx2.AsyncHTTPTransport(socket_options=SMALL_BUFFER),
                base_url=f"http://{host}:{port}",
            ) as http,
        ):
            async with http.stream("GET", "/api/v2/events/live?after=0") as answer:
                await given_up.wait()
                received = b"".join([chunk async for chunk in answer.aiter_raw()]).decode()
            frames = received.removeprefix("retry: 2000\n\n").removesuffix("\n\n").split("\n\n")
            *events, last = [
                dict(line.split(": ", 1) for line in each.split("\n")) for each in frames
            ]
            assert last["event"] == "feed.ended"
            assert json.loads(last["data"])["reason"] == "slow_reader"
            positions = [int(each["id"]) for each in events]
            assert positions == list(range(1, len(positions) + 1))
            assert len(positions) < EVENTS
            page = (await http.get(f"/api/v2/events?after={positions[-1]}&limit=1")).json()
            (following,) = await world.store.read(after=positions[-1], limit=1)
            assert page["entities"] == [json.loads(following.body)]
            assert page["nextCursor"] == str(positions[-1] + 1)
