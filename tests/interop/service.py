"""``trunkpulse`` as people run it: processes of their own."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from access_world import bearer
from interop.peers.processes import (
    Outcome,
    PeerProcess,
    outcome_of,
    running_process,
    running_trunkpulse,
)
from trunkpulse.adapters.machine_token import MachineToken

TRUNKPULSE = (sys.executable, "-c", "from trunkpulse.cli import main; main()")
PROGRAMS = Path(sys.executable).parent
"""Where the programs of this environment are."""


async def trunkpulse(*arguments: str, folder: Path) -> Outcome:
    """A command that ends by itself."""
    async with running_trunkpulse(*arguments, folder=folder) as process:
        return await outcome_of(process)


@dataclass(frozen=True)
class Service:
    process: PeerProcess
    url: str

    token: str
    """What commands on this machine get in by."""

    @property
    def http(self) -> httpx2.AsyncClient:
        """A client that gets in."""
        return httpx2.AsyncClient(base_url=self.url, headers=bearer(self.token), trust_env=False)

    async def post(self, path: str, body: dict[str, str]) -> dict[str, object]:
        async with self.http as client:
            response = await client.post(path, json=body)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        return answer

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        async with self.http as client:
            response = await client.get(path, params=query)
        assert response.status_code == 200, response.text
        answer = response.json()
        assert isinstance(answer, dict)
        return answer

    async def metrics(self) -> str:
        async with self.http as client:
            response = await client.get("/metrics")
        assert response.status_code == 200, response.text
        return response.text

    async def target(self, trunk: str) -> dict[str, Any]:
        """What the API says of the trunk's only target."""
        [target] = (await self.get(f"/api/v2/telephony/trunks/{trunk}"))["targets"]
        assert isinstance(target, dict)
        return target

    async def events(self, trunk: str) -> list[dict[str, Any]]:
        """The changes of the trunk so far, oldest first."""
        entities = (await self.get("/api/v2/events", trunkId=trunk))["entities"]
        assert isinstance(entities, list)
        return entities

    async def changes(self, trunk: str, number: int) -> list[dict[str, Any]]:
        """The first so many changes of the trunk, once there are so many."""
        start = f"event=trunk.changed trunk={trunk} "
        await self.process.lines.until(
            lambda lines: True if sum(start in line for line in lines) >= number else None
        )
        return (await self.events(trunk))[:number]


@asynccontextmanager
async def serving(
    config: Path, *, run_by: Sequence[str] = (), **environment: str
) -> AsyncIterator[Service]:
    """``trunkpulse serve``, ready; it is killed at the end of the block if it still runs.

    ``run_by`` is the command that runs it, if it needs one.
    """
    folder, arguments = config.parent, ("serve", "--config", str(config))
    if run_by:
        command = (*run_by, *TRUNKPULSE, *arguments)
        started = running_process(*command, folder=folder, environment=environment)
    else:
        started = running_trunkpulse(*arguments, folder=folder, environment=environment)
    async with started as process:
        ready = await process.line("event=ready")
        address = re.search(r"\bapi=(\S+)", ready)
        assert address is not None, ready
        machine = MachineToken.read(config.with_name("machine.token"))
        assert machine is not None
        assert machine.url == address[1]
        yield Service(process, machine.url, machine.token)


@asynccontextmanager
async def responding(folder: Path, *options: str, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """``trunkpulse respond`` on a port that the system chooses; gives ``HOST:PORT``."""
    command = ("respond", "--listen", f"udp:{host}:0", *options)
    async with running_trunkpulse(*command, folder=folder) as process:
        greeting = await process.line(" on udp:")
        yield greeting.rpartition("udp:")[2]
