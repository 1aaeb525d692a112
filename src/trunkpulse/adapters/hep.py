"""The socket that mirrors of live calls come in on: HEP over UDP.

A switch mirrors tens of thousands of messages a second, and probes have to leave on time beside
them. So frames are read some at a time: a reading ends after ``TURN_SECONDS``, what is left waits
for the next turn of the event loop, and while probes are overdue there is a pause between two
readings. What the kernel has no room for meanwhile is lost and counted, as is everything else that
is not followed, and the intake is told, because an answer may have been among it. Nothing is ever
sent.
"""

from __future__ import annotations

import asyncio
import ipaddress
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from trunkpulse.adapters.network.binding import bound_socket
from trunkpulse.adapters.network.drops import receive_drops
from trunkpulse.adapters.network.receiving import Arrived, receiving_from
from trunkpulse.calls.intake import Intake
from trunkpulse.config.settings import IpNetwork
from trunkpulse.ports import Clock

__all__ = ["HepListener"]

log = structlog.get_logger(__name__)

TURN_SECONDS: Final = 0.004
"""A reading may take so long; a single frame takes a hundredth of it."""
REST_SECONDS: Final = 0.005
"""Between two readings, so that frames that come thick and fast are read together."""
OVERDUE_SECONDS: Final = 0.05
"""Probes that are later than this come first."""
GRACE_SECONDS: Final = 0.05
BUFFER_BYTES: Final = 8 * 1024 * 1024
MOST_SENDERS: Final = 1024
"""Of whom it is remembered whether they are let in."""
MOST_NAMED: Final = 16
"""Senders that are turned away and named in the log; anybody can make up more of them."""


class HepListener:
    """See the module's opening. Lives on the running loop."""

    def __init__(
        self,
        local: tuple[str, int],
        intake: Intake,
        *,
        allow: Sequence[IpNetwork],
        clock: Clock,
        overdue_seconds: Callable[[], float],
    ) -> None:
        """Bind ``local`` (port 0: any) and begin to read; raises BindFailed.

        ``overdue_seconds`` says how late probes are.
        """
        self._socket = bound_socket(local, BUFFER_BYTES)
        self._socket.setblocking(False)
        self._receiving = receiving_from(self._socket)
        self._intake = intake
        self._allow = tuple(allow)
        self._clock = clock
        self._overdue_seconds = overdue_seconds
        self._drops = 0
        """Of which the intake knows."""
        self._senders: dict[str, bool] = {}
        self._named: set[str] = set()
        """Senders that were turned away, and of whom the log tells."""
        self._unread: list[Arrived] = []
        """The last to arrive first."""
        self._loop = asyncio.get_running_loop()
        self._resting: asyncio.TimerHandle | None = None
        self._closed = False
        host, port = self._socket.getsockname()[:2]
        self.place: tuple[str, int] = (host, port)
        """Where it listens."""
        self._loop.add_reader(self._socket, self._readable)

    @property
    def dropped_datagrams(self) -> int:
        """Frames that the kernel had no room for; 0 if it does not say."""
        return receive_drops(self._socket)

    def close(self) -> None:
        """Read no more; safe to repeat."""
        if self._closed:
            return
        self._closed = True
        if self._resting is None:
            self._loop.remove_reader(self._socket)
        else:
            self._resting.cancel()
        self._socket.close()

    def _readable(self) -> None:
        self._loop.remove_reader(self._socket)
        late = self._overdue_seconds() > OVERDUE_SECONDS
        try:
            self._read()
        finally:  # whatever a frame brought about, the next ones are read
            rest = GRACE_SECONDS if late else REST_SECONDS
            self._resting = self._loop.call_later(rest, self._rested)

    def _rested(self) -> None:
        self._resting = None
        self._loop.add_reader(self._socket, self._readable)
        if self._unread:  # there may be nothing more in the kernel to wake us
            self._readable()

    def _read(self) -> None:
        unread, take, refuse = self._unread, self._intake.take, self._intake.refuse
        now = self._clock.monotonic()
        drops = self.dropped_datagrams
        if drops != self._drops:
            self._drops = drops
            self._intake.lost(now)
        ends = time.perf_counter() + TURN_SECONDS
        while time.perf_counter() < ends:
            if not unread:
                try:
                    unread.extend(self._receiving.receive())
                except OSError:  # nothing waits, or an error is pending, which this has cleared
                    return
            if unread:
                data, source, _ = unread.pop()
                if self._is_allowed(source[0]):
                    take(data, now)
                else:
                    refuse()

    def _is_allowed(self, host: str) -> bool:
        known = self._senders.get(host)
        if known is None:
            if len(self._senders) >= MOST_SENDERS:
                self._senders.clear()
            address = ipaddress.ip_address(host.partition("%")[0])
            known = any(address in network for network in self._allow)
            self._senders[host] = known
            if not known:
                self._name(host)
        return known

    def _name(self, host: str) -> None:
        if host not in self._named and len(self._named) < MOST_NAMED:
            self._named.add(host)
            log.warning(
                "hep.not_allowed",
                sender=host,
                problem="frames come from an address that [hep] allow does not list; they are "
                "counted and not read",
            )
