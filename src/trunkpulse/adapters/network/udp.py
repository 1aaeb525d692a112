"""One UDP socket for any number of targets, with each ICMP refusal charged to its own target.

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

The loop watches an epoll object that holds the socket, not the socket. libuv, which is under
uvloop, stops watching a descriptor that reports ``POLLERR``, and every refusal does; an epoll
object turns that into plain readability. While a refusal waits it stays readable, on any loop.

Where there is no ``IP_RECVERR`` (macOS, BSD) everything else works and a refusal shows as a
time-out of the attempt.

Waking up costs more than reading an answer. So once answers come one on the heels of another, the
socket *rests* after each reading, as network drivers do with their interrupts, and what arrives
meanwhile is read in one go. Answers lose nothing by it: the kernel notes when each arrived
(``SO_TIMESTAMPNS``), and that is the moment that the receiver is given. There is no rest while more
waits, nor where the buffer is too small for what would come in the meantime.

The receiver is never called from inside ``send``: a driver that sends while it walks its own
state is not entered again. What ``send`` found out is told on the loop's next turn.
"""

from __future__ import annotations

import asyncio
import errno
import select
import socket
import sys
from collections import deque
from typing import Final, Self

from trunkpulse.adapters.network.drops import receive_drops
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.receiving import Arrived, receiving_from
from trunkpulse.adapters.network.refusals import ErrorQueue, Refusal
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.ports import Address, Certificate, Clock, MessageReceiver, Obstacle

__all__ = ["UdpTransport"]

_BATCH: Final = 1_024
"""Datagrams that are read before the loop may do something else.

More than a prober sends in one turn, so that answers are read even by who can hardly keep up.
"""

_BACKLOG_LIMIT: Final = 4_096
"""Datagrams that wait for room in the kernel; more than these are refused."""

_BACKLOG_RETRY_SECONDS: Final = 0.002
"""A full network queue (ENOBUFS) never becomes "writable", so a timer serves both cases."""

_DRAIN: Final = 4_096
"""Datagrams that are read at once for who cannot wait: some thirty milliseconds of work."""

_REST_SECONDS: Final = 0.04
"""Readings that follow each other faster than this are put together."""

_ROOM_BYTES: Final = 16_384
"""Of the buffer for each datagram of a reading, or there is no rest after it: it takes 2,304 there
at most, unless it is a large one, and a rest may bring several times as many."""

_SEND_TRIES: Final = 16
"""An error of another datagram between any two of so many tries is no coincidence any more."""

# Linux, <asm-generic/socket.h>; the socket module lacks them.
_SO_SNDBUFFORCE: Final = 32
_SO_RCVBUFFORCE: Final = 33
_WAIT: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ENOBUFS, errno.EINTR})
"""The kernel has no room just now; says nothing about the destination."""

_OWN: Final = frozenset({errno.EPERM, errno.EINVAL, errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""No ICMP error turns into one of these: the datagram that was being sent is to blame."""


class UdpTransport:
    """A bound, non-blocking UDP socket on the running loop (``ports.MessageTransport``).

    What ``send_failed`` is given: the datagram as far as the network quoted it back (a router
    may quote only its first bytes), and the destination as the ``socket`` module writes it, so
    an IPv6 destination has four parts.
    """

    def __init__(
        self,
        sock: socket.socket,
        receiver: MessageReceiver,
        clock: Clock,
        *,
        asks_who: bool = True,
    ) -> None:
        """Take over ``sock``, which is bound; ``open`` is the usual way in."""
        sock.setblocking(False)
        self._socket = sock
        self._sendto = sock.sendto
        self._receiver = receiver
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._local_address: Address = sock.getsockname()
        self._width = len(self._local_address)
        self._backlog: deque[tuple[bytes, Address]] = deque()
        self._backlog_timer: asyncio.TimerHandle | None = None
        self._failed: deque[Refusal] = deque()
        self._telling_soon = False
        self._closed = False
        self.waited_datagrams = 0
        """Datagrams that found the kernel's buffers full and were sent later."""
        self.overflowed_datagrams = 0
        """Datagrams that found the backlog full too; each was reported as failed."""
        self._errors = ErrorQueue(sock)
        self._receiving = receiving_from(sock, asks_who=asks_who)
        self._unread: list[Arrived] = []
        """What was received and not handed over yet, the last to arrive first."""
        self._read_at = 0.0
        """When something was last read."""
        self._emptied_at = clock.monotonic()
        """Nothing that had arrived by then waits to be read."""
        granted = self.granted_receive_buffer_bytes
        self._crowd = min(_BATCH, granted // _ROOM_BYTES)
        """After a reading of so many datagrams there is no rest."""
        self._resting: asyncio.TimerHandle | None = None
        self._watched: socket.socket | select.epoll = sock
        if sys.platform == "linux":
            self._watched = select.epoll()
            self._watched.register(sock.fileno(), select.EPOLLIN)
        self._loop.add_reader(self._watched, self._readable)

    @classmethod
    def open(
        cls,
        local: tuple[str, int],
        receiver: MessageReceiver,
        clock: Clock,
        *,
        receive_buffer_bytes: int = 8 * 1024 * 1024,
        asks_who: bool = True,
    ) -> Self:
        """Bind ``local`` (a literal IPv4 or IPv6 address; port 0 lets the system choose).

        Without ``asks_who`` the receiver may be given ``NOBODY`` as the source of a datagram.
        ``receive_buffer_bytes`` is a wish: without CAP_NET_ADMIN the system grants at most
        ``net.core.rmem_max``; ``granted_receive_buffer_bytes`` says what came of it. Raises
        BindFailed, an OSError, if the address is not this machine's or is taken.
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
            _enlarge(sock, socket.SO_RCVBUF, _SO_RCVBUFFORCE, receive_buffer_bytes)
            _enlarge(sock, socket.SO_SNDBUF, _SO_SNDBUFFORCE, receive_buffer_bytes)
            sock.bind(address)
            return cls(sock, receiver, clock, asks_who=asks_who)
        except OSError as error:
            sock.close()
            raise BindFailed(local, error) from error

    @property
    def protocol(self) -> TransportProtocol:
        """UDP."""
        return TransportProtocol.UDP

    @property
    def local_address(self) -> Address:
        """The address that datagrams leave from."""
        return self._local_address

    @property
    def granted_receive_buffer_bytes(self) -> int:
        """What the system really set aside for arriving datagrams, its own overhead included."""
        return self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)

    def send(self, data: bytes, destination: Address) -> None:
        """Send without blocking; a failure is reported to the receiver, never raised."""
        if len(destination) != self._width:
            theirs, ours = ("IPv6", "IPv4") if self._width == 2 else ("IPv4", "IPv6")
            detail = f"{destination[0]} is an {theirs} address, and this socket is {ours}"
            self._fail(data, destination, FailureKind.UNREACHABLE, detail)
            return
        if not self._backlog:
            try:
                self._sendto(data, destination)
            except OSError as error:
                if self._settle(data, destination, error):
                    return
            except (TypeError, ValueError, OverflowError) as error:
                self._refuse(data, destination, error)
                return
            else:
                return
        self._wait_for_room(data, destination)

    def drain(self) -> None:
        """Hand over at once what has arrived and was not read yet.

        Who does this often enough is not woken for reading as well: the rest begins anew.
        """
        if self._closed:
            return
        count = self._read(_DRAIN)
        if self._resting is not None and 0 < count < self._crowd:
            self._resting.cancel()
            self._resting = self._loop.call_later(_REST_SECONDS, self._rested)

    def dropped_datagrams(self) -> int:
        """How many the kernel has thrown away because the buffer was full; 0 if it does not say."""
        return receive_drops(self._socket)

    def withdraw(self, data: bytes, destination: Address) -> Obstacle | None:
        """Nothing is kept of a datagram that has left."""
        del data, destination
        return None

    def settled(self, data: bytes, destination: Address) -> None:
        """Nothing is kept of a datagram that has left."""

    def certificate(self, destination: Address) -> Certificate | None:
        """UDP shows none."""
        del destination
        return None

    def close(self) -> None:
        """Release the socket; safe to repeat. What still waited to be sent is given up."""
        if self._closed:
            return
        self._closed = True
        self._loop.remove_reader(self._watched)
        for timer in (self._backlog_timer, self._resting):
            if timer is not None:
                timer.cancel()
        self._backlog.clear()
        self._unread.clear()
        self._watched.close()
        self._socket.close()

    # --- receiving -------------------------------------------------------------------------

    def _readable(self) -> None:
        before = self._read_at
        count = self._read(_BATCH)
        if 0 < count < self._crowd and self._read_at - before < _REST_SECONDS:
            self._rest()

    def _rest(self) -> None:
        """Do not look at the socket for a while; refusals wake us all the same."""
        if self._resting is None and isinstance(self._watched, select.epoll) and not self._closed:
            self._watched.modify(self._socket.fileno(), 0)
            self._resting = self._loop.call_later(_REST_SECONDS, self._rested)

    def _rested(self) -> None:
        self._resting = None
        count = 0
        try:
            count = self._read(_BATCH)
        finally:
            # Whatever the receiver made of it, the socket is looked at again.
            if self._closed:
                pass
            elif 0 < count < self._crowd:
                self._resting = self._loop.call_later(_REST_SECONDS, self._rested)
            elif isinstance(self._watched, select.epoll):
                self._watched.modify(self._socket.fileno(), select.EPOLLIN)

    def _read(self, most: int) -> int:
        """Hand over up to so many datagrams; returns how many there were."""
        message_received = self._receiver.message_received
        unread = self._unread
        wall, now = self._clock.wall(), self._clock.monotonic()
        count = 0
        try:
            for _ in range(most):
                if not unread:
                    if not self._receive(woken_for_it=count == 0):
                        self._emptied_at = now
                        break
                    if not unread:
                        continue
                data, source, stamp = unread.pop()
                count += 1
                arrived = now
                if stamp is not None:
                    waited = wall - stamp
                    if waited < 0.0:  # it came after this reading had begun
                        wall, now = self._clock.wall(), self._clock.monotonic()
                        waited = max(0.0, wall - stamp)
                    arrived = now - waited
                    if arrived < self._emptied_at:  # noqa: PLR1730 - max() takes longer
                        arrived = self._emptied_at  # somebody has set the clock meanwhile
                message_received(data, source, arrived)
        finally:
            if count:
                self._read_at = now
            if unread:  # there may be nothing left in the kernel to wake us
                self._loop.call_soon(self.drain)
            self._tell()
        return count

    def _receive(self, *, woken_for_it: bool) -> bool:
        """Have ``_unread`` hold some of what waits, unless there was an error; False: all is read.

        ``woken_for_it`` is true as long as nothing was found that we can have been woken for.
        """
        if self._closed:
            return False
        try:
            self._unread.extend(self._receiving.receive())
        except BlockingIOError:
            if woken_for_it:
                self._collect_errors()  # only the error queue can be the cause
            return False
        except OSError:
            # A pending error, which the call has cleared; datagrams may still wait.
            self._collect_errors()
        return True

    def _collect_errors(self) -> int:
        """Move what the error queue holds to ``_failed``; how many ICMP errors there were."""
        collected = 0
        for refusal in self._errors.read():
            collected += 1
            if refusal is not None:
                self._failed.append(refusal)
        return collected

    def _tell(self) -> None:
        """Hand the failures over, then say that this batch is finished.

        Those that the receiver brings about meanwhile, by sending again, are told a turn later.
        """
        self._telling_soon = False
        try:
            for _ in range(len(self._failed)):
                data, destination, kind, detail = self._failed.popleft()
                self._receiver.send_failed(data, destination, kind, detail, self._clock.monotonic())
        finally:
            if self._failed:
                self._tell_soon()
            self._receiver.batch_finished()

    def _tell_soon(self) -> None:
        if not self._telling_soon:
            self._telling_soon = True
            self._loop.call_soon(self._tell)

    # --- sending ---------------------------------------------------------------------------

    def _dispatch(self, data: bytes, destination: Address) -> bool:
        """Send now or record the failure; False if the datagram has to wait for room."""
        try:
            self._sendto(data, destination)
        except OSError as error:
            return self._settle(data, destination, error)
        except (TypeError, ValueError, OverflowError) as error:
            self._refuse(data, destination, error)
        return True

    def _refuse(self, data: bytes, destination: Address, error: Exception) -> None:
        """What Python itself refuses, such as port 65536, the kernel never hears of."""
        detail = f"{destination[0]} port {destination[1]} is no address to send to ({error})"
        self._fail(data, destination, FailureKind.UNREACHABLE, detail)

    def _settle(self, data: bytes, destination: Address, error: OSError) -> bool:
        """Send again or record the failure; False if the datagram has to wait for room."""
        if self._closed:
            self._fail(data, destination, FailureKind.UNREACHABLE, "The local socket is closed")
            return True
        left_nothing = False
        for _ in range(_SEND_TRIES):
            if error.errno in _WAIT:
                return False
            if error.errno in _OWN:
                break
            if self._collect_errors():
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
        self._fail(data, destination, FailureKind.UNREACHABLE, detail)
        return True

    def _wait_for_room(self, data: bytes, destination: Address) -> None:
        if len(self._backlog) >= _BACKLOG_LIMIT:
            self.overflowed_datagrams += 1
            detail = f"The local network is congested: {_BACKLOG_LIMIT} datagrams wait already"
            self._fail(data, destination, FailureKind.UNREACHABLE, detail)
            return
        self.waited_datagrams += 1
        self._backlog.append((data, destination))
        if self._backlog_timer is None:
            self._backlog_timer = self._loop.call_later(_BACKLOG_RETRY_SECONDS, self._flush)

    def _flush(self) -> None:
        """Send what waits, in its order, until the kernel is full again."""
        self._backlog_timer = None
        while self._backlog:
            if not self._dispatch(*self._backlog[0]):
                self._backlog_timer = self._loop.call_later(_BACKLOG_RETRY_SECONDS, self._flush)
                return
            self._backlog.popleft()

    def _fail(self, data: bytes, destination: Address, kind: FailureKind, detail: str) -> None:
        self._failed.append(Refusal(data, destination, kind, detail))
        self._tell_soon()


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
