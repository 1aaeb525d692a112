"""Where a target leads, whatever way it is written: ``sip:H`` and ``sip:H:5060`` are one place."""

from __future__ import annotations

from typing import NamedTuple, Self

from trunkpulse.sip.uri import SipUri

__all__ = ["Endpoint"]


class Endpoint(NamedTuple):
    """What tells one target from another (RFC 3261 19.1.4 would also compare parameters)."""

    transport: str
    host: str
    port: int
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
        return cls(uri.transport, uri.host, uri.effective_port, uri.user)
