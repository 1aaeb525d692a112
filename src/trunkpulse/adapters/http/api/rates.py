"""How many requests a second somebody may make, and how they are told.

Whoever has proved who they are has a bucket of their own, wherever they ask from. Everybody else
shares a smaller one with their address (IPv6: their network of 64 bits), so that nobody can use up
what others have proved a right to. Commands on the machine itself, and balancers that ask whether
this process is well, are not counted.

Each answer says how much is left (draft-ietf-httpapi-ratelimit-headers):

    RateLimit-Policy: "caller";q=2000;w=2
    RateLimit: "caller";r=1999;t=1

That is: 2000 at once, all of which are back within 2 s; 1999 are left now, and all are back in 1 s.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.access import Principal, PrincipalKind
from trunkpulse.access.buckets import Buckets, Standing
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.admission.guessing import network_of
from trunkpulse.ports import Clock

__all__ = ["RateLimited", "charge"]

CHARGE = "trunkpulse.charge"
"""In the scope of a request: whose bucket it is taken from."""
EXEMPT_PATHS = frozenset({"/healthz", "/readyz"})
MOST_CALLERS = 10_000
MOST_ADDRESSES = 50_000
UNPROVED_SHARE = 10
"""Whoever has not proved who they are has one part of so many."""


@dataclass(slots=True)
class _Charge:
    """What a request was charged with, if anything."""

    limits: RateLimited
    headers: tuple[str, str] | None = None
    is_settled: bool = False


class RateLimited:
    """ASGI middleware; the declarations of the routes call `charge`."""

    def __init__(
        self, app: ASGIApp, *, clock: Clock, requests_per_second: float, burst: int
    ) -> None:
        self._app = app
        self._clock = clock
        self._callers = Buckets(requests_per_second, burst, capacity=MOST_CALLERS)
        self._addresses = Buckets(
            requests_per_second / UNPROVED_SHARE,
            max(1, burst // UNPROVED_SHARE),
            capacity=MOST_ADDRESSES,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and say what is left."""
        if scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        charged = scope[CHARGE] = _Charge(self)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                if not charged.is_settled:  # no route was found that could have done it
                    self.settle(charged, HTTPConnection(scope), None)
                if charged.headers is not None:
                    headers = MutableHeaders(scope=message)
                    headers["ratelimit-policy"], headers["ratelimit"] = charged.headers
            await send(message)

        await self._app(scope, receive, send_counted)

    def settle(
        self, charged: _Charge, connection: HTTPConnection, caller: Principal | None
    ) -> Standing | None:
        """Take one request from whoever it is; None: they are not counted."""
        charged.is_settled = True
        if caller is not None and caller.kind is PrincipalKind.MACHINE:
            return None
        now = self._clock.monotonic()
        if caller is None:
            policy, buckets = "address", self._addresses
            standing = buckets.take(network_of(client_address(connection)), now)
        else:
            policy, buckets = "caller", self._callers
            standing = buckets.take(f"{caller.kind.value}:{caller.id}", now)
        charged.headers = (
            f'"{policy}";q={buckets.burst};w={buckets.fills_in_seconds}',
            f'"{policy}";r={standing.left};t={math.ceil(standing.full_in_seconds)}',
        )
        return standing


def charge(connection: HTTPConnection, caller: Principal | None) -> None:
    """Count a request of ``caller``, or of its address; raises a 429 Problem if it is too many."""
    charged = connection.scope.get(CHARGE)
    if not isinstance(charged, _Charge) or charged.is_settled:
        return
    standing = charged.limits.settle(charged, connection, caller)
    if standing is None or standing.allowed:
        return
    seconds = max(1, math.ceil(standing.wait_seconds))
    raise Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"These are more requests than {'you' if caller else 'this address'} may make; wait "
        f"{seconds} s, and then make fewer in a second.",
        headers={"retry-after": str(seconds)},
    )
