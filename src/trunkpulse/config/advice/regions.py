"""Advice on regions: whether routes and trunks know the same ones."""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import did_you_mean, shown

__all__ = ["on_regions"]

_SHOWN_REGIONS = 10
"""Of each kind; a large file may have thousands."""


def on_regions(config: Config) -> Iterator[Advice]:
    """Regions of trunks that no route serves, and regions of routes that no trunk is in."""
    if not config.routes or not config.trunks:
        return
    own = config.instance.region
    trunks_in = dict.fromkeys(trunk.region or own for trunk in config.trunks if trunk.enabled)
    routed = dict.fromkeys(region for route in config.routes for region in route.regions)
    if all(route.regions for route in config.routes):
        unrouted = [region for region in dict.fromkeys((own, *trunks_in)) if region not in routed]
        for region in unrouted[:_SHOWN_REGIONS]:
            whose = "this instance is" if region == own else "trunks are"
            yield Advice(
                "region_unrouted",
                "warning",
                f"region {shown(region)}",
                f"{whose} in the region and every route names others, so its calls match no route",
                "name the region in a route, or make a route without regions",
            )
    for region in [each for each in routed if each not in trunks_in][:_SHOWN_REGIONS]:
        near = did_you_mean(region, trunks_in)
        hint = f" (did you mean {shown(near)}?)" if near else ""
        yield Advice(
            "region_without_trunk",
            "info",
            f"region {shown(region)}",
            f"routes name the region{hint}, and no trunk is in it, so its calls always leave"
            " through another one",
            "give the region a trunk, or correct its name",
        )
