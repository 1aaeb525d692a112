"""Why a local address cannot be used.

``OSError`` → ``BindFailed``: a matter of configuration or of this machine, so a retry helps only
once one of them was changed.
"""

from __future__ import annotations

import errno
import socket
from typing import Final

from trunkpulse.sip.grammar import host_and_port

__all__ = ["BindFailed"]

_REASONS: Final = {
    errno.EADDRINUSE: "another program uses it",
    errno.EADDRNOTAVAIL: "this machine does not have that address",
    errno.EAFNOSUPPORT: "this machine does not have that kind of address",
    errno.EACCES: "this user may not open that port",
    errno.EPERM: "this user may not open that port",
}


class BindFailed(OSError):
    """No socket can be bound to ``local``; ``errno`` is that of the failure behind it."""

    def __init__(self, local: tuple[str, int], cause: OSError) -> None:
        self.local = local
        """The address and port that were asked for; port 0: any."""
        host, port = local
        self.place = host_and_port(host, port) if port else host
        """``local`` as a person writes it."""
        self.reason = _reason(cause)
        """Why, as a clause that speaks of the place as "it"."""
        super().__init__(cause.errno, f"cannot use the local address {self.place} ({self.reason})")


def _reason(cause: OSError) -> str:
    if isinstance(cause, socket.gaierror):
        return "it is not an IP address"
    return _REASONS.get(cause.errno or 0, cause.strerror or str(cause))
