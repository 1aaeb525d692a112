"""A redis-server of a test's own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError

from brokers.bench import Received, a_stream
from brokers.processes import HOST, BrokerProcess
from certificates import Issued
from interop.peers.ports import free_port
from interop.peers.software import peer
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink
from trunkpulse.adapters.sinks.redis import sink_of

__all__ = ["RedisPlace", "running_redis"]

PASSWORD = "open-sesame"
LOADING_SECONDS = 30.0


class RedisPlace:
    drops_repeats = False

    def __init__(self, server: BrokerProcess, key: str = "trunkpulse:events") -> None:
        self.server = server
        self.key = key

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.server.port}/3"

    def client(self) -> Redis:
        return Redis(host=HOST, port=self.server.port, db=3, password=PASSWORD)

    def sink(self, outside: Outside, *, timeout_seconds: float = 10.0) -> BrokerSink:
        stream = a_stream("redis", self.url, PASSWORD, key=self.key)
        return sink_of(stream, outside, timeout_seconds=timeout_seconds)

    async def received(self, count: int) -> list[Received]:
        async with self.client() as client:
            entries: Any = await client.xrange(self.key, count=count)
        found = []
        for _, fields in entries:
            texts = {name.decode(): value.decode() for name, value in fields.items()}
            content_type, body = texts.pop("datacontenttype"), texts.pop("data")
            found.append(Received(texts, content_type, body))
        return found

    async def freeze(self) -> None:
        self.server.freeze()

    async def thaw(self) -> None:
        self.server.thaw()

    async def kill(self) -> None:
        self.server.kill()

    async def restart(self) -> None:
        """It listens before it has read what it had stored, and says so until then."""
        self.server.start()
        async with asyncio.timeout(LOADING_SECONDS), self.client() as client:
            while True:
                with suppress(BusyLoadingError):
                    await client.ping()
                    return


@contextmanager
def running_redis(folder: Path, tls: Issued | None = None) -> Iterator[BrokerProcess]:
    """A server that writes each command to its disk before it answers."""
    port = free_port(HOST)
    command = [peer("redis-server"), "--bind", HOST, "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    command += ["--requirepass", PASSWORD]
    if tls is None:
        command += ["--port", str(port)]
    else:
        command += ["--port", "0", "--tls-port", str(port), "--tls-auth-clients", "no"]
        command += ["--tls-cert-file", str(tls.cert_file), "--tls-key-file", str(tls.key_file)]
        command += ["--tls-ca-cert-file", str(tls.cert_file)]
    server = BrokerProcess(command, port=port, folder=folder)
    server.start()
    try:
        yield server
    finally:
        server.kill()
