"""SIPp with scenarios of our own: a far side that misbehaves on purpose, or one that asks us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import Outcome, PeerProcess, run_to_end, running_process
from interop.peers.software import peer

SCENARIOS = Path(__file__).parent.parent / "scenarios"
READY = "far-side-ready"
"""What a scenario's <init> prints, which runs once the socket is bound."""


def _command(scenario: str, port: int | None = None) -> tuple[str, ...]:
    file = SCENARIOS / f"{scenario}.xml"
    own = str(free_port("127.0.0.1") if port is None else port)
    return peer("sipp"), "-sf", str(file), "-i", "127.0.0.1", "-p", own, "-nostdin"


@asynccontextmanager
async def answering(scenario: str, folder: Path) -> AsyncIterator[str]:
    """SIPp answers by ``scenario`` for as long as the block runs; gives its SIP URI."""
    command = _command(scenario)
    async with running_process(*command, folder=folder) as process:
        await process.line(READY)
        yield f"sip:127.0.0.1:{command[command.index('-p') + 1]}"


class Carrier:
    """SIPp takes calls and answers OPTIONS; may be killed and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port("127.0.0.1")
        self.uri = f"sip:127.0.0.1:{self._port}"
        self._process: PeerProcess | None = None

    async def start(self) -> None:
        """Returns when it listens."""
        command = _command("carries_calls", self._port)
        self._process = await PeerProcess.start(*command, folder=self._folder)
        await self._process.line(READY)

    async def kill(self) -> None:
        """At once; safe to repeat."""
        if self._process is not None:
            await self._process.kill()


@asynccontextmanager
async def carrying(folder: Path) -> AsyncIterator[Carrier]:
    """A carrier that is up; gone at the end of the block."""
    carrier = Carrier(folder)
    try:
        await carrier.start()
        yield carrier
    finally:
        await carrier.kill()


async def calling(place: str, number: int, folder: Path) -> Outcome:
    """SIPp places so many calls, 50 a second; the code is 0 if each was taken."""
    limits = ("-m", str(number), "-r", "50", "-timeout", "20", "-timeout_error")
    return await run_to_end(*_command("places_calls"), *limits, place, folder=folder)


async def asking(scenario: str, place: str, folder: Path) -> Outcome:
    """SIPp plays ``scenario`` once against ``place``; the code is 0 if all went as written."""
    limits = ("-m", "1", "-timeout", "10", "-timeout_error")
    return await run_to_end(*_command(scenario), *limits, place, folder=folder)
