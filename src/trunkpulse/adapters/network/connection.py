"""One connection over TCP or TLS: bytes in, whole messages out, pings answered.

Who owns a connection hears of its messages and of its end; both the client side (``streams``) and
the listener are such owners. Nothing is heard of it any more once it was aborted, but its end.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Final, Protocol, cast

from trunkpulse.ports import Address, Clock
from trunkpulse.sip.framing import Frame, FramingLost, MessageFramer, Pulse

__all__ = ["Connection", "ConnectionOwner"]

WRITE_LIMIT_BYTES: Final = 1024 * 1024
"""What may wait to be written to a far side that does not read."""

PING: Final = b"\r\n\r\n"
PONG: Final = b"\r\n"


class ConnectionOwner(Protocol):
    """Who hears of a connection."""

    def message_came(self, connection: Connection, data: bytes, now: float) -> None:
        """A whole message came."""

    def portion_ended(self, connection: Connection) -> None:
        """What the network gave at once has been handed over."""

    def connection_ended(self, connection: Connection, cause: Exception | None) -> None:
        """It is gone: ``cause`` None is a proper close by the far side or by us."""


class Connection(asyncio.Protocol):
    """See the module's opening."""

    def __init__(self, owner: ConnectionOwner, clock: Clock, *, expects_pongs: bool) -> None:
        self._owner = owner
        self._clock = clock
        self._framer = MessageFramer(expects_pongs=expects_pongs)
        self._transport: asyncio.Transport | None = None
        self._aborted = False
        self.has_ended = False
        """True once ``connection_ended`` was told."""
        self.cause: Exception | None = None
        """Why it ended; None: it was closed properly, by the far side or by us."""
        self.peer: Address = ("", 0)
        self.last_read = self.last_write = clock.monotonic()
        """When bytes last came and went."""
        self.has_spoken = False
        """True once anything came."""
        self.last_message: float | None = None
        """When a whole message last came."""
        self.message_since: float | None = None
        """When the message that is not complete yet began."""
        self.pinged_at: float | None = None
        """When the ping left that has had no pong."""
        self.pings = self.pongs = 0
        """Pings sent, and pongs that came."""

    # --- asyncio.Protocol --------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self.peer = transport.get_extra_info("peername") or ("", 0)

    def data_received(self, data: bytes) -> None:
        if self._aborted:
            return
        self.has_spoken = True
        self.last_read = now = self._clock.monotonic()
        try:
            frames = self._framer.feed(data)
        except FramingLost as problem:
            self._hand_over(problem.frames, now)
            self.cause = problem
            self.abort()
            return
        self._hand_over(frames, now)
        if not self._framer.is_within_message:
            self.message_since = None
        elif self.message_since is None or frames:
            self.message_since = now

    def _hand_over(self, frames: list[Frame], now: float) -> None:
        for frame in frames:
            if self._aborted:  # by its owner, who has heard enough
                break
            if frame is Pulse.PING:
                # Who pings without end and never reads shall not fill our memory with pongs.
                if not self.is_congested:
                    self.write(PONG)
            elif frame is Pulse.PONG:
                # What nobody asked for proves nothing: some end messages with a line too many.
                if self.pinged_at is not None:
                    self.pongs += 1
                    self.pinged_at = None
            else:
                assert isinstance(frame, bytes)
                self.last_message = now
                self._owner.message_came(self, frame, now)
        self._owner.portion_ended(self)

    def eof_received(self) -> bool:
        return False  # close our side as well: half a connection is of no use

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.cause = self.cause or exc
        self.has_ended = True
        self._owner.connection_ended(self, self.cause)

    # --- for the owner -------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """True while something can be written."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_congested(self) -> bool:
        """True if the far side does not read what was written."""
        return (
            self._transport is not None
            and self._transport.get_write_buffer_size() > WRITE_LIMIT_BYTES
        )

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS session, if there is one."""
        if self._transport is None:
            return None
        return cast("ssl.SSLObject | None", self._transport.get_extra_info("ssl_object"))

    def is_stuck(self, since: float) -> bool:
        """True if a message has begun, and none has come to its end after the moment ``since``."""
        return self.message_since is not None and (
            self.last_message is None or self.last_message < since
        )

    def write(self, data: bytes) -> None:
        """Send without waiting; what cannot be sent any more ends in ``connection_ended``."""
        if self._transport is not None and not self._transport.is_closing():
            self.last_write = self._clock.monotonic()
            self._transport.write(data)

    def ping(self) -> None:
        """Ask whether the far side is still there (RFC 5626 4.4.1)."""
        self.pings += 1
        self.write(PING)
        self.pinged_at = self.last_write

    def abort(self) -> None:
        """End it at once; safe to repeat."""
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()
