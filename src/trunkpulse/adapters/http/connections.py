"""One connection over which HTTP is spoken, with bounds on how slow and how many they may be.

uvicorn closes a connection that has been idle between two requests, and knows no other time-out. A
peer that sends a request byte by byte, or reads its answer so, would hold a connection for as long
as it likes, and some hundreds of them everybody's. So

* the head of a request must be there within ``Patience.head_seconds``;
* a body may take ``body_seconds``, and a second more for each ``body_bytes_per_second`` that came;
* an answer that waits for its reader must move on within ``reader_seconds``;
* no address has more than ``PER_ADDRESS`` connections, but this machine and declared proxies, which
  bring those of many.

What cannot be read as a request is answered in the form that all other errors have.
"""

from __future__ import annotations

import asyncio
import enum
import ipaddress
import logging
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final, cast

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.server import ServerState

from trunkpulse.adapters.http.api.problems import SECURITY_HEADERS, Problem, ProblemResponse
from trunkpulse.config.settings import IpNetwork

__all__ = ["Connection", "Patience", "Peers"]

PER_ADDRESS: Final = 64
IN_ALL: Final = 1024
IPV6_PREFIX: Final = 64
"""Whoever has one IPv6 address has this network of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long the peer of a connection is waited for."""

    head_seconds: float = 15.0
    """For all of a request but its body."""
    body_seconds: float = 20.0
    body_bytes_per_second: float = 1024.0
    reader_seconds: float = 120.0
    """For room to write more, and for the last of an answer to be read."""


class Peers:
    """Counts the connections of each address."""

    def __init__(
        self, uncapped: Callable[[], Collection[IpNetwork]] = tuple, most: int = PER_ADDRESS
    ) -> None:
        """``uncapped`` are the declared proxies, asked for each connection that is too many."""
        self._uncapped = uncapped
        self._most = most
        self._count: Counter[object] = Counter()
        self._in_all = 0

    @property
    def known(self) -> int:
        """How many addresses it remembers."""
        return len(self._count)

    def enter(self, address: str) -> bool:
        """One more connection from ``address``; False if that is too many."""
        ip = _ip(address)
        known_as = _known_as(address, ip)
        count = self._count.get(known_as, 0)
        if self._in_all >= IN_ALL or (count >= self._most and self._is_capped(ip)):
            return False
        self._in_all += 1
        self._count[known_as] += 1
        return True

    def others(self) -> Peers:
        """A count of its own with the same bounds."""
        return Peers(self._uncapped, self._most)

    def leave(self, address: str) -> None:
        """A connection that ``enter`` let in has ended."""
        known_as = _known_as(address, _ip(address))
        self._in_all -= 1
        self._count[known_as] -= 1
        if self._count[known_as] <= 0:
            del self._count[known_as]

    def _is_capped(self, ip: _Ip | None) -> bool:
        if ip is None or ip.is_loopback:
            return False
        return not any(ip in network for network in self._uncapped())


_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


def _ip(address: str) -> _Ip | None:
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped) or ip


def _known_as(address: str, ip: _Ip | None) -> object:
    """Who answers for ``address``."""
    if isinstance(ip, ipaddress.IPv6Address):
        return ipaddress.ip_network((ip, IPV6_PREFIX), strict=False)
    return ip or address


class _Awaited(enum.Enum):
    HEAD = enum.auto()
    BODY = enum.auto()
    NOTHING = enum.auto()


class Connection(H11Protocol):
    """See the module's opening."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        *,
        peers: Peers,
        patience: Patience,
        logger: logging.Logger,
    ) -> None:
        super().__init__(config, server_state, app_state={})
        self.logger = logger
        self._peers = peers
        self._patience = patience
        self._entered = False
        self._awaited = _Awaited.NOTHING
        self._deadline: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None
        self._body_since = 0.0
        self._body_bytes = 0

    # --- how many ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """Take the connection, or end it if its address has too many."""
        super().connection_made(transport)
        self._entered = self._peers.enter(self._address())
        if self._entered:
            self._await(_Awaited.HEAD)
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        if self._entered:
            self._entered = False
            self._peers.leave(self._address())
        self._await(_Awaited.NOTHING)
        self._read_on()
        super().connection_lost(exc)

    def _address(self) -> str:
        return self.client[0] if self.client else ""

    # --- how slow a request may come -----------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """More of a request."""
        self._body_bytes += len(data)
        super().data_received(data)
        self._look()

    def on_response_complete(self) -> None:
        """An answer has been handed over; the next request may begin."""
        super().on_response_complete()
        if self.transport.is_closing():
            self._await_reader()
        else:
            self._look()

    def timeout_keep_alive_handler(self) -> None:
        """No other request has come."""
        super().timeout_keep_alive_handler()
        self._await_reader()

    def _look(self) -> None:
        """Await what the peer owes us now."""
        state = self.conn.their_state
        if state is h11.SEND_BODY:
            awaited = _Awaited.BODY
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            awaited = _Awaited.HEAD
        else:
            awaited = _Awaited.NOTHING
        if awaited is not self._awaited:
            self._await(awaited)

    def _await(self, what: _Awaited) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._awaited = what
        if what is _Awaited.HEAD:
            self._deadline = self.loop.call_later(self._patience.head_seconds, self._head_is_late)
        elif what is _Awaited.BODY:
            self._body_since, self._body_bytes = self.loop.time(), 0
            self._deadline = self.loop.call_later(self._patience.body_seconds, self._body_is_late)

    def _head_is_late(self) -> None:
        self._deadline = None
        if self.conn.trailing_data[0]:
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The request took too long to arrive.")
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        patience = self._patience
        allowed = patience.body_seconds + self._body_bytes / patience.body_bytes_per_second
        left = self._body_since + allowed - self.loop.time()
        if self.flow.read_paused:  # it is us who have not read on
            left = max(left, patience.body_seconds)
        if left > 0:
            self._deadline = self.loop.call_later(left, self._body_is_late)
            return
        self._deadline = None
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, "The body of the request took too long to arrive.")

    # --- how slow an answer may be read --------------------------------------------------------

    def pause_writing(self) -> None:
        """The peer does not read as fast as we write."""
        super().pause_writing()
        self._await_reader()

    def resume_writing(self) -> None:
        """It has read enough."""
        super().resume_writing()
        if not self.transport.is_closing():
            self._read_on()

    def _await_reader(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(
                self._patience.reader_seconds, self.transport.abort
            )

    def _read_on(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    # --- what is no request --------------------------------------------------------------------

    def send_400_response(self, msg: str) -> None:
        """What came is no HTTP (as uvicorn names it)."""
        self._refuse(
            HTTPStatus.BAD_REQUEST,
            "This cannot be read as a request of HTTP/1.1; check what sends it.",
        )

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Answer with a problem if no answer has begun, and end the connection."""
        cycle = cast("RequestResponseCycle | None", self.cycle)
        if cycle is not None and not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = ProblemResponse(
                Problem(status, detail, headers={**SECURITY_HEADERS, "connection": "close"}),
                "about:blank",
            )
            for event in (
                h11.Response(
                    status_code=status.value,
                    headers=answer.raw_headers,
                    reason=status.phrase.encode(),
                ),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                written = self.conn.send(event)
                if written:
                    self.transport.write(written)
        self.transport.close()
        self._await_reader()
