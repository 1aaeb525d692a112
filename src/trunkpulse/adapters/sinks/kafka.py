"""Events to a Kafka topic: the trunk's id is the key, and all in-sync replicas acknowledge.

Kafka keeps the order of a partition, and a key's partition is chosen as the Java client chooses it
(murmur2). So the events of a trunk come in order, beside those of other producers with its key.

What is sent is aiokafka's: its requests, its record batches, its partitioner. Its producer is not
used. That one connects to whatever brokers a cluster names, unchecked, and repeats a message until
it is taken or the process ends, while the lane, which remembers it over restarts too, repeats it
as well. Here an attempt ends when the lane's attempt ends. A repeat after a lost acknowledgement
is a second record with the same ``ce_id``.

A broker that is told of in the metadata is connected to when a partition that it leads is written
to, and its address is checked like that of any other. An unknown topic, a partition without a
leader and a missing permission may be different later; a record above ``max.message.bytes`` is
refused.

The attributes of the CloudEvent are headers ``ce_…`` (Kafka protocol binding).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError, for_code
from aiokafka.partitioner import murmur2
from aiokafka.protocol.metadata import MetadataRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.record.default_records import DefaultRecordBatchBuilder

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink, Refused, TryLater
from trunkpulse.adapters.sinks.cloudevents import CONTENT_TYPE, CloudEvent
from trunkpulse.adapters.sinks.kafka_link import Account, KafkaLink, check
from trunkpulse.adapters.sinks.wires import Endpoint, Way, Wire, endpoints_of, said
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid

__all__ = ["sink_of"]

DEFAULT_PORT: Final = 9092
MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")
ALL_IN_SYNC: Final = -1
BATCH_BYTES: Final = 512 * 1024
"""Half of what brokers take in one batch unless told otherwise."""

ResultT = TypeVar("ResultT")

_TOO_LARGE: Final = frozenset({MessageSizeTooLargeError.errno, RecordListTooLargeError.errno})


def sink_of(stream: EventStream, outside: Outside, *, timeout_seconds: float = 20.0) -> BrokerSink:
    """The sink of a stream whose destination is a Kafka topic; raises DestinationInvalid."""
    where = f"The destination of event stream {stream.id!r}"
    target = endpoints_of(stream, {"kafka": False}, DEFAULT_PORT)
    destination = stream.destination
    topic = destination.option("topic", "")
    if not topic:
        raise DestinationInvalid(f"{where} needs the name of the Kafka topic as topic.")
    mechanism = destination.option("sasl_mechanism", MECHANISMS[0]).upper()
    if mechanism not in MECHANISMS:
        raise DestinationInvalid(
            f"{where} has a sasl_mechanism that is not spoken; use one of {', '.join(MECHANISMS)}."
        )
    account = None
    if target.username is not None:
        account = Account(mechanism, target.username, destination.secret or "")
    way = Way.of(stream, outside)
    tls = destination.option("tls", default=False)

    # A broker that is silent leaves time for another.
    link_seconds = timeout_seconds / 2 / max(2, len(target.endpoints))

    async def link(endpoint: Endpoint) -> KafkaLink:
        try:
            async with asyncio.timeout(link_seconds):
                opened = KafkaLink(await way.dial(endpoint, tls=tls))
                try:
                    await opened.open(account)
                except BaseException:
                    await opened.close()
                    raise
                return opened
        except TimeoutError:
            raise TryLater(f"no connection within {link_seconds:g} seconds") from None

    async def connect() -> _KafkaLine:
        *others, last = target.endpoints
        guide: KafkaLink | None = None
        for endpoint in others:
            with suppress(OSError, TryLater):  # why it did not work is told of the last one
                guide = await link(endpoint)
                break
        line = _KafkaLine(guide or await link(last), link, topic, timeout_seconds / 2)
        try:
            await line.look_around()
        except BaseException:
            await line.close()
            raise
        return line

    return BrokerSink(way, connect, place=f"Kafka topic {topic}", timeout_seconds=timeout_seconds)


@dataclass(slots=True)
class _Batch:
    """Events of one partition that go out together."""

    events: list[CloudEvent] = field(default_factory=list)
    size_bytes: int = 0
    sending: asyncio.Task[str] | None = None

    def add(self, event: CloudEvent) -> None:
        self.events.append(event)
        self.size_bytes += len(event.data)

    def records(self) -> bytes:
        """A record batch of version 2, uncompressed."""
        builder = DefaultRecordBatchBuilder(
            magic=2,
            compression_type=0,
            is_transactional=0,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=2 * BATCH_BYTES,
        )
        for offset, event in enumerate(self.events):
            headers = [(f"ce_{name}", text.encode()) for name, text in event.attributes.items()]
            headers.append(("content-type", CONTENT_TYPE.encode()))
            taken = builder.append(
                offset=offset,
                timestamp=None,
                key=event.subject.encode(),
                value=event.data,
                headers=headers,
            )
            assert taken is not None, "a batch is closed long before it is full"
        return bytes(builder.build())


class _KafkaLine:
    def __init__(
        self,
        guide: KafkaLink,
        link: Callable[[Endpoint], Coroutine[Any, Any, KafkaLink]],
        topic: str,
        ack_seconds: float,
    ) -> None:
        """``guide`` tells where partitions are, ``link`` opens a connection to an endpoint."""
        self._guide = guide
        self._link = link
        self._topic = topic
        self._ack_seconds = ack_seconds
        self._brokers: dict[int, Endpoint] = {}
        self._leaders: list[int] = []
        """Of each partition, by its number."""
        self._is_stale = False
        self._looking = asyncio.Lock()
        self._links: dict[int, asyncio.Task[KafkaLink]] = {}
        """To the brokers that lead a partition which was written to."""
        self._filling: dict[int, _Batch] = {}
        """What is about to be sent to a partition."""
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def is_open(self) -> bool:
        return self._guide.is_open

    @property
    def wires(self) -> Sequence[Wire]:
        return [self._guide.wire, *(link.wire for link in self._opened())]

    async def look_around(self) -> None:
        """Find out which brokers there are, and what they lead; raises TryLater and OSError."""
        answer = await self._guide.ask(MetadataRequest([self._topic]))
        (topic,) = answer["topics"]
        check(topic["error_code"], f": topic {self._topic}")
        self._brokers = {
            each["node_id"]: Endpoint(each["host"], each["port"]) for each in answer["brokers"]
        }
        partitions = sorted(topic["partitions"], key=lambda each: int(each["partition"]))
        self._leaders = [each["leader"] for each in partitions]
        if not self._leaders:
            raise TryLater(f"topic {self._topic} has no partitions yet", lost=True)
        self._is_stale = False

    async def publish(self, event: CloudEvent) -> str:
        async with self._looking:
            if self._is_stale:
                await self.look_around()
        partition = (murmur2(event.subject.encode()) & 0x7FFFFFFF) % len(self._leaders)
        batch = self._filling.get(partition)
        if batch is None or batch.size_bytes + len(event.data) > BATCH_BYTES:
            batch = self._filling[partition] = _Batch()
            # It starts when this task waits: what else is due by then goes with it.
            batch.sending = self._start(self._send(partition, batch))
        batch.add(event)
        assert batch.sending is not None
        return await asyncio.shield(batch.sending)

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for link in [self._guide, *self._opened()]:
            await link.close()

    async def _send(self, partition: int, batch: _Batch) -> str:
        if self._filling.get(partition) is batch:
            del self._filling[partition]
        try:
            link = await self._to_leader(partition)
            answer = await link.ask(
                ProduceRequest(
                    transactional_id=None,
                    required_acks=ALL_IN_SYNC,
                    timeout=round(self._ack_seconds * 1000),
                    topics=[(self._topic, [(partition, batch.records())])],
                )
            )
            (told,) = answer["topics"][0]["partitions"]
            code = told["error_code"]
            if code in _TOO_LARGE and len(batch.events) == 1:
                raise Refused(for_code(code).message)
            check(code, f": topic {self._topic}, partition {partition}")
        except TryLater:
            # Mostly the leader has moved; to ask where it is costs one request.
            self._is_stale = True
            raise
        return f"partition {partition}, offset {told['offset']}"

    async def _to_leader(self, partition: int) -> KafkaLink:
        leader = self._leaders[partition]
        endpoint = self._brokers.get(leader)
        if endpoint is None:
            raise TryLater(f"partition {partition} of topic {self._topic} has no leader now")
        opening = self._links.get(leader)
        if opening is None or (opening.done() and not _is_usable(opening)):
            opening = self._links[leader] = self._start(self._link(endpoint))
        where = f"broker {endpoint.host}:{endpoint.port}"
        try:
            return await asyncio.shield(opening)
        except OSError as error:
            raise TryLater(f"{where}: {said(error)}") from error
        except TryLater as trouble:
            raise TryLater(f"{where}: {trouble}") from trouble

    def _start(self, work: Coroutine[Any, Any, ResultT]) -> asyncio.Task[ResultT]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _opened(self) -> list[KafkaLink]:
        done = [task for task in self._links.values() if task.done() and not task.cancelled()]
        return [task.result() for task in done if task.exception() is None]


def _is_usable(opening: asyncio.Task[KafkaLink]) -> bool:
    return not opening.cancelled() and opening.exception() is None and opening.result().is_open
