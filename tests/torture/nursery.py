"""Lives of the service that begin where its imports have ended, for tests with a hundred of them.

A process imports the program once and then forks for each life, on request over a Unix socket. What
is forked runs ``trunkpulse.cli.main`` as a process of its own, with nothing in common with the one
before but files. A second process waits for it and says how it ended; both write to the connection:
its id in the first line, then what it writes to standard error, then its exit code in a last line.

All of them are one process group. It ends with its context, and also if whoever began it is killed:
then the standard input of the process that forks is at its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_BEGUN = "forked as "
_ENDED = "ended with "


class Forked:
    """One life, as far as a test needs it of ``asyncio.subprocess.Process``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._pid = 0
        self._code: int | None = None

    async def begin(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        request = json.dumps([list(arguments), dict(environ)])
        self._writer.write(f"{request}\n".encode())
        await self._writer.drain()
        first = (await self._reader.readline()).decode()
        self._pid = int(first.removeprefix(_BEGUN))

    async def lines(self) -> AsyncIterator[bytes]:
        """What it writes to standard error, until it has ended."""
        try:
            async for line in self._reader:
                if line.startswith(_ENDED.encode()):
                    self._code = int(line.removeprefix(_ENDED.encode()))
                elif line != b"\n":
                    yield line
        finally:
            self._writer.close()

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """The exit code, below 0 for a signal; to be asked once its lines have ended."""
        assert self._code is not None
        return self._code


class Nursery:
    """The process that forks, on a socket at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def spawn(self, arguments: Sequence[str], environ: Mapping[str, str]) -> Forked:
        """Start ``trunkpulse`` with these arguments."""
        forked = Forked(*await asyncio.open_unix_connection(self._path))
        await forked.begin(arguments, environ)
        return forked


@asynccontextmanager
async def nursery(folder: Path) -> AsyncIterator[Nursery]:
    """A nursery that takes requests; it ends with its context."""
    path = folder / "nursery"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        __file__,
        path,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        process_group=0,
    )
    try:
        assert process.stdout is not None
        assert await process.stdout.readline() == b"ready\n"
        yield Nursery(path)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


# --- the process that forks --------------------------------------------------------------------


def _serve(path: str) -> None:
    import trunkpulse.app  # noqa: F401, PLC0415 - imported here and once, that is the point
    from trunkpulse.cli import main  # noqa: PLC0415 - likewise

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # those that wait are waited for by nobody
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        print("ready", flush=True)  # noqa: T201 - whoever started us waits for it
        while True:
            ready, _, _ = select.select([listener, sys.stdin], [], [])
            if sys.stdin in ready:  # nobody writes to it: whoever began us has ended
                os.killpg(0, signal.SIGKILL)
            connection, _ = listener.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                listener.close()
                arguments, environ = json.loads(connection.makefile().readline())
                if _is_child(connection):
                    sys.argv = ["trunkpulse", *arguments]
                    os.environ.clear()
                    os.environ.update(environ)
                    main()
            connection.close()


def _is_child(connection: socket.socket) -> bool:
    """Fork: True in the new life; the other process waits for its end, says so and ends."""
    # The new life begins once its id is told, so that this is the first line.
    begins, tells = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        os.read(begins, 1)
        os.close(begins)
        nothing = os.open(os.devnull, os.O_RDWR)
        os.dup2(nothing, 0)
        os.dup2(nothing, 1)
        os.dup2(connection.fileno(), 2)
        os.close(nothing)
        connection.close()
        # Those that there are remember what kind of file they were opened on.
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        return True
    with suppress(BrokenPipeError):  # the test has been given up
        connection.sendall(f"{_BEGUN}{pid}\n".encode())
        os.close(tells)
        _, status = os.waitpid(pid, 0)
        # On a line of its own, even if death came in the middle of one.
        connection.sendall(f"\n{_ENDED}{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


if __name__ == "__main__":
    _serve(sys.argv[1])
