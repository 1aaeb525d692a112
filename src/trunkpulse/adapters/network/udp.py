"""One UDP socket for any number of targets, with each ICMP refusal charged to its own target.

The loop watches an epoll object that holds the socket, not the socket. libuv, which is under
uvloop, stops watching a descriptor that reports ``POLLERR``, and every refusal does; an epoll
object turns that into plain readability. While a refusal waits it stays readable, on any loop.

Waking up costs more than reading an answer. So once answers come one on the heels of another, the
socket *rests* after each reading, as network drivers do with their interrupts, and what arrives
meanwhile is read in one go. Answers lose nothing by it: the kernel notes when each arrived
(``SO_TIMESTAMPNS``), and that is the moment that the receiver is given. There is no rest while more
waits, nor where the buffer is too small for what would come in the meantime.

The receiver is never called from inside ``send``: a driver that sends while it walks its own
state is not entered again. What ``send`` found out is told on the loop's next turn. How a refusal
finds its target, and what happens to a datagram for which there is no room, is in ``unsent``.
"""

from __future__ import annotations

import asyncio
import select
import socket
import struct
import sys
from collections.abc import Sequence
from typing import Final, Self

from trunkpulse.adapters.network.binding import bound_socket
from trunkpulse.adapters.network.drops import receive_drops
from trunkpulse.adapters.network.errors import BindFailed
from trunkpulse.adapters.network.receiving import Arrived, receiving_from
from trunkpulse.adapters.network.sending import DATAGRAMS_AT_ONCE, sending_on
from trunkpulse.adapters.network.unsent import Unsent
from trunkpulse.model import TransportProtocol
from trunkpulse.ports import Address, Certificate, Clock, MessageReceiver, Obstacle

__all__ = ["UdpTransport"]

_BATCH: Final = 1_024
"""Datagrams that are read before the loop may do something else.

More than a prober sends in one turn, so that answers are read even by who can hardly keep up.
"""

_DRAIN: Final = 4_096
"""Datagrams that are read at once for who cannot wait: some thirty milliseconds of work."""

_FEW: Final = 3
"""Datagrams that are not worth the trouble of sending them together."""

_REST_SECONDS: Final = 0.04
"""Readings that follow each other faster than this are put together."""

_ROOM_BYTES: Final = 16_384
"""Of the buffer for each datagram of a reading, or there is no rest after it: it takes 2,304 there
at most, unless it is a large one, and a rest may bring several times as many."""


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
        rest_seconds: float = _REST_SECONDS,
        datagrams_per_turn: int = _BATCH,
    ) -> None:
        """Take over ``sock``, which is bound; ``open`` is the usual way in."""
        sock.setblocking(False)
        self._socket = sock
        self._sendto = sock.sendto
        self._send_many = sending_on(sock)
        self._receiver = receiver
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._local_address: Address = sock.getsockname()
        self._width = len(self._local_address)
        self._telling_soon = False
        self._closed = False
        self._unsent = Unsent(sock, self._tell_soon)
        self._waiting = self._unsent.waiting
        self._refused = self._unsent.refused
        self._receiving = receiving_from(sock, asks_who=asks_who)
        self._unread: list[Arrived] = []
        """What was received and not handed over yet, the last to arrive first."""
        self._read_at = 0.0
        """When something was last read."""
        self._emptied_at = clock.monotonic()
        """Nothing that had arrived by then waits to be read."""
        self._rest_seconds = rest_seconds
        self._datagrams_per_turn = datagrams_per_turn
        self._go_on = self.drain if rest_seconds else self._readable
        """Reads what one turn took from the kernel and did not hand over."""
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
        rest_seconds: float = _REST_SECONDS,
        datagrams_per_turn: int = _BATCH,
    ) -> Self:
        """Bind ``local`` (a literal IPv4 or IPv6 address; port 0 lets the system choose).

        Without ``asks_who`` the receiver may be given ``NOBODY`` as the source of a datagram.
        With ``rest_seconds`` 0 there is no rest, for who answers; after ``datagrams_per_turn`` the
        loop may do something else before more are read. ``receive_buffer_bytes`` is a wish: without
        CAP_NET_ADMIN the system grants at most ``net.core.rmem_max``;
        ``granted_receive_buffer_bytes`` says what came of it. Raises BindFailed, an OSError, if the
        address is not this machine's or is taken.
        """
        sock = bound_socket(local, receive_buffer_bytes)
        try:
            return cls(
                sock,
                receiver,
                clock,
                asks_who=asks_who,
                rest_seconds=rest_seconds,
                datagrams_per_turn=datagrams_per_turn,
            )
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

    @property
    def waited_datagrams(self) -> int:
        """Datagrams that found the kernel's buffers full and were sent later."""
        return self._unsent.waited_datagrams

    @property
    def overflowed_datagrams(self) -> int:
        """Datagrams that found the backlog full too; each was reported as failed."""
        return self._unsent.overflowed_datagrams

    def send(self, data: bytes, destination: Address) -> None:
        """Send without blocking; a failure is reported to the receiver, never raised."""
        if len(destination) != self._width:
            theirs, ours = ("IPv6", "IPv4") if self._width == 2 else ("IPv4", "IPv6")
            detail = f"{destination[0]} is an {theirs} address, and this socket is {ours}"
            self._unsent.refuse(data, destination, detail)
            return
        if not self._waiting:
            try:
                self._sendto(data, destination)
            except (OSError, TypeError, ValueError, OverflowError) as error:
                self._unsent.settle(data, destination, error)
            return
        self._unsent.wait(data, destination)

    def send_many(self, messages: Sequence[bytes], destinations: Sequence[Address]) -> None:
        """``send`` each, with one call of the kernel for up to ``DATAGRAMS_AT_ONCE``."""
        sent, count = 0, len(messages)
        if self._send_many is not None:
            while count - sent >= _FEW and not self._waiting:
                end = min(sent + DATAGRAMS_AT_ONCE, count)
                try:
                    sent += self._send_many(messages[sent:end], destinations[sent:end])
                except (OSError, TypeError, ValueError, OverflowError, struct.error):
                    self._collect()
                    # Alone, it is told apart whose error it is.
                    self.send(messages[sent], destinations[sent])
                    sent += 1
                else:
                    if sent < end:
                        self._collect()  # there is not room for very many of them
        for number in range(sent, count):
            self.send(messages[number], destinations[number])

    def drain(self) -> None:
        """Hand over at once what has arrived and was not read yet.

        Who does this often enough is not woken for reading as well: the rest begins anew.
        """
        if self._closed:
            return
        count = self._read(_DRAIN)
        if self._resting is not None and 0 < count < self._crowd:
            self._resting.cancel()
            self._resting = self._loop.call_later(self._rest_seconds, self._rested)

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
        if self._resting is not None:
            self._resting.cancel()
        self._unsent.close()
        self._unread.clear()
        self._watched.close()
        self._socket.close()

    # --- receiving -------------------------------------------------------------------------

    def _readable(self) -> None:
        if self._closed:
            return
        before = self._read_at
        count = self._read(self._datagrams_per_turn)
        if 0 < count < self._crowd and self._read_at - before < self._rest_seconds:
            self._rest()

    def _rest(self) -> None:
        """Do not look at the socket for a while; refusals wake us all the same."""
        if self._resting is None and isinstance(self._watched, select.epoll) and not self._closed:
            self._watched.modify(self._socket.fileno(), 0)
            self._resting = self._loop.call_later(self._rest_seconds, self._rested)

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
                self._resting = self._loop.call_later(self._rest_seconds, self._rested)
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
                self._loop.call_soon(self._go_on)
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
                self._unsent.collect()  # only the error queue can be the cause
            return False
        except OSError:
            # A pending error, which the call has cleared; datagrams may still wait.
            self._unsent.collect()
        return True

    def _tell(self) -> None:
        """Hand the refusals over, then say that this batch is finished.

        Those that the receiver brings about meanwhile, by sending again, are told a turn later.
        """
        self._telling_soon = False
        try:
            for _ in range(len(self._refused)):
                data, destination, kind, detail = self._refused.popleft()
                self._receiver.send_failed(data, destination, kind, detail, self._clock.monotonic())
        finally:
            if self._refused:
                self._tell_soon()
            self._receiver.batch_finished()

    def _collect(self) -> None:
        """Read the refusals that may have kept the kernel from sending."""
        if self._unsent.collect():
            self._tell_soon()

    def _tell_soon(self) -> None:
        if not self._telling_soon:
            self._telling_soon = True
            self._loop.call_soon(self._tell)
