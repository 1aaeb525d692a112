"""The texts of a configuration file that mean more than themselves: addresses, URIs, numbers.

Each function takes one text and gives the value it stands for, or raises ValueError with what is
allowed, phrased to be read after the key's name: "must be …, not …". A text that may hold a
secret (a URL, a URI with a password) is not repeated.
"""

from __future__ import annotations

import contextlib
import functools
import ipaddress
import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from trunkpulse.config.settings import IpNetwork, ListenAddress, SipListen
from trunkpulse.config.wording import did_you_mean, either, shown
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.grammar import (
    IPV4_PATTERN,
    check_host,
    find_parameter,
    host_and_port,
    split_sent_by,
)
from trunkpulse.sip.request import check_extra_header
from trunkpulse.sip.status import known_as
from trunkpulse.sip.uri import SipUri

__all__ = [
    "BUILT_IN_PROFILES",
    "api_address",
    "certificate_host",
    "extra_headers",
    "healthy_codes",
    "healthy_response",
    "is_profile_path",
    "network",
    "probe_target",
    "profile_name",
    "proxy_uri",
    "public_address",
    "sip_listen",
    "sip_uri",
    "source_address",
    "sqlite_path",
]

BUILT_IN_PROFILES = ("generic", "twilio", "teams", "genesys")
"""Profiles that come with trunkpulse, each a file in ``profiles``."""

_PROTOCOLS = {protocol.value: protocol for protocol in TransportProtocol}
_OTHER_TRANSPORTS = frozenset({"sctp", "tls-sctp", "ws", "wss"})
_SPOKEN = '"udp:", "tcp:" or "tls:", the transports that this version speaks'
_HEALTHY = re.compile(r"[2-6](?:xx|[0-9]{2})")
_PROVISIONAL = re.compile(r"1(?:xx|[0-9]{2})")
_ADDRESS_AND_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([0-9.]+)):([0-9]{1,5})")
_PASSWORD = re.compile(r"(?:sips?:|(?!sips?:))[^@]*:.*@", re.DOTALL | re.IGNORECASE)
# What most targets are. With 100,000 of them, parsing each would take as long as all the rest.
_CANONICAL_TARGET = re.compile(rf"sip:{IPV4_PATTERN}:(?:[1-5][0-9]{{4}}|[1-9][0-9]{{0,3}})")
_MOST_HEADERS = 32


def _address_and_port(text: str) -> ListenAddress | None:
    """``127.0.0.1:8080`` or ``[::1]:8080``; None if it is neither."""
    found = _ADDRESS_AND_PORT.fullmatch(text)
    if found is None or int(found[3]) > 65535:
        return None
    try:
        address = ipaddress.IPv6Address(found[1]) if found[1] else ipaddress.IPv4Address(found[2])
    except ValueError:
        return None
    return str(address), int(found[3])


def api_address(text: str) -> ListenAddress:
    """Where the API listens."""
    address = _address_and_port(text)
    if address is None:
        raise ValueError(
            'must be an IP address and a port such as "127.0.0.1:8080" or "[::1]:8080", '
            f"not {shown(text)}"
        )
    return address


def sip_listen(text: str) -> SipListen:
    """Where SIP is awaited: ``udp:HOST:PORT``, ``tcp:HOST:PORT`` or ``tls:HOST:PORT``."""
    transport, _, place = text.partition(":")
    if transport.lower() in _OTHER_TRANSPORTS:
        raise ValueError(f"must begin with {_SPOKEN}, not {shown(transport + ':')}")
    protocol = _PROTOCOLS.get(transport.lower())
    address = _address_and_port(place)
    if protocol is None or address is None:
        raise ValueError(
            'must be "udp:", "tcp:" or "tls:", an IP address and a port, such as '
            f'"udp:127.0.0.1:5080" or "tls:[::1]:5061", not {shown(text)}'
        )
    return SipListen(protocol, *address)


def source_address(text: str) -> ListenAddress:
    """``IP:PORT``, or ``IP`` alone for any port."""
    address = _address_and_port(text)
    if address is not None:
        return address
    try:
        # A scoped address would need the scope kept; probes have no use for one yet.
        if "%" not in text:
            return str(ipaddress.ip_address(text.removeprefix("[").removesuffix("]"))), 0
    except ValueError:
        pass
    raise ValueError(
        'must be a local IP address with or without a port, such as "192.0.2.7", '
        f'"192.0.2.7:5070" or "[2001:db8::7]:5070", not {shown(text)}'
    )


def network(text: str) -> IpNetwork:
    """An IPv4 or IPv6 network, or a single address."""
    try:
        loose = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(
            f'must be an IP network such as "127.0.0.0/8" or "::1/128", not {shown(text)}'
        ) from None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(
            f"must be a network without host bits, not {shown(text)}; "
            f'write "{loose}" for all of that network'
        ) from None


@functools.lru_cache(maxsize=1024)  # a large file writes the same From and Contact everywhere
def sip_uri(text: str) -> str:
    """The canonical form of a SIP or SIPS URI (RFC 3261 section 19.1)."""
    return str(_parsed(text))


def probe_target(text: str) -> str:
    """The canonical form of a SIP URI that can be probed."""
    if _CANONICAL_TARGET.fullmatch(text):
        return text
    return str(_reachable(text))


def proxy_uri(text: str) -> str:
    """The canonical form of a SIP URI that requests are sent to and name in a Route header."""
    uri = _reachable(text)
    if ("lr", None) not in uri.parameters:
        raise ValueError(
            'must be the URI of a loose router, marked with ";lr" as in '
            f'"sip:edge.example.com;lr", not {shown(text)}'
        )
    return str(uri)


def _reachable(text: str) -> SipUri:
    """A SIP URI whose transport is one that we speak."""
    uri = _parsed(text)
    if uri.headers:
        # RFC 3261 19.1.1 gives them a meaning in a request that a person has made from the URI.
        raise ValueError(
            "must be a SIP URI without headers, because it only says where an OPTIONS goes; take"
            " out the question mark and what follows it"
        )
    named = find_parameter(uri.parameters, "transport")
    if named is not None and named.lower() not in _PROTOCOLS:
        raise ValueError(
            f"must be reached over udp, tcp or tls, not over {shown(named)}, which this version "
            "does not speak"
        )
    if uri.scheme == "sips" and uri.transport != "tls":
        raise ValueError(
            f'must be reached over TLS if it begins with "sips:", not over {shown(named)}'
        )
    return uri


def _parsed(text: str) -> SipUri:
    if _PASSWORD.match(text):
        raise ValueError("must be a SIP URI without a password, because it is sent for all to read")
    try:
        return SipUri.parse(text)
    except ValueError as error:
        raise ValueError(
            f'must be a SIP URI such as "sip:192.0.2.1:5060", but {_as_clause(str(error))}'
        ) from None


def _as_clause(sentence: str) -> str:
    """``sentence`` to end a longer one: a question at its end goes into brackets."""
    statement, semicolon, question = sentence.rpartition("; ")
    return f"{statement} ({question})" if semicolon and question.endswith("?") else sentence


def public_address(text: str) -> str:
    """What Via and Contact show instead of the local address: a host, with or without a port."""
    bare = text
    with contextlib.suppress(ValueError):
        # An IPv6 address may stand without the brackets that it has within a URI.
        bare = host_and_port(str(ipaddress.IPv6Address(text)), None)
    try:
        host, port = split_sent_by(bare)
    except ValueError:
        raise ValueError(
            'must be an IP address or a host name with or without a port, such as "198.51.100.7", '
            f'"pbx.example.com:5060" or "[2001:db8::7]:5060", not {shown(text)}'
        ) from None
    return host_and_port(host, port)


def certificate_host(text: str) -> str:
    """The name or address that a certificate shall be for."""
    try:
        return check_host(text)
    except ValueError:
        raise ValueError(
            f'must be a host name or an IP address such as "sbc.example.com", not {shown(text)}'
        ) from None


def profile_name(text: str) -> str:
    """The name of a profile that comes with trunkpulse, or the path of one's own."""
    if text not in BUILT_IN_PROFILES and not is_profile_path(text):
        near = did_you_mean(text, BUILT_IN_PROFILES)
        hint = f" (did you mean {shown(near)}?)" if near else ""
        raise ValueError(
            f"must be {either(BUILT_IN_PROFILES)}, or the path of a file of your own such as "
            f'"profiles/acme.toml", not {shown(text)}{hint}'
        )
    return text


def is_profile_path(name: str) -> bool:
    """True if ``name`` points at a file, not at a profile that comes with trunkpulse."""
    return "/" in name or name.endswith(".toml")


def extra_headers(headers: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Headers that each OPTIONS of a trunk carries on top of those it must have."""
    checked: list[tuple[str, str]] = []
    if len(headers) > _MOST_HEADERS:
        raise ValueError(f"must hold at most {_MOST_HEADERS} headers, not {len(headers)}")
    seen: set[str] = set()
    for name, value in headers.items():
        if not isinstance(value, str) or not value.isprintable():
            # The value may be a credential: it is never repeated.
            raise ValueError(
                f"must hold printable texts in quotes, but the value of {shown(name)} is not one"
            )
        try:
            check_extra_header(name, value)
        except ValueError as error:
            raise ValueError(
                f"must hold only headers that an OPTIONS may carry, but {error}"
            ) from None
        if name.lower() in seen:
            raise ValueError(f"must hold each header once, but {shown(name)} is there twice")
        seen.add(name.lower())
        checked.append((name, value))
    return tuple(checked)


def healthy_response(text: str) -> str:
    """A final status code, or a class of them: ``"404"``, ``"2xx"``."""
    pattern = text.lower()
    if _PROVISIONAL.fullmatch(pattern):
        raise ValueError(
            f"must be a final status code, not {shown(text)}: "
            "a provisional response is never a success"
        )
    if not _HEALTHY.fullmatch(pattern):
        raise ValueError(
            'must be a status code or a class of them, from "200" to "699" or "2xx" to "6xx", '
            f"not {shown(text)}"
        )
    return pattern


def healthy_codes(responses: tuple[str, ...]) -> frozenset[int]:
    """Every status code that ``responses``, each a ``healthy_response``, stand for.

    A code that no standard defines stands for the x00 of its class (RFC 3261 8.1.3.2).
    """
    listed = set(responses)
    return frozenset(
        code
        for code in range(200, 700)
        if not listed.isdisjoint((f"{code // 100}xx", str(code), str(known_as(code))))
    )


def sqlite_path(url: str) -> str:
    """The path within ``sqlite:///PATH``; a URL may hold a password, so it is never repeated."""
    how = "write sqlite:///PATH (four slashes begin an absolute path)"
    scheme, separator, path = url.partition("://")
    if not separator or scheme.lower() != "sqlite":
        raise ValueError(f"must be an SQLite URL, because this version stores in SQLite: {how}")
    name = path.removeprefix("/")
    if name in {"", ":memory:"} or name == path:
        raise ValueError(f"must name a file, because a database in memory forgets: {how}")
    if not name.isprintable() or any(mark in name for mark in "?#") or name.endswith("/"):
        raise ValueError(f"must end in the path of a file, without options: {how}")
    return str(PurePosixPath(name))
