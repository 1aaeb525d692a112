"""Certificates of far sides that end soon: found before calls are lost to one that has ended."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from trunkpulse.ports import Certificate
from trunkpulse.probing.target import ProbeTarget

__all__ = ["WARNING_DAYS", "Expiry", "expiring"]

WARNING_DAYS: Final = 30
_DAY_MS: Final = 24 * 3600 * 1000


class Expiry(NamedTuple):
    """One target's certificate that ends soon, or has ended."""

    target: ProbeTarget
    certificate: Certificate
    days_left: int
    """Negative once it has ended."""


def expiring(targets: Iterable[ProbeTarget], now_ms: int) -> Iterator[Expiry]:
    """Those of ``targets`` whose certificate has less than ``WARNING_DAYS`` left."""
    for target in targets:
        certificate = target.certificate
        if certificate is not None:
            days_left = (certificate.not_after_ms - now_ms) // _DAY_MS
            if days_left < WARNING_DAYS:
                yield Expiry(target, certificate, days_left)
