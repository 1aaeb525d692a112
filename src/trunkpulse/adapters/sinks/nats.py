"""Events into NATS JetStream: published with ``Nats-Msg-Id``, and acknowledged by the stream.

The event id is the message id. A stream drops what it has seen within its duplicate window (two
minutes unless told otherwise), so that a repeat after a lost acknowledgement mostly never shows.
The attributes of the CloudEvent are headers ``ce-…`` (NATS protocol binding).

No stream that takes the subject, no permission, a full stream or no JetStream at all may be
different later: it is tried again. Only an event above the size that the server or the stream
allows is refused.

The client library is not let to reconnect by itself, nor to servers that a server tells it of: it
would go where nobody checked that it may.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import ParseResult, quote

import nats.errors
from nats.aio.client import Client
from nats.aio.transport import Transport
from nats.js.errors import APIError, NoStreamResponseError

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink, Refused, TryLater
from trunkpulse.adapters.sinks.cloudevents import CONTENT_TYPE, CloudEvent
from trunkpulse.adapters.sinks.wires import Way, Wire, endpoints_of
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid

__all__ = ["sink_of"]

DEFAULT_PORT: Final = 4222
PING_SECONDS: Final = 20
FOR_EVER: Final = 86_400.0
"""Said to the library: the time is kept here, where the end of a connection shortens it."""
MESSAGE_TOO_LARGE: Final = 10054
"""``err_code`` of JetStream: the message is above the stream's ``max_msg_size``."""
NOWHERE: Final = "nats://127.0.0.1:1"
"""What the library would connect to if it came to dial by itself: nobody listens there."""
PLAIN: Final = "\\!#$&'()*+,-./:;<=>?@[]^_`{|}~"
"""Printable characters that stay as they are in a header (HTTP binding 3.1.3.2)."""


def sink_of(stream: EventStream, outside: Outside, *, timeout_seconds: float = 20.0) -> BrokerSink:
    """The sink of a stream whose destination is JetStream; raises DestinationInvalid."""
    target = endpoints_of(stream, {"nats": False, "natss": True, "tls": True}, DEFAULT_PORT)
    destination = stream.destination
    subject = destination.option("subject", "")
    if not subject or any(char in "*> " or not char.isprintable() for char in subject):
        raise DestinationInvalid(
            f"The destination of event stream {stream.id!r} needs a subject without wildcards and "
            "spaces; write it like trunkpulse.events."
        )
    way = Way.of(stream, outside)
    account: dict[str, Any] = {}
    if destination.secret is not None:
        if target.username is None:
            account = {"token": destination.secret}
        else:
            account = {"user": target.username, "password": destination.secret}

    async def connect() -> _NatsLine:
        wire = await way.dial(target.endpoint, tls=False)  # TLS begins after the first line
        line = _NatsLine(wire, subject, timeout_seconds)
        try:
            await line.open(
                tls_name=target.endpoint.host if target.tls else None,
                tls=way.tls_context() if target.tls else None,
                account=account,
            )
        except nats.errors.Error as error:
            raise TryLater(line.trouble or str(error)) from error
        finally:
            if not line.is_open:
                wire.abort()
        return line

    return BrokerSink(
        way, connect, place=f"JetStream subject {subject}", timeout_seconds=timeout_seconds
    )


class _NatsLine:
    def __init__(self, wire: Wire, subject: str, timeout_seconds: float) -> None:
        self._wire = wire
        self._subject = subject
        self._ack_seconds = timeout_seconds / 2
        self._client = Client()
        self._stream = self._client.jetstream()
        self._patiences: set[asyncio.Timeout] = set()
        """Of those who wait for an acknowledgement."""
        self.trouble = ""
        """What the server complained of last; it does not say about which message."""

    async def open(
        self, *, tls_name: str | None, tls: ssl.SSLContext | None, account: dict[str, Any]
    ) -> None:
        """Introduce ourselves; raises ``nats.errors.Error`` and OSError."""
        # There is no other way to give the library a connection that it did not dial.
        self._client._transport = _Dialled(self._wire, needs_tls=tls is not None)  # noqa: SLF001
        await self._client.connect(
            NOWHERE,
            name="trunkpulse",
            error_cb=self._note,
            closed_cb=self._give_up,
            allow_reconnect=False,
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            connect_timeout=math.ceil(self._ack_seconds),
            ping_interval=PING_SECONDS,
            pending_size=0,
            tls=tls,
            tls_hostname=tls_name,
            **account,
        )

    @property
    def is_open(self) -> bool:
        return self._client.is_connected

    @property
    def wires(self) -> Sequence[Wire]:
        return [self._wire]

    async def publish(self, event: CloudEvent) -> str:
        headers = {f"ce-{name}": quote(value, PLAIN) for name, value in event.attributes.items()}
        headers |= {"Nats-Msg-Id": event.id, "Content-Type": CONTENT_TYPE}
        patience = asyncio.timeout(self._ack_seconds)
        self._patiences.add(patience)
        try:
            async with patience:
                taken = await self._stream.publish(
                    self._subject, event.data, timeout=FOR_EVER, headers=headers
                )
        except nats.errors.MaxPayloadError as error:
            raise Refused("the event is larger than the server allows") from error
        except NoStreamResponseError as error:
            raise TryLater(f"no JetStream stream takes the subject {self._subject}") from error
        except APIError as error:
            said = error.description or f"JetStream error {error.err_code or error.code}"
            if error.err_code == MESSAGE_TOO_LARGE:
                raise Refused(said) from error
            raise TryLater(said) from error
        except TimeoutError as error:
            ended = "no acknowledgement" if self.is_open else "the connection was lost"
            raise TryLater(self.trouble or ended, lost=True) from error
        except nats.errors.Error as error:
            raise TryLater(self.trouble or str(error), lost=True) from error
        finally:
            self._patiences.discard(patience)
        self.trouble = ""
        return f"{taken.stream} {taken.seq}{' (had it already)' if taken.duplicate else ''}"

    async def close(self) -> None:
        await self._client.close()

    async def _note(self, error: Exception) -> None:
        self.trouble = str(error)

    async def _give_up(self) -> None:
        """The library leaves those who wait for an answer waiting when its connection ends."""
        now = asyncio.get_running_loop().time()
        for patience in self._patiences:
            if not patience.expired():
                patience.reschedule(now)


class _Dialled(Transport):
    """What was dialled, as the library talks to it; what needs TLS is not sent in the clear."""

    def __init__(self, wire: Wire, *, needs_tls: bool) -> None:
        self._reader = wire.reader
        self._writer = wire.writer
        self._needs_tls = needs_tls

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:
        """Nothing to do: it is connected."""

    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,
        connect_timeout: int,
    ) -> None:
        await self._writer.start_tls(
            ssl_context, server_hostname=uri if isinstance(uri, str) else uri.hostname
        )
        self._needs_tls = False

    def write(self, payload: bytes) -> None:
        self.writelines([payload])

    def writelines(self, payload: list[bytes]) -> None:
        if self._needs_tls:
            raise ConnectionError("the server does not offer TLS, which the url asks for")
        self._writer.writelines(payload)

    async def read(self, buffer_size: int) -> bytes:
        return await self._reader.read(buffer_size)

    async def readline(self) -> bytes:
        return await self._reader.readline()

    async def drain(self) -> None:
        await self._writer.drain()

    async def wait_closed(self) -> None:
        await self._writer.wait_closed()

    def close(self) -> None:
        self._writer.close()

    def at_eof(self) -> bool:
        return self._reader.at_eof()

    def __bool__(self) -> bool:
        return True
