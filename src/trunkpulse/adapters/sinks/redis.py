"""Events into a Redis stream: XADD, one entry for each event.

An entry holds the attributes of the CloudEvent as fields, and the event under ``data``. There is no
binding of CloudEvents for Redis; these are the names that its other bindings use.

The stream is kept at about ``max_length`` entries (``MAXLEN ~``), so that a reader who is gone
does not fill the server's memory. An answer to XADD says that the entry is in memory: whether it
outlasts a crash of the server is what its ``appendfsync`` says.

Whatever the server refuses may be granted later (no permission, out of memory, a replica, a key of
another type): everything is tried again, nothing is a refusal.

Commands are sent without waiting for the answers to those before. The server answers in order, so
a queue of who waits is all that is needed.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from redis.asyncio import Connection
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink, TryLater
from trunkpulse.adapters.sinks.cloudevents import CONTENT_TYPE, CloudEvent
from trunkpulse.adapters.sinks.wires import Way, Wire, endpoints_of
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid

__all__ = ["sink_of"]

DEFAULT_PORT: Final = 6379
DEFAULT_MAX_LENGTH: Final = 100_000
RESP2: Final = 2
"""Spoken by every server, and by none with messages that were not asked for."""


def sink_of(stream: EventStream, outside: Outside, *, timeout_seconds: float = 20.0) -> BrokerSink:
    """The sink of a stream whose destination is a Redis stream; raises DestinationInvalid."""
    where = f"The destination of event stream {stream.id!r}"
    target = endpoints_of(stream, {"redis": False, "rediss": True}, DEFAULT_PORT)
    destination = stream.destination
    key = destination.option("key", "")
    if not key:
        raise DestinationInvalid(f"{where} needs the key of the Redis stream as key.")
    max_length = destination.option("max_length", DEFAULT_MAX_LENGTH)
    if target.path and not (target.path.isascii() and target.path.isdigit()):
        raise DestinationInvalid(
            f"{where} needs the number of the database, or nothing, behind the host of its url."
        )
    way = Way.of(stream, outside)

    async def connect() -> _RedisLine:
        wire = await way.dial(target.endpoint, tls=target.tls)
        connection: Connection = _Dialled(
            wire,
            db=int(target.path or 0),
            username=target.username,
            password=destination.secret,
        )
        try:
            await connection.connect()
            # Without a password nothing is said on connecting: it may not be a server at all.
            await connection.send_command("PING")
            await connection.read_response()
        except BaseException as error:
            await connection.disconnect(nowait=True)
            wire.abort()
            if isinstance(error, AuthenticationError):
                raise TryLater(f"no entry with these credentials: {error}") from error
            if isinstance(error, RedisError):
                raise TryLater(str(error)) from error
            raise
        return _RedisLine(wire, connection, key, max_length)

    return BrokerSink(way, connect, place=f"XADD {key}", timeout_seconds=timeout_seconds)


class _Dialled(Connection):
    """A connection of redis-py over what was dialled; it serves once."""

    def __init__(self, wire: Wire, **settings: Any) -> None:
        super().__init__(
            protocol=RESP2,
            driver_info=None,
            socket_timeout=None,
            socket_connect_timeout=None,
            **settings,
        )
        self._wire = wire

    async def _connect(self) -> None:
        self._reader, self._writer = self._wire.reader, self._wire.writer


class _RedisLine:
    def __init__(self, wire: Wire, connection: Connection, key: str, max_length: int) -> None:
        self._wire = wire
        self._connection = connection
        self._command = ("XADD", key, "MAXLEN", "~", max_length, "*")
        self._waiting: deque[asyncio.Future[str]] = deque()
        """Who waits for an answer, in the order of the commands."""
        self._reading = asyncio.create_task(self._read())

    @property
    def is_open(self) -> bool:
        return not self._reading.done()

    @property
    def wires(self) -> Sequence[Wire]:
        return [self._wire]

    async def publish(self, event: CloudEvent) -> str:
        if not self.is_open:
            raise TryLater("the connection was lost", lost=True)
        fields: dict[str, str | bytes] = {**event.attributes, "datacontenttype": CONTENT_TYPE}
        fields["data"] = event.data
        pairs = [part for field in fields.items() for part in field]
        command = self._connection.pack_command(*self._command, *pairs)
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # Nothing comes between these two: the queue is in the order of the commands.
        self._waiting.append(answer)
        self._wire.writer.writelines(command)
        await self._wire.writer.drain()
        return await answer

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await self._connection.disconnect(nowait=True)

    async def _read(self) -> None:
        trouble = TryLater("the connection was closed", lost=True)
        try:
            while True:
                entry: str | TryLater
                try:
                    answer: bytes = await self._connection.read_response(timeout=math.inf)
                    entry = f"entry {answer.decode()}"
                except ResponseError as error:
                    # A replica stays one: another connection may lead to the master.
                    lost = "READONLY" in f"{type(error).__name__} {error}".upper()
                    entry = TryLater(str(error), lost=lost)
                self._tell(self._waiting.popleft(), entry)
        except (RedisError, OSError, asyncio.IncompleteReadError):
            trouble = TryLater("the connection was lost", lost=True)
        finally:
            for waiting in self._waiting:
                self._tell(waiting, trouble)
            self._waiting.clear()

    @staticmethod
    def _tell(waiting: asyncio.Future[str], entry: str | TryLater) -> None:
        if waiting.done():  # whoever sent this one has given up since
            return
        if isinstance(entry, TryLater):
            waiting.set_exception(entry)
        else:
            waiting.set_result(entry)
