"""Awaits connections over TCP and TLS, for those who ask us and those who answer us there.

Bounded in every way: connections in all and of one host, the time that a message may take to come
whole, the time that a connection may be idle. Over TLS a client without a certificate of the
authorities that were asked for never gets as far as a message.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from typing import Final, Self

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.tls import server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Certificate, Clock, MessageReceiver, Obstacle

__all__ = ["StreamListener"]

CONNECTIONS_LIMIT: Final = 1000
PER_HOST_LIMIT: Final = 100
IDLE_SECONDS: Final = 300.0
WHOLE_MESSAGE_SECONDS: Final = 32.0
HANDSHAKE_SECONDS: Final = 10.0
ROUND_SECONDS: Final = 1.0
BACKLOG: Final = 128


class StreamListener:
    """See the module's opening; a ``ports.MessageTransport`` that only answers."""

    def __init__(
        self,
        protocol: TransportProtocol,
        receiver: MessageReceiver,
        clock: Clock,
        *,
        connections_limit: int,
        per_host_limit: int,
        idle_seconds: float,
    ) -> None:
        """``listen`` is the way in."""
        self._protocol = protocol
        self._receiver = receiver
        self._clock = clock
        self._connections_limit = connections_limit
        self._per_host_limit = per_host_limit
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._connections: dict[Address, Connection] = {}
        self._of_host: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._local_address: Address = ("", 0)
        self._round: asyncio.TimerHandle | None = None
        self._closed = False
        self.refused = 0
        """Connections that were one too many."""
        self.timed_out = 0
        """Connections that were idle, or slow with a message."""

    @classmethod
    async def listen(
        cls,
        protocol: TransportProtocol,
        local: tuple[str, int],
        receiver: MessageReceiver,
        clock: Clock,
        *,
        tls: ServerTls | None = None,
        connections_limit: int = CONNECTIONS_LIMIT,
        per_host_limit: int = PER_HOST_LIMIT,
        idle_seconds: float = IDLE_SECONDS,
    ) -> Self:
        """Await connections on ``local`` (port 0: any free one).

        ``tls`` is needed for TLS. Raises BindFailed, and TlsUnusable for a file that cannot be
        used.
        """
        listener = cls(
            protocol,
            receiver,
            clock,
            connections_limit=connections_limit,
            per_host_limit=per_host_limit,
            idle_seconds=idle_seconds,
        )
        context = None
        if protocol is TransportProtocol.TLS:
            if tls is None:
                raise ValueError("a TLS listener needs a certificate")
            context = server_context(tls)
        sock = _bound(local)
        try:
            listener._local_address = sock.getsockname()
            listener._server = await listener._loop.create_server(
                lambda: _Inbound(listener, clock),
                sock=sock,
                ssl=context,
                ssl_handshake_timeout=None if context is None else HANDSHAKE_SECONDS,
                backlog=BACKLOG,
            )
        except BaseException:
            sock.close()
            raise
        listener._round = listener._loop.call_later(ROUND_SECONDS, listener._look_after)
        return listener

    # --- ports.MessageTransport ------------------------------------------------------------

    @property
    def protocol(self) -> TransportProtocol:
        """TCP or TLS."""
        return self._protocol

    @property
    def local_address(self) -> Address:
        """Where it listens."""
        return self._local_address

    def send(self, data: bytes, destination: Address) -> None:
        """Write on the connection that came from ``destination``."""
        connection = self._connections.get(destination)
        if connection is not None and connection.is_open and not connection.is_congested:
            connection.write(data)
            return
        words = "its connection is gone" if connection is None else "it reads nothing"
        self._loop.call_soon(self._fail, data, destination, words)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nothing is kept of what was written."""
        del data, destination
        return None

    def certificate(self, destination: Address) -> Certificate | None:
        """Nobody is asked who they are after the handshake."""
        del destination
        return None

    def close(self) -> None:
        """End every connection and listen no more; safe to repeat."""
        if self._closed:
            return
        self._closed = True
        if self._round is not None:
            self._round.cancel()
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections.values()):
            connection.abort()
        self._connections.clear()

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._connections)

    # --- its connections ---------------------------------------------------------------------

    def admit(self, connection: Connection) -> bool:
        """Take ``connection`` on; False if it is one too many."""
        host = connection.peer[0]
        if (
            self._closed
            or len(self._connections) >= self._connections_limit
            or self._of_host[host] >= self._per_host_limit
        ):
            self.refused += 1
            return False
        self._connections[connection.peer] = connection
        self._of_host[host] += 1
        return True

    def message_came(self, connection: Connection, data: bytes, now: float) -> None:
        """A request, or an answer that takes this way."""
        self._receiver.message_received(data, connection.peer, now)

    def portion_ended(self, connection: Connection) -> None:
        """The driver may re-arm its timer."""
        del connection
        self._receiver.batch_finished()

    def connection_ended(self, connection: Connection, cause: Exception | None) -> None:
        """Forget it."""
        del cause
        if self._connections.get(connection.peer) is connection:
            del self._connections[connection.peer]
        self._of_host[connection.peer[0]] -= 1
        if self._of_host[connection.peer[0]] <= 0:
            del self._of_host[connection.peer[0]]

    def _look_after(self) -> None:
        """Close what is idle, and what does not get a message to its end."""
        now = self._clock.monotonic()
        for connection in list(self._connections.values()):
            begun = connection.message_since
            slow = begun is not None and now - begun > WHOLE_MESSAGE_SECONDS
            if slow or now - connection.last_read > self._idle_seconds:
                self.timed_out += 1
                connection.abort()
        self._round = self._loop.call_later(ROUND_SECONDS, self._look_after)

    def _fail(self, data: bytes, destination: Address, words: str) -> None:
        now = self._clock.monotonic()
        self._receiver.send_failed(data, destination, FailureKind.UNREACHABLE, words, now)
        self._receiver.batch_finished()


class _Inbound(Connection):
    """A connection that asks to be let in."""

    def __init__(self, listener: StreamListener, clock: Clock) -> None:
        super().__init__(listener, clock, expects_pongs=False)
        self._listener = listener
        self._admitted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._admitted = self._listener.admit(self)
        if not self._admitted:
            self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._admitted:
            super().connection_lost(exc)


def _bound(local: tuple[str, int]) -> socket.socket:
    host, _ = local
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(local)
    except OSError as problem:
        sock.close()
        raise BindFailed(local, problem) from problem
    return sock
