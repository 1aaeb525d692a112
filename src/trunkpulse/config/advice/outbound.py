"""Advice on where events may go."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.settings import Config, IpNetwork
from trunkpulse.config.wording import shown

__all__ = ["on_outbound"]

_WIDEST_PREFIX: Final = {4: 8, 6: 16}
"""All of 10.0.0.0/8 may be one's own; what is wider never is."""


def on_outbound(config: Config) -> Iterator[Advice]:
    """Whoever may make event streams reaches what is allowed, with all that listens there."""
    for network in config.outbound.allow:
        if network.prefixlen < _WIDEST_PREFIX[network.version]:
            yield Advice(
                "allow_wide",
                "warning",
                "outbound.allow",
                f"allow has {shown(str(network))}, so whoever may make event streams reaches"
                f" nearly everything that this machine can{_itself(network)}",
                "write the networks that receivers are in, or their single addresses",
            )


def _itself(network: IpNetwork) -> str:
    loopback = ipaddress.ip_network("127.0.0.0/8" if network.version == 4 else "::1/128")
    holds_loopback = network.overlaps(loopback)
    return ", the machine itself included" if holds_loopback else ""
