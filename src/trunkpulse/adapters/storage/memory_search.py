"""What a database does with a few statements, for the store that has none."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from operator import attrgetter

from trunkpulse.ports import FoundEvents, RecordedEvent, WantedEvents

__all__ = ["searched"]

_position = attrgetter("position")


def searched(
    log: Sequence[RecordedEvent],
    wanted: WantedEvents,
    *,
    after: int | None,
    limit: int,
    looks: int,
    newest_first: bool,
) -> FoundEvents:
    """What ``EventLog.search`` finds in ``log``, which holds the events of the wanted trunk."""
    if newest_first:
        end = len(log) if after is None else bisect_left(log, after, key=_position)
        candidates = log[max(0, end - looks) : end][::-1]
        more = end > looks
    else:
        start = bisect_right(log, after or 0, key=_position)
        candidates = log[start : start + looks]
        more = len(log) > start + looks
    place = after or 0
    found: list[RecordedEvent] = []
    for event in candidates:
        if _is_wanted(event, wanted):
            if len(found) == limit:
                return FoundEvents(found, found[-1].position, more=True)
            found.append(event)
        place = event.position
    return FoundEvents(found, place, more)


def _is_wanted(event: RecordedEvent, wanted: WantedEvents) -> bool:
    body = json.loads(event.body)
    members = (
        (wanted.event_type, body["eventType"]),
        (wanted.state, body["state"]),
        (wanted.reason_code, body["reasonCode"]),
        (wanted.region, body["metadata"]["region"]),
    )
    return (
        all(word is None or word == said for word, said in members)
        and (wanted.from_ms is None or event.at_ms >= wanted.from_ms)
        and (wanted.to_ms is None or event.at_ms < wanted.to_ms)
    )
