"""Datagrams that a UDP socket could not send at once: sent again, kept waiting, or refused.

Theory. A UDP socket that is not connected hears nothing of ICMP errors unless it asks for them.
On Linux ``IP_RECVERR`` (ip(7), ipv6(7)) makes the kernel do two things with each error:

1. It puts the error into the socket's *error queue*, together with the datagram that caused it
   and that datagram's destination. This names the target.
2. It marks the socket with a *pending error*, which makes the next call on the socket fail,
   whatever that call is about. This names nobody: the call that fails is a bystander.

So an exception from ``sendto`` that could be a pending error is not believed at first. The error
queue is emptied, then the same datagram is sent again; only a failure that left nothing in the
queue, twice in a row, is this destination's own (no route, too long). ``ECONNREFUSED`` never is:
a socket that is not connected gets it from the network alone.

Where there is no ``IP_RECVERR`` (macOS, BSD) everything else works and a refusal shows as a
time-out of the attempt.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from trunkpulse.adapters.network.refusals import ErrorQueue, Refusal
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address

__all__ = ["Unsent"]

_BACKLOG_LIMIT: Final = 4_096
"""Datagrams that wait for room in the kernel; more than these are refused."""

_BACKLOG_RETRY_SECONDS: Final = 0.002
"""A full network queue (ENOBUFS) never becomes "writable", so a timer serves both cases."""

_SEND_TRIES: Final = 16
"""An error of another datagram between any two of so many tries is no coincidence any more."""

_WAIT: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR})
"""The kernel has no room just now; says nothing about the destination."""

_OWN: Final = frozenset({errno.EPERM, errno.EINVAL, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""No ICMP error turns into one of these: the datagram that was being sent is to blame."""


class Unsent:
    """See the module's opening; of one socket, on the running loop."""

    def __init__(self, sock: socket.socket, tell_soon: Callable[[], None]) -> None:
        """``tell_soon`` is called when ``refused`` has got something to tell."""
        self._sendto = sock.sendto
        self._errors = ErrorQueue(sock)
        self._tell_soon = tell_soon
        self._loop = asyncio.get_running_loop()
        self.waiting: deque[tuple[bytes, Address]] = deque()
        """For room, in their order; while any does, others must ``wait`` behind it."""
        self.refused: deque[Refusal] = deque()
        """What was found out and not told yet."""
        self.waited_datagrams = 0
        """Datagrams that found the kernel's buffers full and were sent later."""
        self.overflowed_datagrams = 0
        """Datagrams that found the backlog full too; each was reported as failed."""
        self._retry: asyncio.TimerHandle | None = None
        self._closed = False

    def collect(self) -> int:
        """Move what the error queue holds to ``refused``; how many ICMP errors there were."""
        collected = 0
        for refusal in self._errors.read():
            collected += 1
            if refusal is not None:
                self.refused.append(refusal)
        return collected

    def settle(self, data: bytes, destination: Address, error: Exception) -> None:
        """``sendto`` raised this: send again, wait for room, or record the failure."""
        if not self._is_settled(data, destination, error):
            self.wait(data, destination)

    def wait(self, data: bytes, destination: Address) -> None:
        """Send it once there is room and those before it have left."""
        if len(self.waiting) >= _BACKLOG_LIMIT:
            self.overflowed_datagrams += 1
            detail = f"The local network is congested: {_BACKLOG_LIMIT} datagrams wait already"
            self.refuse(data, destination, detail)
            return
        self.waited_datagrams += 1
        self.waiting.append((data, destination))
        if self._retry is None:
            self._retry = self._loop.call_later(_BACKLOG_RETRY_SECONDS, self._flush)

    def refuse(self, data: bytes, destination: Address, detail: str) -> None:
        """It will not be sent: ``detail`` says why."""
        self.refused.append(Refusal(data, destination, FailureKind.UNREACHABLE, detail))
        self._tell_soon()

    def close(self) -> None:
        """Give up what still waits; the socket is about to be closed."""
        self._closed = True
        if self._retry is not None:
            self._retry.cancel()
        self.waiting.clear()

    def _flush(self) -> None:
        """Send what waits, in its order, until the kernel is full again."""
        self._retry = None
        while self.waiting:
            data, destination = self.waiting[0]
            try:
                self._sendto(data, destination)
            except (OSError, TypeError, ValueError, OverflowError) as error:
                if not self._is_settled(data, destination, error):
                    self._retry = self._loop.call_later(_BACKLOG_RETRY_SECONDS, self._flush)
                    return
            self.waiting.popleft()

    def _is_settled(self, data: bytes, destination: Address, error: Exception) -> bool:
        """Send again or record the failure; False if the datagram has to wait for room."""
        if not isinstance(error, OSError):
            # What Python itself refuses, such as port 65536, the kernel never hears of.
            detail = f"{destination[0]} port {destination[1]} is no address to send to ({error})"
            self.refuse(data, destination, detail)
            return True
        if self._closed:
            self.refuse(data, destination, "The local socket is closed")
            return True
        left_nothing = False
        for _ in range(_SEND_TRIES):
            if error.errno in _WAIT:
                return False
            if error.errno in _OWN:
                break
            if self.collect():
                self._tell_soon()
                left_nothing = False
            elif left_nothing and error.errno != errno.ECONNREFUSED:
                break
            else:
                left_nothing = True
            try:
                self._sendto(data, destination)
            except OSError as again:
                error = again
            else:
                return True
        detail = f"{error.strerror} (this machine could not send)"
        self.refuse(data, destination, detail)
        return True
