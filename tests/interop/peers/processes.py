"""A program of somebody else's as a process group of its own, which is all that is ever ended."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from interop.journal import DEADLINE_SECONDS, Journal
from nursery import Forked, common_nursery


class PeerProcess:
    """A running program and the lines that it printed, on either stream."""

    def __init__(self, child: asyncio.subprocess.Process | Forked, name: str) -> None:
        self._child = child
        self.lines: Journal[str] = Journal(name)
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(
        cls, *command: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Self:
        child = await asyncio.create_subprocess_exec(
            *command,
            cwd=folder,
            env={**plain_environment(), **(environment or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )
        return cls(child, " ".join(command[:6]))

    @classmethod
    async def forked(
        cls, *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
    ) -> Self:
        """``trunkpulse`` with these arguments, without the seconds that its imports take."""
        forks = await asyncio.to_thread(common_nursery)
        around = {**plain_environment(), **(environment or {})}
        child = await forks.spawn(arguments, around, folder=folder)
        return cls(child, " ".join(("trunkpulse", *arguments[:5])))

    async def line(self, part: str) -> str:
        """The first line that holds ``part``, as soon as it is there."""
        return await self.lines.until(
            lambda lines: next((line for line in lines if part in line), None)
        )

    def signal(self, number: signal.Signals) -> None:
        """To every process of the group."""
        os.killpg(self._child.pid, number)

    async def ended(self) -> int:
        """The exit code, once the group has let go of its output: nobody of it is left."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            await self._reading
            return await self._child.wait()

    async def kill(self) -> None:
        """End the whole group without a word, even a stopped one; safe to repeat."""
        if self._child.returncode is None or not self._reading.done():
            with suppress(ProcessLookupError):
                self.signal(signal.SIGKILL)
        await self.ended()

    async def _read(self) -> None:
        output = self._child.stdout
        assert output is not None
        async for line in output:
            self.lines.add(line.decode(errors="replace").rstrip())
        self.lines.end()


@asynccontextmanager
async def running_process(
    *command: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[PeerProcess]:
    """A program that is gone at the end of the block."""
    process = await PeerProcess.start(*command, folder=folder, environment=environment)
    async with _gone_at_the_end(process):
        yield process


@asynccontextmanager
async def running_trunkpulse(
    *arguments: str, folder: Path, environment: Mapping[str, str] | None = None
) -> AsyncIterator[PeerProcess]:
    """``trunkpulse`` as a process of its own, gone at the end of the block."""
    process = await PeerProcess.forked(*arguments, folder=folder, environment=environment)
    async with _gone_at_the_end(process):
        yield process


@asynccontextmanager
async def _gone_at_the_end(process: PeerProcess) -> AsyncIterator[None]:
    try:
        yield
    finally:
        await process.kill()


@dataclass(frozen=True)
class Outcome:
    """How a program that ends by itself did end."""

    code: int
    output: str
    """What it printed, on either stream."""


async def run_to_end(*command: str, folder: Path) -> Outcome:
    async with running_process(*command, folder=folder) as process:
        return await outcome_of(process)


async def outcome_of(process: PeerProcess) -> Outcome:
    code = await process.ended()
    return Outcome(code, "\n".join(process.lines.entries))


def plain_environment() -> dict[str, str]:
    """Without what the shell of whoever runs the tests may have set for trunkpulse."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TRUNKPULSE_")}
