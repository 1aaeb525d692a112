"""How many requests a second somebody may make, and how they are told.

Whoever has proved who they are has a bucket of their own, wherever they ask from. Everybody else
shares a smaller one with their address (IPv6: their network of 64 bits), so that nobody can use up
what others have proved a right to. Commands on the machine itself, and balancers that ask whether
this process is well, are not counted.

Counted is before anything else is done, whatever is asked for, be it there or not.

Each answer says how much is left (draft-ietf-httpapi-ratelimit-headers):

    RateLimit-Policy: "caller";q=2000;w=2
    RateLimit: "caller";r=1999;t=1

That is: 2000 at once, all of which are back within 2 s; 1999 are left now, and all are back in 1 s.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from http import HTTPStatus

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.access import Principal, PrincipalKind
from trunkpulse.access.buckets import Buckets
from trunkpulse.adapters.http.api.admission import prove
from trunkpulse.adapters.http.api.problems import Problem, ProblemResponse
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.admission.guessing import network_of
from trunkpulse.config.settings import ApiSettings
from trunkpulse.ports import Clock

__all__ = ["RateLimited"]

EXEMPT_PATHS = frozenset({"/healthz", "/readyz"})
MOST_CALLERS = 10_000
MOST_ADDRESSES = 50_000
UNPROVED_SHARE = 10
"""Whoever has not proved who they are has one part of so many."""


class RateLimited:
    """ASGI middleware inside the guard, which says who asks from where."""

    def __init__(self, app: ASGIApp, *, clock: Clock, api: Callable[[], ApiSettings]) -> None:
        """``api`` is asked for each request how many there may be."""
        self._app = app
        self._clock = clock
        self._api = api
        self._callers = Buckets(1.0, 1, capacity=MOST_CALLERS)
        self._addresses = Buckets(1.0, 1, capacity=MOST_ADDRESSES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and say what is left."""
        if scope["type"] != "http" or scope["path"] in EXEMPT_PATHS:
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        proof = await prove(request)
        caller = None if isinstance(proof, Problem) else proof
        if caller is not None and caller.kind is PrincipalKind.MACHINE:
            await self._app(scope, receive, send)
            return
        wait_seconds, policy, left = self._take(request, caller)

        async def send_counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["ratelimit-policy"], headers["ratelimit"] = policy, left
            await send(message)

        if wait_seconds:
            request.state.caller = caller
            refusal = ProblemResponse(_too_many(caller, wait_seconds), scope["path"])
            await refusal(scope, receive, send_counted)
        else:
            await self._app(scope, receive, send_counted)

    def _take(self, request: Request, caller: Principal | None) -> tuple[int, str, str]:
        """One request of whoever it is: how long they must wait (0: not at all), and what to say.

        In whole seconds.
        """
        now = self._clock.monotonic()
        api = self._api()
        if caller is None:
            policy, buckets = "address", self._addresses
            burst = max(1, api.burst // UNPROVED_SHARE)
            buckets.change(api.requests_per_second / UNPROVED_SHARE, burst)
            standing = buckets.take(network_of(client_address(request)), now)
        else:
            policy, buckets = "caller", self._callers
            buckets.change(api.requests_per_second, api.burst)
            standing = buckets.take(f"{caller.kind.value}:{caller.id}", now)
        return (
            0 if standing.allowed else max(1, math.ceil(standing.wait_seconds)),
            f'"{policy}";q={buckets.burst};w={buckets.fills_in_seconds}',
            f'"{policy}";r={standing.left};t={math.ceil(standing.full_in_seconds)}',
        )


def _too_many(caller: Principal | None, seconds: int) -> Problem:
    return Problem(
        HTTPStatus.TOO_MANY_REQUESTS,
        f"These are more requests than {'you' if caller else 'this address'} may make; wait "
        f"{seconds} s, and then make fewer in a second.",
        headers={"retry-after": str(seconds)},
    )
