"""Opens one connection: from the right address, with the right certificate at the other end."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import Final

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.flow import Flow
from trunkpulse.adapters.network.obstacles import SHAKING_HANDS, Misnamed
from trunkpulse.adapters.network.tls import client_context, misnamed, read_certificate
from trunkpulse.model import TlsSettings, TransportProtocol
from trunkpulse.ports import Address, TransportPlan

__all__ = ["HANDSHAKE_SECONDS", "Dialler"]

HANDSHAKE_SECONDS: Final = 32.0
"""Longer than any attempt may take."""

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, never bound
_TAKEN: Final = frozenset({errno.EADDRNOTAVAIL, errno.EADDRINUSE})


class Dialler:
    """See the module's opening."""

    def __init__(self, plan: TransportPlan) -> None:
        """Check what ``plan`` needs; raises BindFailed and TlsUnusable."""
        self._local = plan.local
        self._domain = plan.domain
        self._verifies = plan.tls is None or plan.tls.verify
        self._context: ssl.SSLContext | None = None
        if plan.protocol is TransportProtocol.TLS:
            self._context = client_context(plan.tls or TlsSettings())
        try:
            with self._socket(any_port=True):
                pass
        except OSError as problem:
            raise BindFailed(plan.local, problem) from problem

    async def dial(self, flow: Flow, destination: Address, connection: Connection) -> Connection:
        """``connection``, open to ``destination``; ``flow`` is told the phase and the certificate.

        Raises OSError, ssl.SSLError and Misnamed.
        """
        sock = await self._connected(destination)
        if self._context is not None:
            flow.phase = SHAKING_HANDS
        # From here on the socket is the loop's: it closes it, whatever happens.
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            sock=sock,
            ssl=self._context,
            server_hostname=None if self._context is None else self._domain or "",
            ssl_handshake_timeout=None if self._context is None else HANDSHAKE_SECONDS,
        )
        if self._context is not None:
            self._check_name(flow, connection)
        return connection

    async def _connected(self, destination: Address) -> socket.socket:
        loop = asyncio.get_running_loop()
        sock = self._socket(any_port=False)
        try:
            await loop.sock_connect(sock, destination)
        except OSError as problem:
            sock.close()
            if not self._local[1] or problem.errno not in _TAKEN:
                raise
            # The last connection from this port still lingers there (TIME_WAIT).
            sock = self._socket(any_port=True)
            try:
                await loop.sock_connect(sock, destination)
            except BaseException:
                sock.close()
                raise
        except BaseException:
            sock.close()
            raise
        return sock

    def _socket(self, *, any_port: bool) -> socket.socket:
        """A socket to connect from; raises OSError if this machine lacks the address."""
        host, port = self._local
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wanted = 0 if any_port else port
            if wanted or host not in _WILDCARDS:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((host, wanted))
        except OSError:
            sock.close()
            raise
        return sock

    def _check_name(self, flow: Flow, connection: Connection) -> None:
        session = connection.tls
        flow.certificate = None if session is None else read_certificate(session)
        if not self._verifies or self._domain is None:
            return
        names = () if flow.certificate is None else flow.certificate.names
        problem = misnamed(names, self._domain)
        if problem is not None:
            connection.abort()
            raise Misnamed(problem)
