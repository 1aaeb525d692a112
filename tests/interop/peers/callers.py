"""SIPp as callers and as carriers that take calls, with its own account of them."""

from __future__ import annotations

import csv
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import PeerProcess, running_process
from interop.peers.sipp import READY, SCENARIOS
from interop.peers.software import peer

GRACEFUL = signal.SIGUSR1
"""SIPp begins no more calls then, and ends with the last one."""
AWAITING_THE_END = 5
"""The line of ``calls_numbers`` that waits for the answer to BYE."""
_UNEXPECTED = re.compile(r"while expecting '200' \(index ([0-9]+)\)")


class Account:
    """What SIPp wrote down, a row each second."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def column(self, name: str) -> list[int]:
        """Of each row that is complete."""
        with self._file.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, delimiter=";"))
        return [int(row[name]) for row in rows if row.get(name)]


def _command(scenario: str, port: int, account: Path) -> tuple[str, ...]:
    counting = ("-trace_stat", "-stf", str(account), "-fd", "1")
    place = ("-i", "127.0.0.1", "-p", str(port), "-nostdin")
    return (peer("sipp"), "-sf", str(SCENARIOS / f"{scenario}.xml"), *place, *counting)


class Carrier:
    """Takes calls on one address, in one life after the other."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = name
        self._lives = 0
        self._process: PeerProcess | None = None
        self.port = free_port("127.0.0.1")
        self.uri = f"sip:127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns when it listens."""
        self._lives += 1
        command = _command("takes_calls", self.port, self._file)
        self._process = await PeerProcess.start(*command, folder=self._folder)
        await self._process.line(READY)

    @property
    def _file(self) -> Path:
        return self._folder / f"{self._name}-{self._lives}.csv"

    @property
    def calls(self) -> list[int]:
        """Of this life, second by second."""
        return Account(self._file).column("calls(P)")

    async def kill(self) -> None:
        """As if the power had failed; safe to repeat."""
        if self._process is not None:
            await self._process.kill()

    async def finish(self) -> None:
        """Write the account to its end."""
        assert self._process is not None
        self._process.signal(GRACEFUL)
        await self._process.ended()


@asynccontextmanager
async def carrier(folder: Path, name: str) -> AsyncIterator[Carrier]:
    """A carrier that is there; whatever became of it, it is gone at the end of the block."""
    one = Carrier(folder, name)
    try:
        await one.start()
        yield one
    finally:
        await one.kill()


class Callers:
    """Calls that are being placed."""

    def __init__(self, process: PeerProcess, account: Path, errors: Path) -> None:
        self._process = process
        self._account = Account(account)
        self._errors = errors

    async def stop(self) -> tuple[int, int]:
        """Begin no more calls; how many came about, and how many never did.

        A call that a carrier had taken when it died has come about, though nobody ended it.
        """
        self._process.signal(GRACEFUL)
        await self._process.ended()
        succeeded = self._account.column("SuccessfulCall(C)")[-1]
        failed = self._account.column("FailedCall(C)")[-1]
        taken = self._unexpected().count(AWAITING_THE_END)
        return succeeded + taken, failed - taken

    def _unexpected(self) -> list[int]:
        if not self._errors.exists():
            return []
        return [int(line) for line in _UNEXPECTED.findall(self._errors.read_text(errors="replace"))]


@asynccontextmanager
async def callers(folder: Path, place: str, *, calls_per_second: int) -> AsyncIterator[Callers]:
    """So many calls a second to ``place``, for as long as the block runs."""
    account = folder / "callers.csv"
    command = _command("calls_numbers", free_port("127.0.0.1"), account)
    errors = folder / "callers.errors"
    more = ("-trace_err", "-error_file", str(errors), "-r", str(calls_per_second), place)
    async with running_process(*command, *more, folder=folder) as process:
        yield Callers(process, account, errors)
