"""Where a target leads, whatever way it is written: ``sip:192.0.2.1`` and its ``:5060`` are one.

A name without a port goes by SRV, and one without a transport by NAPTR (RFC 3263 4): then port or
transport are for the DNS to say, and ``sip:H`` may lead elsewhere than ``sip:H:5060``.
"""

from __future__ import annotations

import ipaddress
from typing import NamedTuple, Self

from trunkpulse.sip.grammar import find_parameter
from trunkpulse.sip.uri import SipUri

__all__ = ["Endpoint", "family"]


class Endpoint(NamedTuple):
    """What tells one target from another (RFC 3261 19.1.4 would also compare parameters)."""

    transport: str | None
    """None: the DNS will say."""
    host: str
    port: int | None
    """None: the DNS will say."""
    user: str | None
    """Far sides may answer for one user and not for another."""

    @classmethod
    def of(cls, target: str) -> Self:
        """Of a target in the canonical form that ``str(SipUri)`` gives."""
        scheme, _, place = target.partition(":")
        host, colon, port = place.partition(":")
        # Most targets are "sip:ADDRESS:PORT", and with 100,000 trunks a full parse is felt.
        plain = host.replace(".", "").replace("-", "").isalnum()
        if scheme == "sip" and colon and plain and port.isdecimal():
            return cls("udp", host, int(port), None)
        uri = SipUri.parse(target)
        if uri.port is not None or family(uri.host) is not None:
            return cls(uri.transport, uri.host, uri.effective_port, uri.user)
        settled = uri.scheme == "sips" or find_parameter(uri.parameters, "transport") is not None
        return cls(uri.transport if settled else None, uri.host, None, uri.user)

    @property
    def may_be_tls(self) -> bool:
        """True if it is reached over TLS, or if only the DNS can tell."""
        return self.transport in {"tls", None}


def family(host: str) -> str | None:
    """``IPv4`` or ``IPv6`` of an address; None for a name, which may have addresses of both."""
    try:
        return f"IPv{ipaddress.ip_address(host).version}"
    except ValueError:
        return None
