"""How one connection comes about: from a local address, over TLS only with whom was asked for.

A fixed local port is a wish. It serves one connection to each far side; while the last one still
lingers there, or while somebody listens on it, another port is taken: a probe that leaves from an
odd port says more than one that does not leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import sys
from typing import Final

from trunkpulse.adapters.network.connection import Connection
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.flow import Flow
from trunkpulse.adapters.network.obstacles import (
    IN_THE_QUEUE,
    SHAKING_HANDS,
    Misnamed,
    why_not_opened,
)
from trunkpulse.adapters.network.tls import client_context, misnamed, read_certificate
from trunkpulse.model import TlsSettings, TransportProtocol
from trunkpulse.ports import Address, Clock, TransportPlan

__all__ = ["HANDSHAKE_SECONDS", "Dialler"]

HANDSHAKE_SECONDS: Final = 32.0
"""Longer than any attempt may take."""
HANDSHAKES_AT_ONCE: Final = 256
LOOK_SECONDS: Final = 4.0
LOOK_AGAIN_SECONDS: Final = 3600.0

_WILDCARDS: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared, never bound
_PORT_IS_TAKEN: Final = frozenset({errno.EADDRNOTAVAIL, errno.EADDRINUSE})
_BIND_ADDRESS_NO_PORT: Final = 24
"""``IP_BIND_ADDRESS_NO_PORT`` of Linux, which Python names from 3.12 on."""


class Dialler:
    """Opens connections as a plan says."""

    def __init__(self, plan: TransportPlan, clock: Clock) -> None:
        """Check what ``plan`` needs.

        Raises BindFailed for a local address that this machine lacks, and TlsUnusable for a file
        that cannot be used.
        """
        self._clock = clock
        self._local = plan.local
        self._domain = plan.domain
        self._verifies = plan.tls is None or plan.tls.verify
        self._context: ssl.SSLContext | None = None
        if plan.protocol is TransportProtocol.TLS:
            self._context = client_context(plan.tls or TlsSettings())
        # Who failed before waits among its like: far sides that never end a handshake shall not
        # keep the others from theirs.
        self._gate = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
        self._gate_after_failures = asyncio.Semaphore(HANDSHAKES_AT_ONCE)
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
        if self._context is None:
            sock = await self._connected(destination)
            await asyncio.get_running_loop().create_connection(lambda: connection, sock=sock)
            return
        name = self._name_to_ask_for()
        sock = await self._connected(destination)
        try:
            await self._shake_hands(flow, sock, self._context, name, connection)
        except ssl.SSLCertVerificationError as problem:
            await self._look(flow, destination, name, problem)
            raise
        self._check_name(flow, connection)

    async def _shake_hands(
        self,
        flow: Flow,
        sock: socket.socket,
        context: ssl.SSLContext,
        name: str,
        protocol: asyncio.Protocol,
    ) -> asyncio.Transport:
        """Make ``sock`` a connection over TLS."""
        gate = self._gate_after_failures if flow.failures else self._gate
        flow.phase = IN_THE_QUEUE
        try:
            await gate.acquire()
        except asyncio.CancelledError:
            sock.close()
            raise
        flow.phase = SHAKING_HANDS
        try:
            # From here on the socket is the loop's: it closes it, whatever happens.
            transport, _ = await asyncio.get_running_loop().create_connection(
                lambda: protocol,
                sock=sock,
                ssl=context,
                server_hostname=name,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        finally:
            gate.release()
        return transport

    async def _look(
        self,
        flow: Flow,
        destination: Address,
        name: str,
        problem: ssl.SSLCertVerificationError,
    ) -> None:
        """Read the certificate that was not trusted: a failed handshake takes it along.

        A second connection trusts anybody, says nothing and ends at once; there is one an hour
        while the failure stays the same.
        """
        now = self._clock.monotonic()
        if flow.looked is not None:
            failure, when = flow.looked
            if failure == problem.verify_message and now - when < LOOK_AGAIN_SECONDS:
                return
        flow.refusal = why_not_opened(problem, SHAKING_HANDS)
        with contextlib.suppress(OSError):  # then it stays unknown
            async with asyncio.timeout(LOOK_SECONDS):
                sock = await self._connected(destination)
                anybody = client_context(TlsSettings(verify=False))
                transport = await self._shake_hands(flow, sock, anybody, name, asyncio.Protocol())
            session = transport.get_extra_info("ssl_object")
            if session is not None:
                flow.certificate = read_certificate(session)
            transport.abort()
        flow.looked = (problem.verify_message, now)

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
