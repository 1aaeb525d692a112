"""A broker as a process group of its own, which may be frozen, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["HOST", "BrokerProcess", "Trap"]

HOST = "127.0.0.1"
START_SECONDS = 60.0
"""RabbitMQ takes some seconds, and more on a machine that is busy."""


class BrokerProcess:
    """A server on a port of loopback, its output in a file."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        port: int,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.port = port
        self._command = command
        self._folder = folder
        self._environment = {**os.environ, **(environment or {})}
        self._child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Return when it takes connections."""
        output = self._folder / "output.txt"
        with output.open("ab") as file:
            self._child = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._takes_connections():
            assert self._child.poll() is None, output.read_text(errors="replace")
            assert time.monotonic() < deadline, output.read_text(errors="replace")
            with suppress(subprocess.TimeoutExpired):
                self._child.wait(0.02)

    def freeze(self) -> None:
        """It holds its connections and takes new ones, and answers nobody."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it without a word; safe to repeat."""
        if self._child is not None:
            with suppress(ProcessLookupError):
                self._signal(signal.SIGKILL)
            self._child.wait()
            # A server of several processes lets go of its port when the last of them has gone.
            deadline = time.monotonic() + START_SECONDS
            while self._takes_connections():
                assert time.monotonic() < deadline, f"port {self.port} is still taken"

    def _signal(self, number: signal.Signals) -> None:
        assert self._child is not None
        os.killpg(self._child.pid, number)

    def _takes_connections(self) -> bool:
        with socket.socket() as trial:
            trial.settimeout(1)
            return trial.connect_ex((HOST, self.port)) == 0


@dataclass
class Trap:
    """Listens, and counts who comes."""

    port: int = 0
    visits: list[asyncio.StreamWriter] = field(default_factory=list)
