"""A transport of ours with its ear, on every loop that we run on."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager

import pytest
import uvloop

from contracts.far_side import Ear, Far, request
from interop.peers.ports import free_port
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.streams import StreamTransport
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import TransportPlan

Story = Callable[[], Coroutine[None, None, None]]
Run = Callable[[Story], None]

TCP = TransportPlan(TransportProtocol.TCP, ("0.0.0.0", 0))


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def run_story(story: Story) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(30):
                await story()
            left = asyncio.all_tasks() - {asyncio.current_task()}
            await asyncio.gather(*left, return_exceptions=True)

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(bounded())

    return run_story


class Ours:
    """A transport of ours with its ear; calls are made as a driver makes them."""

    def __init__(self, plan: TransportPlan = TCP) -> None:
        self.ear = Ear()
        self.transport = StreamTransport.open(plan, self.ear, SystemClock(), rng=random.Random(1))

    def send(self, far: Far, number: int = 1) -> bytes:
        data = request(number)
        self.ear.within = True
        self.transport.send(data, far.address)
        self.ear.within = False
        return data


@asynccontextmanager
async def ours(plan: TransportPlan = TCP) -> AsyncIterator[Ours]:
    each = Ours(plan)
    try:
        yield each
    finally:
        each.transport.close()
        each.transport.close()


def closed_port() -> Far:
    """Where nobody listens, nor will unless the test does."""
    return Far(("127.0.0.1", free_port("127.0.0.1")))
