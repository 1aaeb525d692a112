"""A RabbitMQ of the tests' own: it takes seconds to start, so that one serves them all."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aio_pika
from aio_pika.abc import AbstractChannel
from aiormq.connection import TransportFactory
from yarl import URL

from brokers.bench import Received, a_stream
from brokers.processes import HOST, BrokerProcess
from interop.peers.ports import free_port
from interop.peers.software import peer
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.amqp import sink_of
from trunkpulse.adapters.sinks.broker import BrokerSink

__all__ = ["MOST_BYTES", "RabbitPlace", "running_rabbit"]

MOST_BYTES = 65_536

CONFIG = f"""\
listeners.tcp.1 = {HOST}:{{port}}
max_message_size = {MOST_BYTES}
default_pass = open-sesame
log.console = true
log.console.level = warning
log.file = false
"""


class _Wires(TransportFactory):
    """Connections that are gone for sure in the end: the library may still be about it."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(url.host, url.port)
        self._writers.append(writer)
        return reader, writer

    def abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()


class RabbitPlace:
    drops_repeats = False

    def __init__(self, server: BrokerProcess, queue: str) -> None:
        self.server = server
        self.queue = queue

    @property
    def url(self) -> str:
        return f"amqp://guest@{HOST}:{self.server.port}/%2F"

    @asynccontextmanager
    async def channel(self) -> AsyncIterator[AbstractChannel]:
        connection = aio_pika.Connection(URL(self.url).with_password("open-sesame"))
        wires = connection.kwargs["transport_factory"] = _Wires()
        await connection.connect()
        try:
            async with connection, connection.channel() as channel:
                yield channel
        finally:
            wires.abort()

    def sink(self, outside: Outside, *, timeout_seconds: float = 10.0) -> BrokerSink:
        stream = a_stream("amqp", self.url, "open-sesame", routing_key=self.queue)
        return sink_of(stream, outside, timeout_seconds=timeout_seconds)

    async def received(self, count: int) -> list[Received]:
        found: list[Received] = []
        async with self.channel() as channel:
            queue = await channel.get_queue(self.queue)
            while len(found) < count and (message := await queue.get(fail=False)):
                assert message.message_id == message.headers["cloudEvents:id"]
                assert message.delivery_mode == aio_pika.DeliveryMode.PERSISTENT
                attributes = {
                    name.removeprefix("cloudEvents:"): str(value)
                    for name, value in message.headers.items()
                    if name.startswith("cloudEvents:")
                }
                found.append(
                    Received(attributes, message.content_type or "", message.body.decode())
                )
        return found  # what is not acknowledged goes back to its place in the queue

    async def freeze(self) -> None:
        self.server.freeze()

    async def thaw(self) -> None:
        self.server.thaw()

    async def kill(self) -> None:
        self.server.kill()

    async def restart(self) -> None:
        self.server.start()


@contextmanager
def running_rabbit(folder: Path) -> Iterator[BrokerProcess]:
    """A node with a name, a cookie and a port mapper of its own, all on loopback."""
    mapper_port, node_port = free_port(HOST), free_port(HOST)
    mapper = BrokerProcess(
        [peer("epmd"), "-address", HOST, "-port", str(mapper_port)],
        port=mapper_port,
        folder=folder,
    )
    port = free_port(HOST)
    config = folder / "rabbitmq.conf"
    config.write_text(CONFIG.format(port=port), encoding="utf-8")
    plugins = folder / "enabled_plugins"
    plugins.write_text("[].\n", encoding="utf-8")
    environment = {
        "HOME": str(folder),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(mapper_port),
        "RABBITMQ_NODENAME": f"trunkpulse{os.getpid()}@localhost",
        "RABBITMQ_DIST_PORT": str(node_port),
        "RABBITMQ_CONFIG_FILE": str(config),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "none"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} "
        "+S 1:1 +sbwt none",
    }
    node = BrokerProcess([_program()], port=port, folder=folder, environment=environment)
    mapper.start()
    try:
        node.start()
        yield node
    finally:
        node.kill()
        mapper.kill()


def _program() -> str:
    """Debian wraps it in a script that changes to the user of the machine's own RabbitMQ."""
    found = Path(peer("rabbitmq-server")).resolve()
    return str(found.with_name("rabbitmq-server") if "wrapper" in found.name else found)
