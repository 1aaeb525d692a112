"""Advice on carriers of which only one side is watched: calls in, or calls out."""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice, named
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import Direction, Trunk

__all__ = ["on_carriers"]

_SIDES = (Direction.INBOUND, Direction.OUTBOUND)


def on_carriers(config: Config) -> Iterator[Advice]:
    """Once for each carrier with trunks both ways and keepalive on only one way."""
    of_carrier: dict[str, list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled and trunk.carrier is not None:
            of_carrier.setdefault(trunk.carrier, []).append(trunk)
    for carrier, trunks in of_carrier.items():
        if all(trunk.keepalive.enabled for trunk in trunks):
            continue
        sides = {
            side: [trunk for trunk in trunks if trunk.direction.serves(side)] for side in _SIDES
        }
        watched = {
            side: any(trunk.keepalive.enabled for trunk in those) for side, those in sides.items()
        }
        for side, other in (_SIDES, _SIDES[::-1]):
            if sides[other] and watched[side] and not watched[other]:
                yield Advice(
                    "keepalive_one_side",
                    "warning",
                    f"carrier {shown(carrier)}",
                    f"keepalive is on for the {side} trunks of the carrier and for none of its"
                    f" {other} ones, so an outage of that side goes unnoticed",
                    f"turn it on for {named('trunk', sides[other])} too",
                )
