"""Servers that several files of tests need."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from brokers.processes import HOST, BrokerProcess, Trap
from brokers.rabbit import running_rabbit


@pytest.fixture(scope="session")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrokerProcess]:
    """One for all, since it takes seconds to start; whoever ends it starts it again."""
    with running_rabbit(tmp_path_factory.mktemp("rabbit")) as server:
        yield server


@pytest.fixture
async def trap() -> AsyncIterator[Trap]:
    trap = Trap()

    async def note(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        trap.visits.append(writer)

    server = await asyncio.start_server(note, HOST, 0)
    trap.port = server.sockets[0].getsockname()[1]
    yield trap
    server.close()
    for writer in trap.visits:
        writer.close()
