"""Serves the API with uvicorn inside the event loop that probes and delivers.

uvicorn is given no say over the process: no signal handlers, no logging set-up, no access log.
Its socket is bound beforehand, so that a busy port is one plain sentence before anything starts,
and port 0 gives a port that can be read.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from trunkpulse.adapters.http.api.bounds import HEADERS_LIMIT_BYTES
from trunkpulse.adapters.http.connections import Connection, Patience, Peers
from trunkpulse.adapters.http.handshakes import Handshakes
from trunkpulse.adapters.http.tls import ServedCertificate

__all__ = ["ListenFailed", "bind", "serve_http"]

BACKLOG = 512
CONNECTIONS = 512
"""Beyond these uvicorn answers 503."""
KEEP_ALIVE_SECONDS = 10
UNACKNOWLEDGED_MILLISECONDS = 60_000
"""A peer that neither reads nor acknowledges for so long is gone (TCP_USER_TIMEOUT)."""


class ListenFailed(Exception):
    """The API cannot listen where it was told to; the message is for a person."""


class _Uvicorn(uvicorn.Server):
    """Leaves the signals to the process that it is a part of, and listens with our connections."""

    def __init__(
        self,
        config: uvicorn.Config,
        connection: Callable[[ServerState], asyncio.Protocol],
        shaking_hands: Callable[[socket.socket, Callable[[], asyncio.Protocol]], Handshakes] | None,
    ) -> None:
        """``shaking_hands`` accepts for TLS; None: all is in the clear."""
        super().__init__(config)
        self._connection = connection
        self._shaking_hands = shaking_hands

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Take connections."""
        loop = asyncio.get_running_loop()
        self.servers = []
        connection = partial(self._connection, self.server_state)
        for listener in sockets or ():
            if self._shaking_hands is None:
                server = await loop.create_server(connection, sock=listener, backlog=BACKLOG)
            else:
                server = cast("asyncio.Server", self._shaking_hands(listener, connection))
            self.servers.append(server)
        self.started = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def bind(host: str, port: int) -> socket.socket:
    """A listening socket at ``host`` (an IP address or name) and ``port`` (0: any free one).

    Raises ListenFailed.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (socket.gaierror, UnicodeError) as error:
        raise ListenFailed(
            f"The API cannot listen on {host}: it is no address of this machine; check api.listen."
        ) from error
    family, kind, protocol, _, place = places[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listener.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MILLISECONDS
            )
        listener.bind(place)
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise ListenFailed(_sentence(error, host, port)) from error
    return listener


@contextlib.asynccontextmanager
async def serve_http(
    app: ASGIApp,
    host: str,
    port: int,
    *,
    graceful_seconds: int = 5,
    stopping: Callable[[], None] = lambda: None,
    tls: ServedCertificate | None = None,
    peers: Peers | None = None,
    patience: Patience | None = None,
) -> AsyncIterator[tuple[str, int]]:
    """Serve ``app`` for as long as the block runs; gives the address that is listened on.

    At the end ``stopping`` is called, so that endless answers come to theirs, no connection is
    taken any more, and requests under way have ``graceful_seconds``. Without ``tls`` all is in the
    clear. Raises ListenFailed.
    """
    peers = peers or Peers()
    connection = partial(
        Connection,
        peers=peers,
        patience=patience or Patience(),
        logger=_defects_only(),
    )
    with contextlib.closing(bind(host, port)) as listener:
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            limit_concurrency=CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=graceful_seconds,
            h11_max_incomplete_event_size=HEADERS_LIMIT_BYTES,
            backlog=BACKLOG,
        )
        address = listener.getsockname()
        async with asyncio.TaskGroup() as tasks:
            shaking_hands = (
                None
                if tls is None
                else partial(Handshakes, context=tls.context, peers=peers.others(), tasks=tasks)
            )
            server = _Uvicorn(config, partial(connection, config), shaking_hands)
            # The kernel queues connections from here on; uvicorn takes them in a moment.
            serving = tasks.create_task(server.serve([listener]), name="serve HTTP")
            following = None if tls is None else tasks.create_task(tls.follow(), name="follow TLS")
            try:
                yield address[0], address[1]
            finally:
                if following is not None:
                    following.cancel()
                stopping()
                server.should_exit = True
                # Also when the block was cancelled, which would else cut requests short.
                await asyncio.wait([serving])


def _defects_only() -> logging.Logger:
    """Without what uvicorn warns of: each request that cannot be read would fill the log."""
    logger = logging.getLogger("trunkpulse.http")
    logger.setLevel(logging.ERROR)
    logger.addFilter(_is_defect)
    return logger


def _is_defect(record: logging.LogRecord) -> bool:
    """False of a request that was under way for too long at the end, and was cut off."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _sentence(error: OSError, host: str, port: int) -> str:
    where = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return (
            f"The API cannot listen on {where} because another program does; "
            "stop it or set api.listen to another port."
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return f"The API cannot listen on {where}: it is no address of this machine."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"The API may not listen on {where}; use a port from 1024 up."
    return f"The API cannot listen on {where}: {error.strerror}."
