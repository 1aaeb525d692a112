"""A process that is stopped for longer than its attempts may take, and continued (SIGSTOP).

What it missed meanwhile is its own deafness: no trunk may go DOWN for it.
"""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from torture.peers import Carrier, World, world
from torture.service import Installation, Service, http, trunk

SHORT_TIMEOUT = "[trunks.keepalive]\ntimeout_seconds = 2\n"
PROBES_OF_OTHERS = 50
"""At ten a second these take five seconds, which is more than twice the timeout."""


@asynccontextmanager
async def another_prober(outside: World, folder: Path, bytecode: Path) -> AsyncIterator[Carrier]:
    """A carrier that a service of its own probes ten times a second: how time is told here."""
    carrier = outside.carrier()
    (folder / "other").mkdir()
    other = Installation(folder / "other", bytecode)
    other.write(trunk("other", carrier.uri))
    async with other.running(outside.watch):
        yield carrier


async def counted(service: Service) -> dict[str, float]:
    """The metrics without labels, by name."""
    async with http(service) as client:
        text = (await client.get("/metrics")).text
    lines = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in lines if "{" not in name}


async def test_a_stopped_process_blames_itself_and_no_trunk(
    installation: Installation, bytecode: Path
) -> None:
    async with world() as outside, another_prober(outside, installation.folder, bytecode) as other:
        carrier = outside.carrier()
        installation.write(trunk("a", carrier.uri, more=SHORT_TIMEOUT))
        async with installation.running(outside.watch) as service:
            await service.until_logged("trunk.changed")
            carrier.hears = False
            await carrier.until_asked(1)  # and the attempt is under way
            service.process.send_signal(signal.SIGSTOP)
            await other.until_asked(PROBES_OF_OTHERS)
            carrier.hears = True
            service.process.send_signal(signal.SIGCONT)
            await service.until_logged("watchdog.stall")
            await carrier.until_asked(5)
            assert [line["state"] for line in service.logged("trunk.changed")] == ["AVAILABLE"]
            assert len(installation.events()) == 1
            counts = await counted(service)
            assert counts["trunkpulse_loop_stalls_total"] == 1
            assert counts["trunkpulse_loop_stall_seconds_max"] > 2
            assert counts["trunkpulse_attempts_voided_total"] >= 1
