"""Knot DNS with one zone that may be written anew while it serves."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from interop.peers.processes import PeerProcess
from interop.peers.software import peer

ZONE = "example.test"
HOST = "127.0.0.1"

# The socket of its control program has a relative name: the folder's may be too long for one.
CONFIG = f"""\
server:
    listen: "{HOST}@{{port}}"
    rundir: "."
    pidfile: "knot.pid"
    udp-workers: 1
    tcp-workers: 1
    background-workers: 1
control:
    listen: "knot.sock"
database:
    storage: "."
log:
  - target: "stdout"
    any: "info"
template:
  - id: "default"
    storage: "."
    zonefile-sync: -1
    zonefile-load: "whole"
    journal-content: "none"
zone:
  - domain: "{ZONE}"
    file: "zone.txt"
"""

HEAD = f"""\
$ORIGIN {ZONE}.
$TTL 300
@ SOA ns hostmaster {{serial}} 3600 600 86400 300
@ NS ns
ns A {HOST}
"""


class Knot:
    """One Knot that serves ``example.test`` over UDP and TCP of one port."""

    def __init__(self, folder: Path) -> None:
        self._program = peer("knotd")
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port(HOST)
        self._serial = 0
        self._process: PeerProcess | None = None

    async def start(self, records: Sequence[str]) -> None:
        """Returns when it answers from ``records``, which are lines of a zone file."""
        (self._folder / "knot.conf").write_text(CONFIG.format(port=self.port))
        self._write(records)
        self._process = await PeerProcess.start(
            self._program, "-c", "knot.conf", folder=self._folder
        )
        await self._process.line("server started")

    async def publish(self, records: Sequence[str]) -> None:
        """Returns when it answers from ``records`` instead."""
        assert self._process is not None
        self._write(records)
        self._process.signal(signal.SIGHUP)
        await self._process.line(f"-> {self._serial},")

    async def kill(self) -> None:
        """As if the power had failed; safe to repeat."""
        if self._process is not None:
            await self._process.kill()

    def _write(self, records: Sequence[str]) -> None:
        """A new serial number tells it that the zone has changed."""
        self._serial += 1
        text = "\n".join([HEAD.format(serial=self._serial), *records, ""])
        new = self._folder / "zone.new"
        new.write_text(text)
        new.replace(self._folder / "zone.txt")


@asynccontextmanager
async def running_knot(folder: Path, records: Sequence[str]) -> AsyncIterator[Knot]:
    """A Knot that answers; it is gone at the end of the block."""
    name_server = Knot(folder)
    try:
        await name_server.start(records)
        yield name_server
    finally:
        await name_server.kill()
