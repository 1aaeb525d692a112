"""Checks an event log that outlived its process, against everything that anybody was told."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from http_receiver import Request

Event = dict[str, Any]


def by_trunk(events: Iterable[Event]) -> dict[str, list[Event]]:
    sorted_out: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        sorted_out[event["entityId"]].append(event)
    return dict(sorted_out)


def check_history(log: Sequence[Event]) -> None:
    """Each trunk's events count from 1 and each takes on where the one before left off."""
    ids = [event["metadata"]["eventId"] for event in log]
    assert len(set(ids)) == len(ids)
    for trunk_id, events in by_trunk(log).items():
        numbers = [event["metadata"]["sequence"] for event in events]
        assert numbers == list(range(1, len(events) + 1)), trunk_id
        before = "UNKNOWN"
        for event in events:
            assert event["previousState"] == before, event
            assert event["state"] != before, event
            before = event["state"]


def check_states(log: Sequence[Event], recorded: Iterable[tuple[str, str, int]]) -> None:
    """``recorded`` states (trunk, state, sequence) are those of the last events."""
    last = {trunk_id: events[-1] for trunk_id, events in by_trunk(log).items()}
    for trunk_id, state, sequence in recorded:
        event = last.get(trunk_id)
        if event is None:
            assert (state, sequence) == ("UNKNOWN", 0)
        else:
            assert (state, sequence) == (event["state"], event["metadata"]["sequence"])


def check_deliveries(
    log: Sequence[str], requests: Sequence[Request], expected: Sequence[Event]
) -> None:
    """``requests`` brought just the ``expected`` events, in order by trunk.

    Every repeat has the id and the body of the first, and that is what the ``log`` holds.
    """
    bodies = {json.loads(body)["metadata"]["eventId"]: body for body in log}
    first: dict[str, Event] = {}
    for request in requests:
        event_id = request.headers["webhook-id"]
        assert request.body.decode() == bodies[event_id]
        first.setdefault(event_id, json.loads(request.body))
    arrived = by_trunk(first.values())
    assert {key: _ids(events) for key, events in arrived.items()} == {
        key: _ids(events) for key, events in by_trunk(expected).items()
    }


def _ids(events: Iterable[Event]) -> list[str]:
    return [event["metadata"]["eventId"] for event in events]
