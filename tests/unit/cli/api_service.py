"""The API as commands meet it: over a port of this machine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from trunkpulse.adapters.http.server import serve_http
from unit.cli.command_line import Outcome, command
from unit.http.api_world import World, running


class Service:
    """The real API over a real pipeline, on a port of this machine."""

    def __init__(self, world: World, url: str) -> None:
        self.world = world
        self.url = url

    async def command(self, *arguments: str) -> Outcome:
        return await command(*arguments, "--url", self.url)

    async def said(self, *arguments: str) -> str:
        outcome = await self.command(*arguments)
        assert (outcome.code, outcome.err) == (0, "")
        return outcome.out


@asynccontextmanager
async def service(port: int = 0) -> AsyncIterator[Service]:
    async with (
        running() as world,
        serve_http(world.app, "127.0.0.1", port, stopping=world.feed.close) as (host, bound),
    ):
        yield Service(world, f"http://{host}:{bound}")
