"""Awaits connections over TCP and TLS, for those who ask us and those who answer us there.

Bounded in every way: connections in all and of one host, from the moment they are accepted on; the
time that a handshake may take, that a message may take to come whole, that a connection may be
idle. Over TLS a client without a certificate of the authorities that were asked for never gets as
far as a message.
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, Self

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.tls import failure_words, server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Certificate, Clock, MessageReceiver, Obstacle

__all__ = ["StreamListener", "TurnedAway"]

TurnedAway = Callable[[Address, str], None]
"""Is told whose TLS handshake came to nothing, and why, as a phrase for a person."""

CONNECTIONS_LIMIT: Final = 1000
PER_HOST_LIMIT: Final = 100
IDLE_SECONDS: Final = 300.0
WHOLE_MESSAGE_SECONDS: Final = 32.0
HANDSHAKE_SECONDS: Final = 10.0
ROUND_SECONDS: Final = 1.0
BACKLOG: Final = 128
OUT_OF_FILES_SECONDS: Final = 1.0
"""How long nobody is let in when this machine has no room for one more."""


class StreamListener:
    """See the module's opening; a ``ports.MessageTransport`` that only answers."""

    def __init__(
        self,
        protocol: TransportProtocol,
        sock: socket.socket,
        context: ssl.SSLContext | None,
        receiver: MessageReceiver,
        clock: Clock,
        *,
        turned_away: TurnedAway | None,
        connections_limit: int,
        per_host_limit: int,
        idle_seconds: float,
    ) -> None:
        """``listen`` is the way in."""
        self._protocol = protocol
        self._socket = sock
        self._local_address: Address = sock.getsockname()
        self._context = context
        self._receiver = receiver
        self._clock = clock
        self._turned_away = turned_away
        self._connections_limit = connections_limit
        self._per_host_limit = per_host_limit
        self._idle_seconds = idle_seconds
        self._loop = asyncio.get_running_loop()
        self._callers: set[_Inbound] = set()
        """Those who were let in, handshakes included."""
        self._of_host: Counter[str] = Counter()
        self._welcomes: set[asyncio.Task[None]] = set()
        self._connections: dict[Address, _Inbound] = {}
        self._closed = False
        self.refused = 0
        """Connections that were one too many."""
        self.failed_handshakes = 0
        """Connections over TLS that never got as far as a message."""
        self.timed_out = 0
        """Connections that were idle, or slow with a message."""
        self._round = self._loop.call_later(ROUND_SECONDS, self._look_after)
        self._pause: asyncio.TimerHandle | None = None
        self._loop.add_reader(sock, self._accept)

    @classmethod
    async def listen(
        cls,
        protocol: TransportProtocol,
        local: tuple[str, int],
        receiver: MessageReceiver,
        clock: Clock,
        *,
        tls: ServerTls | None = None,
        turned_away: TurnedAway | None = None,
        connections_limit: int = CONNECTIONS_LIMIT,
        per_host_limit: int = PER_HOST_LIMIT,
        idle_seconds: float = IDLE_SECONDS,
    ) -> Self:
        """Await connections on ``local`` (port 0: any free one).

        ``tls`` is needed for TLS. ``turned_away`` is told of each handshake that fails. Raises
        BindFailed, and TlsUnusable for a file that cannot be used.
        """
        context = None
        if protocol is TransportProtocol.TLS:
            if tls is None:
                raise ValueError("a TLS listener needs a certificate")
            context = server_context(tls)
        return cls(
            protocol,
            _listening(local),
            context,
            receiver,
            clock,
            turned_away=turned_away,
            connections_limit=connections_limit,
            per_host_limit=per_host_limit,
            idle_seconds=idle_seconds,
        )

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
        if connection is None or not connection.is_open:
            words = "its connection is gone"
        elif connection.is_congested:
            words = "it reads nothing"
        else:
            connection.write(data)
            return
        self._loop.call_soon(self._fail, data, destination, words)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        """``send`` each."""
        for data, destination in zip(messages, destinations, strict=True):
            self.send(data, destination)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nothing is kept of what was written."""
        del data, destination
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept of what was written."""

    def drain(self) -> None:
        """What arrives over connections is handed over by the loop; there is nothing to hurry."""

    def dropped_datagrams(self) -> int:
        """Connections lose nothing that they do not notice."""
        return 0

    def certificate(self, destination: Address) -> Certificate | None:
        """Nobody is asked who they are after the handshake."""
        del destination
        return None

    def close(self) -> None:
        """End every connection and listen no more; safe to repeat."""
        if self._closed:
            return
        self._closed = True
        self._round.cancel()
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._socket)
        self._socket.close()
        for task in self._welcomes:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.abort()
        self._connections.clear()

    @property
    def connections(self) -> int:
        """How many are open, over TLS to the end of the handshake."""
        return len(self._connections)

    # --- its connections ---------------------------------------------------------------------

    def _accept(self) -> None:
        for _ in range(BACKLOG):
            try:
                sock, peer = self._socket.accept()
            except (BlockingIOError, ConnectionError):
                return
            except OSError:
                # Too many open files, as a rule. Whoever calls waits in the backlog meanwhile.
                self._loop.remove_reader(self._socket)
                self._pause = self._loop.call_later(OUT_OF_FILES_SECONDS, self._accept_again)
                return
            host = peer[0]
            full = len(self._callers) >= self._connections_limit
            if full or self._of_host[host] >= self._per_host_limit:
                self.refused += 1
                sock.close()
                continue
            sock.setblocking(False)
            caller = _Inbound(self, self._clock, peer)
            self._callers.add(caller)
            self._of_host[host] += 1
            task = self._loop.create_task(self._welcome(caller, sock))
            self._welcomes.add(task)
            task.add_done_callback(functools.partial(self._welcomed, caller, sock))

    def _accept_again(self) -> None:
        self._pause = None
        self._loop.add_reader(self._socket, self._accept)

    async def _welcome(self, caller: _Inbound, sock: socket.socket) -> None:
        caller.is_with_the_loop = True
        try:
            await self._loop.connect_accepted_socket(
                lambda: caller,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=None if self._context is None else HANDSHAKE_SECONDS,
            )
        except OSError as problem:
            if self._context is not None and not self._closed:
                self.failed_handshakes += 1
                if self._turned_away is not None:
                    self._turned_away(caller.peer, failure_words(problem))

    def _welcomed(self, caller: _Inbound, sock: socket.socket, welcome: asyncio.Task[None]) -> None:
        self._welcomes.discard(welcome)
        if not caller.is_with_the_loop:  # cancelled before it began
            sock.close()
        if not caller.has_begun:
            self._forget(caller)

    def _forget(self, caller: Connection) -> None:
        host = caller.peer[0]
        if caller not in self._callers:
            return
        self._callers.discard(caller)
        self._of_host[host] -= 1
        if not self._of_host[host]:
            del self._of_host[host]

    def connection_began(self, connection: _Inbound) -> None:
        """It is up, and over TLS known to be who it says."""
        if self._closed:
            connection.abort()
        else:
            self._connections[connection.peer] = connection

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
        self._forget(connection)

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
    """A connection from ``peer``, which may have hung up by the time that it is up."""

    def __init__(self, listener: StreamListener, clock: Clock, peer: Address) -> None:
        super().__init__(listener, clock, expects_pongs=False)
        self._listener = listener
        self.peer = peer
        self.is_with_the_loop = False
        """True once the loop has its socket, and closes it, whatever happens."""
        self.has_begun = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        peer = self.peer
        super().connection_made(transport)
        self.peer = peer
        self.has_begun = True
        self._listener.connection_began(self)


def _listening(local: tuple[str, int]) -> socket.socket:
    host, _ = local
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Connections inherit it: no answer waits until what went before it is acknowledged.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(local)
        sock.listen(BACKLOG)
    except OSError as problem:
        sock.close()
        raise BindFailed(local, problem) from problem
    return sock
