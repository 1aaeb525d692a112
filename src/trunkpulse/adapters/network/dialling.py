"""How one connection comes about: from a local address, over TLS only with whom was asked for.

A fixed local port is a wish. It serves one connection to each far side; while the last one still
lingers there, or while somebody listens on it, another port is taken: a probe that leaves from an
odd port says more than one that does not leave.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
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
_PORT_IS_TAKEN: Final = frozenset({errno.EADDRNOTAVAIL, errno.EADDRINUSE})
_BIND_ADDRESS_NO_PORT: Final = 24
"""``IP_BIND_ADDRESS_NO_PORT`` of Linux, which Python names from 3.12 on."""


class Dialler:
    """Opens connections as a plan says."""

    def __init__(self, plan: TransportPlan) -> None:
        """Check what ``plan`` needs.

        Raises BindFailed for a local address that this machine lacks, and TlsUnusable for a file
        that cannot be used.
        """
        self._local = plan.local
        self._domain = plan.domain
        self._verifies = plan.tls is None or plan.tls.verify
        self._context: ssl.SSLContext | None = None
        if plan.protocol is TransportProtocol.TLS:
            self._context = client_context(plan.tls or TlsSettings())
        host, _ = plan.local
        try:
            _socket_from((host, 0)).close()
        except OSError as problem:
            raise BindFailed(plan.local, problem) from problem

    def astray(self, destination: Address) -> str | None:
        """Why no connection can ever lead to ``destination`` from here; None: one may."""
        host, port = destination[:2]
        if not 0 < port < 65_536:
            return f"{host} port {port} is no address to connect to"
        theirs, ours = ("IPv6" if ":" in each else "IPv4" for each in (host, self._local[0]))
        if theirs != ours:
            return f"{host} is an {theirs} address, and connections leave from {ours} here"
        return None

    async def dial(self, flow: Flow, destination: Address, connection: Connection) -> None:
        """Open ``connection`` to ``destination``, over TLS to a trusted one.

        ``flow`` is told the phase and the certificate that was shown. Raises OSError, UnicodeError
        for a domain that TLS cannot ask for, and Misnamed.
        """
        name = None if self._context is None else self._name_to_ask_for()
        sock = await self._connected(destination)
        if self._context is not None:
            flow.phase = SHAKING_HANDS
        # From here on the socket is the loop's: it closes it, whatever happens.
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            sock=sock,
            ssl=self._context,
            server_hostname=name,
            ssl_handshake_timeout=None if self._context is None else HANDSHAKE_SECONDS,
        )
        if self._context is not None:
            self._check_name(flow, connection)

    async def _connected(self, destination: Address) -> socket.socket:
        host, port = self._local
        if port:
            try:
                return await self._connected_from((host, port), destination)
            except OSError as problem:
                if problem.errno not in _PORT_IS_TAKEN:
                    raise
        return await self._connected_from((host, 0), destination)

    @staticmethod
    async def _connected_from(local: tuple[str, int], destination: Address) -> socket.socket:
        sock = _socket_from(local)
        try:
            await asyncio.get_running_loop().sock_connect(sock, destination)
        except BaseException:
            sock.close()
            raise
        return sock

    def _name_to_ask_for(self) -> str:
        """What goes into SNI (RFC 6066 3), which leaves out address literals and a final dot."""
        name = (self._domain or "").strip("[]").removesuffix(".")
        # Asked here, because the loop forgets its socket when it is asked to encode what it cannot.
        return name.encode("idna").decode("ascii")

    def _check_name(self, flow: Flow, connection: Connection) -> None:
        if connection.has_ended:
            return  # it shows nothing any more, and nothing can be written to it
        session = connection.tls
        flow.certificate = None if session is None else read_certificate(session)
        if not self._verifies or self._domain is None:
            return
        names = () if flow.certificate is None else flow.certificate.names
        problem = misnamed(names, self._domain)
        if problem is not None:
            connection.abort()
            raise Misnamed(problem)


def _socket_from(local: tuple[str, int]) -> socket.socket:
    """A socket to connect from ``local`` (port 0: any); raises OSError if that cannot be."""
    host, port = local
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(local)
        elif host not in _WILDCARDS:
            if sys.platform == "linux":
                # One port may then serve connections to many far sides, so ports do not run out.
                sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
            sock.bind(local)
    except OSError:
        sock.close()
        raise
    return sock
