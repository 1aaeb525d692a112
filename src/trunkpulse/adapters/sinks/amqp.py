"""Events to RabbitMQ and what else speaks AMQP 0-9-1: persistent, mandatory and confirmed.

A confirmation says that the message is in every queue that it was routed to, on disk if the queue
is durable. A message that no queue takes is returned (``mandatory``) and tried again later, like
one for an exchange that does not exist: an operator may be about to create either. Only a message
above the broker's ``max_message_size`` is refused.

To the default exchange (``exchange = ""``) a message is routed by the name of its queue. That
queue is looked for, and if there is none a durable one is declared, unless ``declare`` is false.
One that is there stays as it is, whatever its kind.

The attributes of the CloudEvent are application properties ``cloudEvents:…`` (AMQP binding 3.1.3),
its id is the message id too.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractExchange
from aio_pika.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    ChannelNotFoundEntity,
    ChannelPreconditionFailed,
    DeliveryError,
    PublishError,
)
from aiormq.connection import TransportFactory
from yarl import URL

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink, Refused, TryLater
from trunkpulse.adapters.sinks.cloudevents import CONTENT_TYPE, CloudEvent
from trunkpulse.adapters.sinks.wires import Target, Way, Wire, endpoints_of, said
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid

__all__ = ["sink_of"]

DEFAULT_PORT: Final = 5672
DEFAULT_TLS_PORT: Final = 5671
DEFAULT_ROUTING_KEY: Final = "trunkpulse.events"
HEARTBEAT_SECONDS: Final = 20
LONGEST_NAME_BYTES: Final = 255
"""Of an exchange, a queue or a routing key: a "short string" of AMQP."""


def sink_of(stream: EventStream, outside: Outside, *, timeout_seconds: float = 20.0) -> BrokerSink:
    """The sink of a stream whose destination is an AMQP broker; raises DestinationInvalid."""
    port = DEFAULT_TLS_PORT if stream.destination.url.startswith("amqps:") else DEFAULT_PORT
    target = endpoints_of(stream, {"amqp": False, "amqps": True}, port)
    destination = stream.destination
    exchange = destination.option("exchange", "")
    routing_key = destination.option("routing_key", DEFAULT_ROUTING_KEY)
    for key, name in (("exchange", exchange), ("routing_key", routing_key)):
        if len(name.encode()) > LONGEST_NAME_BYTES:
            raise DestinationInvalid(
                f"The {key} of event stream {stream.id!r} is longer than {LONGEST_NAME_BYTES} "
                "bytes, which is the most that AMQP can carry."
            )
    declare = destination.option("declare", default=True) and not exchange
    url = _url(target, destination.secret)
    way = Way.of(stream, outside)

    # What the library has to say of lost connections, with a traceback each, the delivery log says.
    for logger in ("aiormq", "aio_pika"):
        logging.getLogger(logger).setLevel(logging.CRITICAL)

    async def connect() -> _AmqpLine:
        dialler = _Dialler(way, target)
        connection = aio_pika.Connection(url)
        connection.kwargs["transport_factory"] = dialler
        try:
            await connection.connect()
            if declare:
                await _declare(connection, routing_key)
            channel = connection.channel(on_return_raises=True)
            await channel.initialize()
            to = await channel.get_exchange(exchange, ensure=False) if exchange else None
        except BaseException as error:
            for wire in dialler.wires:
                wire.abort()
            await connection.close()
            if isinstance(error, AMQPError):
                raise TryLater(_words(error)) from error
            raise
        return _AmqpLine(connection, channel, to, routing_key, dialler.wires)

    place = f"basic.publish to exchange {exchange!r} with routing key {routing_key!r}"
    return BrokerSink(way, connect, place=place, timeout_seconds=timeout_seconds)


def _url(target: Target, secret: str | None) -> URL:
    """What the library takes the account and the virtual host from; it dials by our dialler."""
    return URL.build(
        scheme="amqp",
        host=target.endpoint.host,
        port=target.endpoint.port,
        user=target.username,
        password=secret,
        path=f"/{target.path}",
        query={"heartbeat": str(HEARTBEAT_SECONDS), "name": "trunkpulse"},
    )


async def _declare(connection: aio_pika.Connection, queue: str) -> None:
    """See that there is such a queue. A broker closes the channel on which it is asked in vain."""
    try:
        async with connection.channel() as asking:
            await asking.declare_queue(queue, passive=True)
    except ChannelNotFoundEntity:
        async with connection.channel() as declaring:
            await declaring.declare_queue(queue, durable=True)


class _Dialler(TransportFactory):
    """Gives the library connections to addresses that were checked."""

    def __init__(self, way: Way, target: Target) -> None:
        self._way = way
        self._target = target
        self.wires: list[Wire] = []

    async def create(
        self, url: URL, **kwargs: Any
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        wire = await self._way.dial(self._target.endpoint, tls=self._target.tls)
        self.wires.append(wire)
        return wire.reader, wire.writer


class _AmqpLine:
    def __init__(
        self,
        connection: aio_pika.Connection,
        channel: AbstractChannel,
        exchange: AbstractExchange | None,
        routing_key: str,
        wires: Sequence[Wire],
    ) -> None:
        """``exchange`` is None for the default one."""
        self._connection = connection
        self._channel = channel
        self._exchange = exchange or channel.default_exchange
        self._routing_key = routing_key
        self._wires = wires
        self._under_way = 0

    @property
    def is_open(self) -> bool:
        return self._connection.connected.is_set() and not self._channel.is_closed

    @property
    def wires(self) -> Sequence[Wire]:
        return self._wires

    async def publish(self, event: CloudEvent) -> str:
        self._under_way += 1
        alone = self._under_way == 1
        try:
            await self._exchange.publish(_message(event), self._routing_key, mandatory=True)
        except PublishError as returned:
            raise TryLater(f"no queue takes the routing key {self._routing_key!r}") from returned
        except DeliveryError as refusal:
            raise TryLater("the broker could not store it") from refusal
        except ChannelPreconditionFailed as error:
            # The channel is closed for all messages on it; which one was too large is not said.
            if alone and "size" in str(error):
                raise Refused(_words(error)) from error
            raise TryLater(_words(error), lost=True) from error
        except (AMQPError, ChannelInvalidStateError) as error:
            raise TryLater(_words(error), lost=True) from error
        finally:
            self._under_way -= 1
        return "confirmed"

    async def close(self) -> None:
        await self._connection.close()


def _message(event: CloudEvent) -> aio_pika.Message:
    return aio_pika.Message(
        event.data,
        content_type=CONTENT_TYPE,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=event.id,
        type=event.type,
        timestamp=datetime.fromisoformat(event.time),
        app_id="trunkpulse",
        headers={f"cloudEvents:{name}": value for name, value in event.attributes.items()},
    )


def _words(error: Exception) -> str:
    """What the broker said, without the library's words around it."""
    if isinstance(error.__cause__, OSError):
        return said(error.__cause__)
    if isinstance(error.__cause__, EOFError):
        return "the connection was lost"
    return ", ".join(str(part) for part in error.args) or type(error).__name__
