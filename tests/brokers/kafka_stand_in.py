"""As much of a Kafka cluster as a producer sees, in this process: no broker can be had from Debian
or PyPI.

It speaks ApiVersions, SaslHandshake and SaslAuthenticate, Metadata and Produce, in the versions
of aiokafka's own structures. A record batch has to have the right checksum and is read with
aiokafka's parser; a partition is written to at its leader alone.
"""

from __future__ import annotations

import asyncio
import struct
from collections import defaultdict
from contextlib import suppress
from io import BytesIO
from typing import Any

from aiokafka.protocol.admin import (
    ApiVersionResponse_v0,
    SaslAuthenticateRequest_v1,
    SaslAuthenticateResponse_v1,
    SaslHandShakeRequest_v1,
    SaslHandShakeResponse_v1,
)
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.produce import ProduceRequest_v7, ProduceResponse_v7
from aiokafka.record.memory_records import MemoryRecords

from brokers.bench import Received, a_stream
from brokers.processes import HOST
from brokers.scram import ScramServer
from interop.peers.ports import free_port
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink
from trunkpulse.adapters.sinks.kafka import sink_of

__all__ = ["KafkaCluster", "KafkaPlace"]

PRODUCE, METADATA, HANDSHAKE, VERSIONS, AUTHENTICATE = 0, 3, 17, 18, 36
SPOKEN = [(PRODUCE, 3, 7), (METADATA, 0, 5), (HANDSHAKE, 0, 1), (VERSIONS, 0, 0)]
UNKNOWN_TOPIC, NOT_LEADER, TOO_LARGE, UNSUPPORTED, AUTHENTICATION_FAILED = 3, 6, 10, 33, 58


class KafkaCluster:
    """Brokers that know of each other, and the topics that they lead together."""

    def __init__(self, nodes: int = 1, partitions: int = 4) -> None:
        self.ports = [free_port(HOST) for _ in range(nodes)]
        self.advertised_host = HOST
        self.advertised_ports = dict(enumerate(self.ports))
        self.topics = {"events"}
        self.leaders = {number: number % nodes for number in range(partitions)}
        self.account: tuple[str, str] | None = None
        """Who has to log in, and with what password; None: nobody."""
        self.mechanisms = ["PLAIN", "SCRAM-SHA-512"]
        self.most_bytes = 65_536
        self.records: defaultdict[int, list[Any]] = defaultdict(list)
        """What was appended, by partition."""
        self.batches = 0
        self.connections = 0
        self._running = asyncio.Event()
        self._running.set()
        self._servers: list[asyncio.Server] = []
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        for node, port in enumerate(self.ports):

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, node: int = node
            ) -> None:
                await self._serve(node, reader, writer)

            self._servers.append(await asyncio.start_server(serve, HOST, port))

    async def stop(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._running.set()
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def freeze(self) -> None:
        """Requests are held; they are served after a thaw, also those of who has gone."""
        self._running.clear()

    def thaw(self) -> None:
        self._running.set()

    async def _serve(
        self, node: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        session = _Session(self.account)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
                while True:
                    (size,) = struct.unpack(">i", await reader.readexactly(4))
                    frame = BytesIO(await reader.readexactly(size))
                    await self._running.wait()
                    api, version, correlation_id = struct.unpack(">hhi", frame.read(8))
                    frame.read(*struct.unpack(">h", frame.read(2)))  # the client's name
                    if api not in {VERSIONS, HANDSHAKE, AUTHENTICATE} and not session.is_known:
                        return
                    answer = self._answer(node, api, version, frame, session)
                    body = struct.pack(">i", correlation_id) + answer.encode()
                    writer.write(struct.pack(">i", len(body)) + body)
        finally:
            writer.close()
            self._serving.discard(task)

    def _answer(self, node: int, api: int, version: int, frame: BytesIO, session: _Session) -> Any:
        if api == VERSIONS:
            assert version == 0
            return ApiVersionResponse_v0(0, [*SPOKEN, (AUTHENTICATE, 0, 1)])
        if api == HANDSHAKE:
            assert version == 1
            session.mechanism = SaslHandShakeRequest_v1.decode(frame).mechanism
            known = session.mechanism in self.mechanisms
            return SaslHandShakeResponse_v1(0 if known else UNSUPPORTED, self.mechanisms)
        if api == AUTHENTICATE:
            assert version == 1
            token = session.step(SaslAuthenticateRequest_v1.decode(frame).sasl_auth_bytes)
            if token is None:
                return SaslAuthenticateResponse_v1(AUTHENTICATION_FAILED, "no", b"", 0)
            return SaslAuthenticateResponse_v1(0, None, token, 0)
        if api == METADATA:
            assert version == 5
            return self._metadata(MetadataRequest_v5.decode(frame))
        assert (api, version) == (PRODUCE, 7)
        return self._produce(node, ProduceRequest_v7.decode(frame))

    def _metadata(self, request: Any) -> Any:
        (topic,) = request.topics
        brokers = [
            (node, self.advertised_host, port, None) for node, port in self.advertised_ports.items()
        ]
        partitions: list[Any] = [
            (0, number, leader, [leader], [leader], []) for number, leader in self.leaders.items()
        ]
        known = topic in self.topics
        topics = [(0 if known else UNKNOWN_TOPIC, topic, False, partitions if known else [])]
        return MetadataResponse_v5(0, brokers, "cluster", 0, topics)

    def _produce(self, node: int, request: Any) -> Any:
        assert request.required_acks == -1
        assert request.transactional_id is None
        ((topic, ((partition, data),)),) = request.topics
        code, offset = 0, -1
        if self.leaders[partition] != node:
            code = NOT_LEADER
        elif len(data) > self.most_bytes:
            code = TOO_LARGE
        else:
            offset = len(self.records[partition])
            self._append(partition, data)
        return ProduceResponse_v7([(topic, [(partition, code, offset, -1, 0)])], 0)

    def _append(self, partition: int, data: bytes) -> None:
        batches = MemoryRecords(data)
        batch = batches.next_batch()
        assert batch.validate_crc()
        assert not batches.has_next()
        self.batches += 1
        self.records[partition].extend(batch)


class _Session:
    """Who is at the other end of a connection."""

    def __init__(self, account: tuple[str, str] | None) -> None:
        self._account = account
        self._scram = None if account is None else ScramServer(*account)
        self.mechanism = ""
        self.is_known = account is None

    def step(self, token: bytes) -> bytes | None:
        """What is said to a token; None to who is not let in."""
        assert self._account is not None
        assert self._scram is not None
        if self.mechanism != "PLAIN":
            answer = self._scram.step(token)
            self.is_known = self._scram.has_let_in
            return answer
        username, password = self._account
        self.is_known = token == f"{username}\0{username}\0{password}".encode()
        return b"" if self.is_known else None


class KafkaPlace:
    drops_repeats = False

    def __init__(self, cluster: KafkaCluster) -> None:
        self.cluster = cluster

    def sink(
        self,
        outside: Outside,
        *,
        timeout_seconds: float = 10.0,
        trusted: bool = True,
        secret: str | None = None,
        **options: str,
    ) -> BrokerSink:
        url = "kafka://" + ",".join(f"{HOST}:{port}" for port in self.cluster.ports)
        stream = a_stream("kafka", url, secret, trusted=trusted, **{"topic": "events", **options})
        return sink_of(stream, outside, timeout_seconds=timeout_seconds)

    async def received(self, count: int) -> list[Received]:
        found = []
        for record in (each for records in self.cluster.records.values() for each in records):
            headers = {name: value.decode() for name, value in record.headers}
            content_type = headers.pop("content-type")
            attributes = {name.removeprefix("ce_"): value for name, value in headers.items()}
            assert record.key.decode() == attributes["subject"]
            found.append(Received(attributes, content_type, record.value.decode()))
        return found[:count]

    async def freeze(self) -> None:
        self.cluster.freeze()

    async def thaw(self) -> None:
        self.cluster.thaw()

    async def kill(self) -> None:
        await self.cluster.stop()

    async def restart(self) -> None:
        await self.cluster.start()
