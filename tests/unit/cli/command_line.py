"""Commands as a person gives them: in this process, or as a real process of their own."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from trunkpulse.cli.program import run

PROGRAM = (sys.executable, "-c", "from trunkpulse.cli import main; main()")
DEADLINE_SECONDS = 60


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr; nothing else may be there, and no traceback."""
        assert self.out == ""
        assert self.err.count("\n") == 1
        assert "Traceback" not in self.err
        return self.err.rstrip("\n")


async def command(*arguments: str) -> Outcome:
    """Run a command in a thread, so that the test's loop can be the other side of it."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = await asyncio.to_thread(run, arguments)
    return Outcome(code, out.getvalue(), err.getvalue())


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command as a process; it is gone at the end of the block."""
    child = await asyncio.create_subprocess_exec(
        *PROGRAM,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def line_of(stream: asyncio.StreamReader | None) -> str:
    """The next line that the process prints."""
    assert stream is not None
    return (await stream.readline()).decode().rstrip("\n")
