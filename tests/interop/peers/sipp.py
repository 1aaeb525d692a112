"""SIPp with scenarios of our own: a far side that misbehaves on purpose, or one that asks us."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import Outcome, run_to_end, running_process
from interop.peers.software import peer

SCENARIOS = Path(__file__).parent.parent / "scenarios"
READY = "far-side-ready"
"""What a scenario's <init> prints, which runs once the socket is bound."""


def _command(scenario: str) -> tuple[str, ...]:
    file = SCENARIOS / f"{scenario}.xml"
    port = str(free_port("127.0.0.1"))
    return peer("sipp"), "-sf", str(file), "-i", "127.0.0.1", "-p", port, "-nostdin"


@asynccontextmanager
async def answering(scenario: str, folder: Path) -> AsyncIterator[str]:
    """SIPp answers by ``scenario`` for as long as the block runs; gives its SIP URI."""
    command = _command(scenario)
    async with running_process(*command, folder=folder) as process:
        await process.line(READY)
        yield f"sip:127.0.0.1:{command[command.index('-p') + 1]}"


async def asking(scenario: str, place: str, folder: Path) -> Outcome:
    """SIPp plays ``scenario`` once against ``place``; the code is 0 if all went as written."""
    limits = ("-m", "1", "-timeout", "10", "-timeout_error")
    return await run_to_end(*_command(scenario), *limits, place, folder=folder)
