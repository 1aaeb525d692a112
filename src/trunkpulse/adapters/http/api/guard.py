"""What every request must pass before it is answered.

The API listens on loopback and asks no password yet, so the danger is a web page in the browser
of somebody on this machine. Three doors are shut:

* DNS rebinding: a name of the attacker's that resolves to 127.0.0.1. The ``Host`` header must be
  a loopback name or address, or the address we listen on. A numeric host cannot be rebound, so
  with a wildcard listen address any numeric host will do.
* Cross-site requests (a form posted at us): ``Origin``, which browsers always send with a POST to
  another site, must be our own address, and ``Sec-Fetch-Site`` must not say otherwise.
* Bodies that a form can send: a body must be JSON, or a patch in JSON.

A body is also refused beyond ``BODY_LIMIT_BYTES``, whether it says its length or comes in chunks.

There is no CORS, so no other site can read an answer. Security headers go on every answer.
"""

from __future__ import annotations

import ipaddress
from http import HTTPStatus
from urllib.parse import urlsplit

import structlog
from fastapi import HTTPException
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.adapters.http.api.problems import (
    BODY_LIMIT_BYTES,
    SECURITY_HEADERS,
    TOO_LARGE,
    Problem,
    ProblemResponse,
)

__all__ = ["Guard"]

log = structlog.get_logger(__name__)

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
JSON_TYPES = frozenset({"application/json", "application/merge-patch+json"})
"""No form sends these, and a page of another site only after it was allowed to."""


class Guard:
    """ASGI middleware; see the module's opening."""

    def __init__(self, app: ASGIApp, *, listen_host: str) -> None:
        """``listen_host`` is the name or address that the API listens on, without brackets."""
        self._app = app
        self._listen_host = listen_host.lower()
        address = _address(listen_host)
        self._wildcard = address is not None and address.is_unspecified

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
                log.debug(
                    "api.request",
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                )
            await send(message)

        received = 0

        async def receive_limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > BODY_LIMIT_BYTES:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE.value)
            return message

        problem = self._objection(scope)
        if problem is None:
            await self._app(scope, receive_limited, send_guarded)
        else:
            await ProblemResponse(problem, scope["path"])(scope, receive, send_guarded)

    def _objection(self, scope: Scope) -> Problem | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._is_ours(host):
            return Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This API answers only to a loopback name or to the address it listens on; "
                "use http://127.0.0.1 with its port.",
            )
        if scope["method"] in SAFE_METHODS:
            return None
        if not _same_site(headers, host):
            return Problem(
                HTTPStatus.FORBIDDEN,
                "A page of another site may not change anything here; call the API directly.",
            )
        length = headers.get("content-length", "0")
        if length.isdecimal() and int(length[:20]) > BODY_LIMIT_BYTES:
            return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, TOO_LARGE)
        if _has_body(headers) and not _is_json(headers):
            return Problem(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                "A body must be JSON; send it with Content-Type: application/json.",
            )
        return None

    def _is_ours(self, authority: str) -> bool:
        host = _host_of(authority)
        if host is None:
            return False
        if host in ("localhost", self._listen_host):
            return True
        address = _address(host)
        return address is not None and (address.is_loopback or self._wildcard)


def _host_of(authority: str) -> str | None:
    """The host of ``host[:port]`` in lower case and without brackets; None if it is none."""
    if any(character in authority for character in "@/?#\\ "):
        return None
    try:
        parts = urlsplit(f"//{authority}")
        port = parts.port
    except ValueError:
        return None
    return None if port == 0 else parts.hostname


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _same_site(headers: Headers, host: str) -> bool:
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    origin = headers.get("origin")
    return origin is None or origin.lower() == f"http://{host.lower()}"


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _is_json(headers: Headers) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() in JSON_TYPES
