"""A UDP socket that is bound and has room for many datagrams."""

from __future__ import annotations

import socket
import sys
from typing import Final

from trunkpulse.adapters.network.errors import BindFailed

__all__ = ["bound_socket"]

# Linux, <asm-generic/socket.h>; the socket module lacks them.
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33


def bound_socket(local: tuple[str, int], buffer_bytes: int) -> socket.socket:
    """A socket at ``local`` (a literal address) that asked for buffers of this size.

    Raises BindFailed if the address is not this machine's or is taken.
    """
    host, port = local
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST
        )[0]
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise BindFailed(local, error) from error
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _enlarge(sock, socket.SO_RCVBUF, _SO_RCVBUFFORCE, buffer_bytes)
        _enlarge(sock, socket.SO_SNDBUF, _SO_SNDBUFFORCE, buffer_bytes)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise BindFailed(local, error) from error
    return sock


def _enlarge(sock: socket.socket, option: int, forced_option: int, size_bytes: int) -> None:
    """Ask for a larger buffer: beyond the system's limit if we may, else up to it."""
    if sys.platform == "linux":
        try:
            sock.setsockopt(socket.SOL_SOCKET, forced_option, size_bytes)
        except PermissionError:
            pass
        else:
            return
    try:
        sock.setsockopt(socket.SOL_SOCKET, option, size_bytes)
    except OSError:
        # macOS refuses more than kern.ipc.maxsockbuf outright; its default has to do then.
        return
