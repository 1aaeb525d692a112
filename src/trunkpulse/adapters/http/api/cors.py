"""Which pages of other sites may use the API (CORS, https://fetch.spec.whatwg.org).

Only those whose exact origin is declared, with a token that they bring, and never with cookies:
``Access-Control-Allow-Credentials`` is not sent, and cookies that come along with a request of
another origin are taken off before anybody reads them. Nothing is allowed with a wildcard.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import Scope

__all__ = ["allow_reading", "is_preflight", "leave_cookies", "permission"]

_METHODS: Final = "GET, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = (
    "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID"
)
_ANSWER_HEADERS: Final = "ETag, Location, RateLimit, RateLimit-Policy, Retry-After"
_REMEMBER_SECONDS: Final = 600


def is_preflight(scope: Scope, headers: Headers) -> bool:
    """True if a browser asks, on behalf of a page, what it may send."""
    asks = scope["method"] == "OPTIONS" and "origin" in headers
    return asks and "access-control-request-method" in headers


def permission() -> Response:
    """The answer to a preflight from a declared origin; ``allow_reading`` adds whose."""
    return Response(
        status_code=204,
        headers={
            "access-control-allow-methods": _METHODS,
            "access-control-allow-headers": _REQUEST_HEADERS,
            "access-control-max-age": str(_REMEMBER_SECONDS),
        },
    )


def allow_reading(answer: MutableHeaders, origin: str | None, declared: Collection[str]) -> None:
    """Let a page of ``origin`` read this answer if it is declared."""
    if not declared:
        return
    answer.add_vary_header("Origin")
    if origin in declared:
        assert origin is not None
        answer["access-control-allow-origin"] = origin
        answer["access-control-expose-headers"] = _ANSWER_HEADERS


def leave_cookies(scope: Scope) -> None:
    """Take the cookies off a request that a page of another origin makes."""
    scope["headers"] = [each for each in scope["headers"] if each[0] != b"cookie"]
