"""How many datagrams the kernel has thrown away because a socket's buffer was full.

Linux counts them for each socket and shows them with SO_MEMINFO (since 4.12): nine 32-bit numbers
in the machine's own byte order, of which the last is SK_MEMINFO_DROPS (linux/sock_diag.h). Other
systems do not tell; there the answer is 0.

The same number counts what a socket filter turned away and what arrived damaged (a wrong checksum).
Neither was an answer that could have been read, so a time-out is doubted once too often rather than
never; ``probing.sight`` bounds that, as anybody can send us damaged datagrams.
"""

from __future__ import annotations

import socket
import struct
import sys

__all__ = ["receive_drops"]

_SO_MEMINFO = 55
"""Not among Python's constants; the same on all architectures that Python has wheels for."""
_NUMBERS = struct.Struct("=9I")
_DROPS = 8


def receive_drops(sock: socket.socket) -> int:
    """Datagrams lost at ``sock`` so far; 0 if the system does not tell, or it is closed."""
    if sys.platform != "linux":
        return 0
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _NUMBERS.size)
    except OSError:
        return 0
    return int(_NUMBERS.unpack(raw)[_DROPS]) if len(raw) == _NUMBERS.size else 0
