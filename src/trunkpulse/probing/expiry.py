"""Certificates of far sides that end soon: found before calls are lost to one that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

import structlog

from trunkpulse.ports import Certificate, Clock
from trunkpulse.probing.target import ProbeTarget

__all__ = ["WARNING_DAYS", "Expiry", "expiring", "watch_certificates"]

log = structlog.get_logger(__name__)

WARNING_DAYS: Final = 30
EVERY_SECONDS: Final = 600.0
TRUNKS_PER_TURN: Final = 500
_DAY_MS: Final = 24 * 3600 * 1000


class Probed(Protocol):
    """A trunk as it is probed."""

    @property
    def targets(self) -> Sequence[ProbeTarget]: ...


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


async def watch_certificates(trunks: Callable[[], Mapping[str, Probed]], clock: Clock) -> None:
    """Say once a day which certificates of far sides end soon; ``trunks`` are by id."""
    said: dict[tuple[str, int], int] = {}
    while True:
        await asyncio.sleep(EVERY_SECONDS)
        now_ms = int(clock.wall() * 1000)
        today = now_ms // _DAY_MS
        for number, (trunk_id, trunk) in enumerate(list(trunks().items())):
            if number % TRUNKS_PER_TURN == 0:
                await asyncio.sleep(0)  # probes must leave on time
            for target, certificate, days_left in expiring(trunk.targets, now_ms):
                key = (str(target.place), certificate.not_after_ms)
                if said.get(key) != today:
                    said[key] = today
                    log.warning(
                        "certificate.expiring",
                        trunk=trunk_id,
                        place=key[0],
                        days_left=days_left,
                        subject=certificate.subject,
                    )
        said = {key: day for key, day in said.items() if day == today}
