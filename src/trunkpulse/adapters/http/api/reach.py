"""The trunks that whoever asks may see and change: all, or those of some regions or carriers.

To somebody who is limited a trunk beyond that is not there: it is in no list, asking for it by its
id is answered as if there were none, and what happened to it is in no log. A trunk that does not
say where it is has the region of this instance. What counts is where the trunk is now, and of its
past where it was then: an id that is free may be taken by anybody who may make trunks, so what
happened before a trunk was made was another one's, and what happened elsewhere stays there. Events
do not name the carrier, so of a trunk that has another one now only the region counts. The past of
a trunk that was deleted is for those who may see all.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.admission import Caller
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.model import MaintenanceWindow, Route, Trunk
from trunkpulse.ports import RecordedEvent
from trunkpulse.recorder import TrunkRecord

__all__ = ["InReach", "Reach"]


class Reach:
    """See the module's opening; made anew for each request."""

    def __init__(self, context: ApiContext, limits: Limits) -> None:
        self._context = context
        self.limits = limits or None
        """None: all trunks."""

    def covers(self, trunk: Trunk) -> bool:
        """True if the trunk is within."""
        region = trunk.region or self._context.region
        return self.limits is None or self.limits.cover(region, trunk.carrier)

    def has(self, trunk_id: str) -> bool:
        """True if there is a trunk of this id, and it is within."""
        record = self._context.roster.records().get(trunk_id)
        return record is not None and self.covers(record.trunk)

    def record(self, trunk_id: str) -> TrunkRecord:
        """The trunk of this id; raises a 404 Problem if there is none within."""
        record = self._context.roster.records().get(trunk_id)
        if record is None or not self.covers(record.trunk):
            raise Problem(HTTPStatus.NOT_FOUND, f"There is no trunk with the id {trunk_id[:256]}.")
        return record

    def begins_ms(self, trunk_id: str) -> int:
        """What happened to a trunk of this id from then on may be theirs."""
        if self.limits is None:
            return 0
        made = self._context.trunks.get(trunk_id)
        return 0 if made is None else made.created_ms

    def has_event(self, event: RecordedEvent) -> bool:
        """True if there is a trunk that the event is about, and it was within then and is now."""
        if self.limits is None:
            return True
        if not self.has(event.trunk_id) or event.at_ms < self.begins_ms(event.trunk_id):
            return False
        regions = self.limits.regions
        return regions is None or json.loads(event.body)["metadata"]["region"] in regions

    def takes_in(self, window: MaintenanceWindow) -> bool:
        """True if all trunks that the window can ever be about are within."""
        if self.limits is None:
            return True
        if window.trunks and all(map(self.has, window.trunks)):
            return True
        regions, carriers = self.limits.regions, self.limits.carriers
        return _among(window.regions, regions) and _among(window.carriers, carriers)

    def takes_in_route(self, route: Route) -> bool:
        """True if all trunks of the route are within."""
        return self.limits is None or all(self.has(each.id) for each in route.trunks)


def _among(names: tuple[str, ...], allowed: frozenset[str] | None) -> bool:
    """True if ``names``, which are all names if there is none, are ``allowed``."""
    return allowed is None or (bool(names) and allowed.issuperset(names))


async def _reach(context: Context, caller: Caller) -> Reach:
    return Reach(context, caller.limits)


InReach = Annotated[Reach, Depends(_reach)]
"""A parameter of an endpoint that keeps to the caller's limits."""
