"""Who really asks, where a reverse proxy stands between.

A proxy says in ``X-Forwarded-For``, ``-Proto`` and ``-Host``, or in ``Forwarded`` (RFC 7239), whom
it speaks for. Anybody can write such a header, so it is believed only of the proxies that the
configuration declares. Each of them adds to the right of what it was sent. So the list is read from
the right, one declared proxy after another, and the first address that is none of them is whoever
asks: what stands left of it is their own word, and is not looked at.

A proxy that knows one of the two spellings hands on whatever a client wrote in the other. Where
both are there they must agree, or the request is refused.

The truth is written into the request (client, scheme and ``Host``) before anything else looks at
it, so nothing behind has to know of proxies. ``client_address`` and ``is_https`` read it. What a
proxy does not say to have come by TLS is taken to have come in the clear.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from trunkpulse.adapters.http.api.problems import SECURITY_HEADERS, Problem, ProblemResponse
from trunkpulse.config.settings import ApiSettings, IpNetwork

__all__ = [
    "BehindProxies",
    "believe_proxies",
    "by_declared_proxy",
    "client_address",
    "from_this_machine",
    "is_https",
    "only_seems_proxied",
]

MOST_HOPS: Final = 16
"""Proxies in a row; what stands left of so many is not looked at."""
PROXIED: Final = "trunkpulse.proxied"
"""In the scope of a request: a declared proxy handed it on."""
NOWHERE: Final = "unknown"
FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")

_PAIR: Final = re.compile(
    r"\s*([!#$%&'*+.^_`|~0-9A-Za-z-]{1,64})=(\"(?:[^\"\\]|\\.)*\"|[^\s;,\"]*)\s*"
)
_SCHEMES: Final = frozenset({"http", "https"})

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def client_address(connection: HTTPConnection) -> str:
    """The IP address of whoever asks, as declared proxies tell it; "unknown" without one."""
    return connection.client.host if connection.client else NOWHERE


def is_https(connection: HTTPConnection) -> bool:
    """True if whoever asks speaks TLS, with us or with a declared proxy."""
    return bool(connection.scope["scheme"] == "https")


def by_declared_proxy(scope: Scope) -> bool:
    """True if a declared proxy handed this request on."""
    return bool(scope.get(PROXIED))


def from_this_machine(connection: HTTPConnection) -> bool:
    """True if whoever asks is on this machine for sure: no proxy, declared or not, is between."""
    if by_declared_proxy(connection.scope) or any(
        name in connection.headers for name in FORWARDING
    ):
        return False
    address = _ip(client_address(connection))
    return address is not None and address.is_loopback


def only_seems_proxied(scope: Scope) -> bool:
    """True if a command on this machine asks, where a proxy on it is declared.

    It asks for a loopback address from one, and forwards nothing.
    """
    headers = Headers(scope=scope)
    peer = _ip(scope["client"][0]) if scope.get("client") else None
    if peer is None or not peer.is_loopback or any(name in headers for name in FORWARDING):
        return False
    host = headers.get("host", "")
    asked = _ip(host)
    return host.partition(":")[0].lower() == "localhost" or (
        asked is not None and asked.is_loopback
    )


class BehindProxies:
    """ASGI middleware around all others; see the module's opening."""

    def __init__(self, app: ASGIApp, *, api: Callable[[], ApiSettings]) -> None:
        """``api`` is asked for each request who is declared."""
        self._app = app
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tell the application who asks, or answer that it cannot be known."""
        declared = self._api().trusted_proxies
        problem = believe_proxies(scope, declared) if declared else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await ProblemResponse(problem, scope["path"])(scope, receive, send)


@dataclass(frozen=True, slots=True)
class Told:
    """What proxies say of one request."""

    hops: Sequence[str] = ()
    """Whom each proxy was asked by, the nearest to us last."""
    schemes: Sequence[str] = ()
    hosts: Sequence[str] = ()


def believe_proxies(scope: Scope, declared: Collection[IpNetwork]) -> Problem | None:
    """Write what ``declared`` proxies tell into ``scope``; a Problem if it cannot be read."""
    peer = _ip(scope["client"][0]) if scope.get("client") else None
    if peer is None or not _within(peer, declared):
        return None
    scope[PROXIED] = True
    headers = Headers(scope=scope)
    spelled = Told(
        _listed(headers, "x-forwarded-for"),
        _listed(headers, "x-forwarded-proto"),
        _listed(headers, "x-forwarded-host"),
    )
    standard = _forwarded(",".join(headers.getlist("forwarded")))
    if standard is None:
        return _refusal("The Forwarded header of this request cannot be read")
    address, scheme, host = _asker(spelled, peer, declared)
    if standard.hops:
        other = _asker(standard, peer, declared)
        if spelled.hops and other[0] != address:
            return _refusal("Forwarded and X-Forwarded-For of this request name different clients")
        address = other[0]
        scheme, host = scheme or other[1], host or other[2]
    scope["client"] = (str(address), 0)
    if scheme is not None or not only_seems_proxied(scope):
        scope["scheme"] = scheme or "http"
    if host is not None:
        others = [each for each in scope["headers"] if each[0] != b"host"]
        scope["headers"] = [(b"host", host.encode("latin-1")), *others]
    return None


def _asker(
    told: Told, peer: IpAddress, declared: Collection[IpNetwork]
) -> tuple[IpAddress, str | None, str | None]:
    """Who asks, by which scheme and for which host, as far as declared proxies tell."""
    address, place = peer, 0
    for hop in reversed(told.hops[-MOST_HOPS:]):
        place += 1
        said = _ip(hop)
        if said is None:  # hidden, or unknown to the proxy: then we know no more than the proxy
            break
        address = said
        if not _within(address, declared):
            break
    scheme = _told_at(told.schemes, place, len(told.hops))
    host = _told_at(told.hosts, place, len(told.hops))
    return address, scheme if scheme in _SCHEMES else None, host


def _told_at(values: Sequence[str], place: int, hops: int) -> str | None:
    """What the proxy ``place`` steps away says; the nearest one's if not each says something."""
    if not values:
        return None
    return values[-place] if place and len(values) == hops else values[-1]


def _listed(headers: Headers, name: str) -> list[str]:
    values = headers.getlist(name)
    if not values:
        return []
    return [each.strip() for each in ",".join(values).rsplit(",", MOST_HOPS)[-MOST_HOPS:]]


def _forwarded(text: str) -> Told | None:
    """The parts of a ``Forwarded`` header; None if it is not well-formed."""
    place, end = 0, len(text)
    hops: list[str] = []
    schemes: list[str] = []
    hosts: list[str] = []
    pairs: dict[str, str] = {}
    while place < end:
        pair = _PAIR.match(text, place)
        if pair is None:
            return None
        name, value = pair[1].lower(), pair[2]
        if value.startswith('"'):
            value = re.sub(r"\\(.)", r"\1", value[1:-1])
        if name in pairs:
            return None
        pairs[name] = value
        place = pair.end()
        if place == end or text[place] == ",":
            hops.append(pairs.get("for", ""))
            schemes.append(pairs.get("proto", ""))
            hosts.append(pairs.get("host", ""))
            pairs = {}
        elif text[place] != ";":
            return None
        place += 1
    return Told(hops, schemes if any(schemes) else (), hosts if any(hosts) else ())


def _ip(text: str) -> IpAddress | None:
    """The address in ``192.0.2.1``, ``192.0.2.1:80``, ``2001:db8::1`` or ``[2001:db8::1]:80``."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _within(address: IpAddress, networks: Collection[IpNetwork]) -> bool:
    return any(address in network for network in networks)


def _refusal(what: str) -> Problem:
    return Problem(
        HTTPStatus.BAD_REQUEST,
        f"{what}; have the reverse proxy set one kind of these headers and remove what clients "
        "sent of the other.",
        headers=SECURITY_HEADERS,
    )
