"""Lives of the program that begin where its imports have ended, for tests with very many of them.

A process imports the program once and then forks for each life, on request over a Unix socket. What
is forked runs ``trunkpulse.cli.main`` as a process of its own, with nothing in common with the one
before but files: in the folder, with the environment and the two outputs that the request brings,
and as the leader of a session of its own. A second process waits for it, and writes its id and how
it ended to the connection.

A life ends with whoever waits for it, and these are one process group with the process that forks.
That one ends with its context, and also if whoever began it is killed: then its standard input is
at its end.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_OUTPUTS = 2
_PR_SET_PDEATHSIG = 1


class Forked:
    """One life, as far as tests need it of ``asyncio.subprocess.Process``."""

    def __init__(
        self,
        pid: int,
        output: asyncio.StreamReader,
        connection: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdout = self.stderr = output
        self._reader, self._writer = connection
        self._asking = asyncio.Lock()

    def send_signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """The exit code, below 0 for a signal."""
        async with self._asking:
            if self.returncode is None:
                # Whoever waits for it says nothing only if they were killed, and it with them.
                self.returncode = int(await self._reader.readline() or -signal.SIGKILL)
                self._writer.close()
        return self.returncode


class Nursery:
    """The process that forks, on a socket at ``path``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def spawn(
        self,
        arguments: Sequence[str],
        environ: Mapping[str, str],
        *,
        folder: Path,
        with_stdout: bool = True,
    ) -> Forked:
        """Start ``trunkpulse`` with these arguments.

        What is read of it is its standard error, and ``with_stdout`` its standard output as well.
        """
        reads, writes = os.pipe()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(self._path))
            outputs = [writes if with_stdout else nowhere, writes]
            socket.send_fds(connection, [b"\n"], outputs)
        finally:
            os.close(writes)
            os.close(nowhere)
        output = await _reading(reads)
        reader, writer = await asyncio.open_unix_connection(sock=connection)
        request = json.dumps([list(arguments), dict(environ), str(folder)])
        writer.write(f"{request}\n".encode())
        await writer.drain()
        return Forked(int(await reader.readline()), output, (reader, writer))


async def _reading(file: int) -> asyncio.StreamReader:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 20)
    pipe = os.fdopen(file, "rb", buffering=0)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), pipe)
    return reader


@contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """A nursery that takes requests; it ends with its context."""
    path = folder / "nursery"
    process = subprocess.Popen(
        [sys.executable, __file__, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        process_group=0,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield Nursery(path)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@functools.cache
def common_nursery() -> Nursery:
    """One for all tests of this process; it begins with the first that asks."""
    folder = tempfile.TemporaryDirectory(prefix="trunkpulse-nursery-")
    context = nursery(Path(folder.name))
    atexit.register(folder.cleanup)
    atexit.register(context.__exit__, None, None, None)
    return context.__enter__()


# --- the process that forks --------------------------------------------------------------------


def _serve(path: str) -> None:
    import trunkpulse.app  # noqa: F401, PLC0415 - imported here and once, that is the point
    import trunkpulse.cli.program  # noqa: F401, PLC0415 - likewise
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
                _, outputs, _, _ = socket.recv_fds(connection, 1, _OUTPUTS)
                arguments, environ, folder = json.loads(connection.makefile().readline())
                if _is_life(connection, outputs):
                    os.chdir(folder)
                    sys.argv = ["trunkpulse", *arguments]
                    os.environ.clear()
                    os.environ.update(environ)
                    main()
            connection.close()


def _is_life(connection: socket.socket, outputs: Sequence[int]) -> bool:
    """Fork: True in the new life; the other process waits for its end, says so and ends."""
    # The new life begins once its id is told.
    begins, tells = os.pipe()
    waiting = os.getpid()
    pid = os.fork()
    if pid == 0:
        os.close(tells)
        os.read(begins, 1)
        os.close(begins)
        os.setsid()
        _end_with(waiting)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for place, file in enumerate((nothing, *outputs)):
            os.dup2(file, place)
            os.close(file)
        connection.close()
        # Those that there are remember what kind of file they were opened on.
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
        return True
    for file in outputs:
        os.close(file)
    with suppress(BrokenPipeError):  # the test has been given up
        connection.sendall(f"{pid}\n".encode())
        os.close(tells)
        _, status = os.waitpid(pid, 0)
        connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _end_with(parent: int) -> None:
    """Be killed when ``parent`` ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


if __name__ == "__main__":
    _serve(sys.argv[1])
