"""Who may ask, and how often: for a bounded number of source addresses."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final

from trunkpulse.config.settings import IpNetwork

__all__ = ["AllowList", "Rates"]

_REMEMBERED_SOURCES: Final = 10_000
"""The least recently heard source is forgotten beyond these, and starts afresh if it returns."""


class AllowList:
    """The networks that may ask. What was found out of an address is remembered."""

    def __init__(self, networks: tuple[IpNetwork, ...] | None) -> None:
        """None: everybody may."""
        self._networks = networks
        self._known: dict[str, bool] = {}

    def has(self, host: str) -> bool:
        """True if ``host``, an address with or without its scope, may ask."""
        if self._networks is None:
            return True
        allowed = self._known.get(host)
        if allowed is None:
            address = ipaddress.ip_address(host.partition("%")[0])
            allowed = any(address in network for network in self._networks)
            if len(self._known) >= _REMEMBERED_SOURCES:
                self._known.clear()
            self._known[host] = allowed
        return allowed


class Rates:
    """A token bucket for each source address."""

    def __init__(self, per_second: float | None, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(max(1, burst))
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Host -> (tokens, moment they were counted), the least recently heard first."""

    def admit(self, host: str, now: float) -> bool:
        """Take a token of ``host``'s; False if it has none left."""
        if self._per_second is None:
            return True
        tokens, counted = self._buckets.pop(host, (self._burst, now))
        # Datagrams of one reading may have come in another order than they are told in.
        tokens = min(self._burst, tokens + max(0.0, now - counted) * self._per_second)
        admitted = tokens >= 1.0
        self._buckets[host] = (tokens - 1.0 if admitted else tokens, max(now, counted))
        if len(self._buckets) > _REMEMBERED_SOURCES:
            self._buckets.popitem(last=False)
        return admitted
