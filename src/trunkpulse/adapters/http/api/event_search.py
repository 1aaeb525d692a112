"""What a reader asks of the event log: its filters as query parameters, and the search itself.

Whether a list is read or the live feed, the same filters take the same events. A request looks at
``LOOKS`` events at most, whatever it asks for, and says how far it came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, Query

from trunkpulse.adapters.http.api.context import ApiContext, Context, Streams
from trunkpulse.adapters.http.api.paging import Catalogue
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.wording import enumerated
from trunkpulse.events.catalogue import REASON_CODES, STATES
from trunkpulse.model import EventStream, EventType
from trunkpulse.ports import EventLog, FoundEvents, RecordedEvent, WantedEvents

__all__ = ["LOOKS", "EventSearch", "Search", "search_of_trunk"]

LOOKS = 10_000
"""Events that one request looks at, at most."""
LOOKS_AT_ONCE = 1_000
"""The same of one step, where each event is looked at on the event loop."""

Taking = Callable[[RecordedEvent], bool]


class EventSearch:
    """The log as one request sees it."""

    def __init__(self, log: EventLog, wanted: WantedEvents, takes: Taking | None = None) -> None:
        """``takes`` tells of an event what the log itself does not know."""
        self._log = log
        self._wanted = wanted
        self._takes = takes

    def of_time(self, from_ms: int | None, to_ms: int | None) -> EventSearch:
        """The same for what happened at ``from_ms`` or later, and before ``to_ms``."""
        wanted = replace(self._wanted, from_ms=from_ms, to_ms=to_ms)
        return EventSearch(self._log, wanted, self._takes)

    async def page(
        self, place: int | None, limit: int, *, newest_first: bool = False
    ) -> FoundEvents:
        """At most ``limit`` events behind ``place``; None begins at the end it comes from."""
        if self._takes is None:
            return await self._log.search(
                self._wanted, after=place, limit=limit, looks=LOOKS, newest_first=newest_first
            )
        kept: list[RecordedEvent] = []
        for _ in range(LOOKS // LOOKS_AT_ONCE):
            found = await self._log.search(
                self._wanted,
                after=place,
                limit=LOOKS_AT_ONCE,
                looks=LOOKS_AT_ONCE,
                newest_first=newest_first,
            )
            for event in found.events:
                if self._takes(event):
                    if len(kept) == limit:
                        return FoundEvents(kept, kept[-1].position, more=True)
                    kept.append(event)
            place = found.place
            if not found.more:
                return FoundEvents(kept, place, more=False)
        return FoundEvents(kept, place or 0, more=True)


OneOfStates = Annotated[
    str | None,
    Query(
        max_length=64,
        description="That the change leads to.",
        json_schema_extra={"enum": list(STATES)},
    ),
]
OneOfReasons = Annotated[
    str | None,
    Query(
        alias="reasonCode",
        max_length=64,
        description="Why it changed.",
        json_schema_extra={"enum": list(REASON_CODES)},
    ),
]


async def _search(
    context: Context,
    streams: Streams,
    reach: InReach,
    *,
    trunk_id: Annotated[
        str | None,
        Query(
            alias="trunkId",
            max_length=256,
            description="A trunk's id, or prober: with an instance's, or stream: with a stream's.",
        ),
    ] = None,
    event_type: Annotated[EventType | None, Query(alias="eventType")] = None,
    carrier: Annotated[
        str | None, Query(max_length=256, description="Of trunks that have this carrier now.")
    ] = None,
    region: Annotated[
        str | None, Query(max_length=256, description="The region that the event names.")
    ] = None,
    state: OneOfStates = None,
    reason_code: OneOfReasons = None,
) -> EventSearch:
    """The search that a request describes; raises a Problem about a filter that finds nothing."""
    _check_word("query.state", state, STATES)
    _check_word("query.reasonCode", reason_code, REASON_CODES)
    if trunk_id is not None:
        await _check_known(context, streams, reach, trunk_id)
    wanted = WantedEvents(
        trunk_id=trunk_id,
        event_type=event_type,
        state=state,
        reason_code=reason_code,
        region=region,
    )
    return EventSearch(context.events, wanted, _taking(context, reach, carrier))


def search_of_trunk(context: ApiContext, reach: Reach, trunk_id: str) -> EventSearch:
    """The events of one trunk, as far as they are within reach."""
    wanted = WantedEvents(trunk_id=trunk_id)
    return EventSearch(context.events, wanted, _taking(context, reach, None))


Search = Annotated[EventSearch, Depends(_search)]
"""A parameter of an endpoint that takes the filters."""


def _check_word(field: str, word: str | None, words: Sequence[str]) -> None:
    """A word that no event has must not look like a quiet log."""
    if word is not None and word not in words:
        quoted = [f"'{each}'" for each in words]
        raise invalid(field, f"{field} must be {enumerated(quoted, 'or')}.")


async def _check_known(
    context: ApiContext, streams: Catalogue[EventStream], reach: Reach, trunk_id: str
) -> None:
    """A misspelt id must not look like a quiet trunk; events outlive their trunk, though."""
    if reach.limits is not None:
        reach.record(trunk_id)
        return
    if trunk_id in context.roster.records() or trunk_id == f"prober:{context.instance_id}":
        return
    kind, _, name = trunk_id.partition(":")
    if kind == "stream" and streams.get(name) is not None:
        return
    if trunk_id == context.instance_id:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"{trunk_id} is this instance, which is no trunk; its own events have the id"
            f" prober:{trunk_id}.",
        )
    if not await context.events.latest(limit=1, trunk_id=trunk_id):
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"There is no trunk with the id {trunk_id}, and there are no events of one.",
        )


def _taking(context: ApiContext, reach: Reach, carrier: str | None) -> Taking | None:
    """Tells of an event whether it is asked for and within reach; None: all are."""
    if carrier is None:
        return None if reach.limits is None else reach.has_event

    # Events do not name the carrier, which is a label that may be given anew at any time.
    def takes(event: RecordedEvent) -> bool:
        record = context.roster.records().get(event.trunk_id)
        return record is not None and record.trunk.carrier == carrier and reach.has_event(event)

    return takes
