"""A service of our own on loopback, and far sides that listen there."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from interop.peers.ports import free_port
from trunkpulse.app import Running, running
from trunkpulse.config import load_config
from trunkpulse.events.envelope import decode
from trunkpulse.model import StateChange, TrunkState
from trunkpulse.sip.framing import MessageFramer
from trunkpulse.sip.server import AnswerSettings, answer_request

__all__ = ["Carrier", "Watched", "carrier", "closed_port", "service"]

SETTINGS = """
[instance]
id = "complaints"
[api]
listen = "127.0.0.1:0"
[keepalive]
interval_seconds = 0.2
confirm_interval_seconds = 0.1
down_interval_seconds = 0.2
timeout_seconds = 10
max_failed_attempts = 2
min_successful_attempts = 1
"""
"""Decides at once, and takes no busy machine for a dead carrier."""

HEALTHY = AnswerSettings(tag_key=b"carrier")


class Watched:
    """A running service, and every change of state that it has recorded."""

    def __init__(self, up: Running) -> None:
        self.up = up
        self._changed = asyncio.Event()
        up.node.listen(self._note)

    async def until(self, trunk_id: str, state: TrunkState) -> None:
        """Wait until the trunk is in this state."""
        while self.up.node.board.status(trunk_id).state is not state:
            self._changed.clear()
            await self._changed.wait()

    async def changes(self) -> list[StateChange]:
        """All that were recorded, also before anybody watched."""
        await self.up.node.pipeline.recorder.flushed()
        return [decode(event.body) for event in await self.up.store.read()]

    def _note(self, _changes: object) -> None:
        self._changed.set()


@asynccontextmanager
async def service(folder: Path, more: str) -> AsyncIterator[Watched]:
    """All of trunkpulse but the process, with ``more`` in its configuration."""
    file = folder / "trunkpulse.toml"
    listen = "" if "[sip]" in more else "[sip]\nlisten = []\n"
    file.write_text(SETTINGS + listen + more)
    async with running(load_config(file, {}), folder) as up:
        yield Watched(up)


class Carrier:
    """A far side over TCP or TLS that answers OPTIONS, and closes when it is told to."""

    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.answers = 0
        self.closes_after_answering = False
        self.closes_when_asked_again = False
        """What is asked second on a connection is lost with it."""
        self._answered = asyncio.Event()

    async def until(self, done: Callable[[], bool]) -> None:
        """Wait until ``done``, which is asked after each answer."""
        while not done():
            self._answered.clear()
            await self._answered.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        answers = 0
        framer = MessageFramer()
        try:
            while data := await reader.read(4096):
                for frame in framer.feed(data):
                    assert isinstance(frame, bytes)
                    if self.closes_when_asked_again and answers:
                        return
                    answer = answer_request(frame, "127.0.0.1", 5060, settings=HEALTHY)
                    assert answer is not None
                    writer.write(answer.data)
                    await writer.drain()
                    self.answers += 1
                    answers += 1
                    self._answered.set()
                    if self.closes_after_answering:
                        return
        except ConnectionError:
            pass  # the other side went first
        finally:
            writer.close()


@asynccontextmanager
async def carrier(tls: ssl.SSLContext | None = None) -> AsyncIterator[Carrier]:
    """A far side on a port of 127.0.0.1."""
    far = Carrier()
    server = await asyncio.start_server(far.serve, "127.0.0.1", 0, ssl=tls)
    far.port = server.sockets[0].getsockname()[1]
    try:
        yield far
    finally:
        server.close()


def closed_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    return free_port("127.0.0.1")
