"""What every request must pass before it is answered.

Who asks is for the gate to find out; here it is how they ask. Shut are the doors for

* DNS rebinding: a name of the attacker's that resolves to an address of ours. The ``Host`` header
  must be a declared name, a loopback name or address, or the address we listen on. A numeric host
  cannot be rebound, so with a wildcard listen address any numeric host will do.
* Passwords and tokens in the clear: beyond loopback it takes TLS, ours or that of a declared proxy.
  Whatever a declared proxy hands on must have come to it over TLS, wherever we listen.
* Cross-site requests (a form posted at us): ``Origin``, which browsers always send with a POST to
  another site, must be our own or a declared one (``cors``), and ``Sec-Fetch-Site`` must not say
  otherwise. Cookies count only for pages of our own.
* What is too large, ambiguous or of the wrong kind (``bounds``).

Security headers go on every answer.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.adapters.http.api import cors
from trunkpulse.adapters.http.api.bounds import CLOSING, beyond_bounds, limited, unfit_body
from trunkpulse.adapters.http.api.problems import SECURITY_HEADERS, Problem, ProblemResponse
from trunkpulse.adapters.http.api.proxies import by_declared_proxy, only_seems_proxied
from trunkpulse.config.settings import ApiSettings

__all__ = ["Guard"]

log = structlog.get_logger(__name__)

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
HEALTH_PATHS: Final = frozenset({"/healthz", "/readyz"})
"""What balancers ask for themselves, without a password or token."""
STRICT_TRANSPORT: Final = "max-age=31536000"


class Guard:
    """ASGI middleware; see the module's opening."""

    def __init__(
        self, app: ASGIApp, *, listen_host: str, api: Callable[[], ApiSettings] = ApiSettings
    ) -> None:
        """``listen_host`` is the name or address that the API listens on, without brackets.

        ``api`` is asked for each request what is declared.
        """
        self._app = app
        self._listen_host = listen_host.lower()
        self._api = api
        address = _address(listen_host)
        self._wildcard = address is not None and address.is_unspecified
        self._exposed = address is not None and not address.is_loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a problem, or let the application answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        api = self._api()
        origin = headers.get("origin")

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(scope, message)
                cors.allow_reading(MutableHeaders(scope=message), origin, api.allowed_origins)
                log.debug(
                    "api.request",
                    method=scope["method"],
                    path=scope["path"],
                    status=message["status"],
                )
            await send(message)

        problem = beyond_bounds(scope, headers) or self._unsafe(scope, headers, api)
        if problem is not None:
            await ProblemResponse(problem, scope["path"])(scope, receive, send_guarded)
        elif cors.is_preflight(scope, headers) and origin in api.allowed_origins:
            await cors.permission()(scope, receive, send_guarded)
        else:
            if origin is not None and not _is_own(origin, scope, headers, api):
                cors.leave_cookies(scope)
            await self._app(scope, limited(scope, receive), send_guarded)

    def _unsafe(self, scope: Scope, headers: Headers, api: ApiSettings) -> Problem | None:
        if not self._is_ours(headers.get("host", ""), api):
            return Problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This API answers only to a loopback name, to the address it listens on and to "
                "the names in api.hosts; use one of them, or add this one.",
            )
        if not self._is_protected(scope):
            hint = (
                "; ask over HTTPS, and have the reverse proxy say so with the header "
                "X-Forwarded-Proto: https."
                if by_declared_proxy(scope)
                else "; ask the reverse proxy in front of it, over HTTPS."
            )
            return Problem(
                HTTPStatus.FORBIDDEN,
                f"This API takes no passwords and tokens in the clear{hint}",
                headers=CLOSING,
            )
        if scope["method"] in SAFE_METHODS:
            return None
        if not _same_site(scope, headers, api):
            return Problem(
                HTTPStatus.FORBIDDEN,
                "A page of another site may not change anything here; call the API directly, or "
                "declare the page's origin in api.allowed_origins.",
            )
        return unfit_body(scope, headers)

    def _is_ours(self, authority: str, api: ApiSettings) -> bool:
        host = _host_of(authority)
        if host is None:
            return False
        if host in ("localhost", self._listen_host) or host in api.hosts:
            return True
        if api.public_url is not None and host == urlsplit(api.public_url).hostname:
            return True
        address = _address(host)
        return address is not None and (address.is_loopback or self._wildcard)

    def _is_protected(self, scope: Scope) -> bool:
        """True if nobody else on the way can read what is said, or nothing is."""
        if scope.get("scheme") == "https":
            return True
        if by_declared_proxy(scope):
            return scope["path"] in HEALTH_PATHS or only_seems_proxied(scope)
        if not self._exposed:
            return True
        if not scope.get("client"):
            return False
        peer = _address(scope["client"][0])
        # What this machine sends to an address of its own does not leave it.
        at_home = scope.get("server") is not None and scope["server"][0] == scope["client"][0]
        return at_home or (peer is not None and peer.is_loopback)


def _add_headers(scope: Scope, message: Message) -> None:
    answer = MutableHeaders(scope=message)
    for name, value in SECURITY_HEADERS.items():
        answer.setdefault(name, value)
    if scope["scheme"] == "https":
        answer.setdefault("strict-transport-security", STRICT_TRANSPORT)


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


def _is_own(origin: str, scope: Scope, headers: Headers, api: ApiSettings) -> bool:
    """True if a page of ``origin`` is one of ours."""
    own = f"{scope['scheme']}://{headers.get('host', '').lower()}"
    return origin.lower() == own or origin == api.public_url


def _same_site(scope: Scope, headers: Headers, api: ApiSettings) -> bool:
    origin = headers.get("origin")
    if origin is not None and origin in api.allowed_origins:
        return True
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    return origin is None or _is_own(origin, scope, headers, api)
