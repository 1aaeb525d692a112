"""The plans for calls of one direction, by region, number and time.

A route that names regions is indexed once, with those that name just the same ones, however many
these are; one for every region is in an index of its own. So all of it is made when the routes
are, takes no more memory than they do, and no call waits for an index. A call asks the few that
concern its region and takes the closest match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trunkpulse.routing.number_table import Match
from trunkpulse.routing.plans import Plan, Served

__all__ = ["ServedByRegion"]


class ServedByRegion:
    """See the module's opening."""

    def __init__(self, plans: Sequence[Plan]) -> None:
        """Of plans that match equally well, one that names the region comes first, then order."""
        self._ranks = {plan.route.id: rank for rank, plan in enumerate(plans)}
        alike: dict[frozenset[str], list[Plan]] = {}
        for plan in plans:
            alike.setdefault(frozenset(plan.route.regions), []).append(plan)
        self._everywhere = Served(alike.pop(frozenset(), []))
        self._naming: dict[str, list[Served]] = {}
        for regions, some in alike.items():
            served = Served(some)
            for region in regions:
                self._naming.setdefault(region, []).append(served)
        self._anywhere = Served(plans) if alike else self._everywhere

    def closest(self, number: str, region: str) -> Match[Plan] | None:
        """The plan that describes ``number`` most closely, at whatever time."""
        everywhere = self._everywhere.closest(number)
        naming = self._naming.get(region)
        if naming is None:
            return everywhere
        return self._closest_of((*(each.closest(number) for each in naming), everywhere))

    def closest_open(self, number: str, region: str, now_ms: int) -> Match[Plan] | None:
        """The one among those that take calls now."""
        everywhere = self._everywhere.closest_open(number, now_ms)
        naming = self._naming.get(region)
        if naming is None:
            return everywhere
        found = (each.closest_open(number, now_ms) for each in naming)
        return self._closest_of((*found, everywhere))

    def has_anywhere(self, number: str) -> bool:
        """Whether a route of some region takes ``number``."""
        return self._anywhere.closest(number) is not None

    def has_longer_anywhere(self, beginning: str) -> bool:
        """Whether a route of some region has numbers that begin so and are longer."""
        return self._anywhere.has_longer(beginning)

    def _closest_of(self, matches: Iterable[Match[Plan] | None]) -> Match[Plan] | None:
        found = (match for match in matches if match is not None)
        return min(found, key=self._remoteness, default=None)

    def _remoteness(self, match: Match[Plan]) -> tuple[int, int, bool, int]:
        route = match.value.route
        return -match.length, match.width, not route.regions, self._ranks[route.id]
