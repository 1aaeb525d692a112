"""Advice on private addresses that far sides are shown."""

from __future__ import annotations

import ipaddress
from typing import Final

from trunkpulse.config.advice.item import Advice
from trunkpulse.model import ProbeIdentity

__all__ = ["hides_behind_nat", "is_public", "nat_off"]

_BEHIND_NATS: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "10.0.0.0/8",  # RFC 1918
            "172.16.0.0/12",
            "192.168.0.0/16",
            "100.64.0.0/10",  # RFC 6598
            "169.254.0.0/16",  # RFC 3927
            "fc00::/7",  # RFC 4193
        ),
    )
)


def hides_behind_nat(identity: ProbeIdentity, source: str) -> bool:
    """True if probes that leave from ``source`` show it, and nobody outside can reach it."""
    if identity.enable_nat or identity.advertised_address or identity.contact_uri:
        return False
    address = ipaddress.ip_address(source)
    return any(address in network for network in _BEHIND_NATS)


def is_public(host: str) -> bool:
    """True for an address of the public Internet; False for a name."""
    try:
        return ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def nat_off(where: str, source: str) -> Advice:
    """The advice itself."""
    return Advice(
        "nat_off",
        "warning",
        where,
        f"probes leave from the private address {source} towards a public one, so Contact shows an"
        " address that the far side cannot reach",
        "set enable_nat to true, or advertised_address to the public address",
    )
