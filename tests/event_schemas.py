"""Holds an event against its schema in the catalogue, more strictly than a reader would."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from trunkpulse.events.catalogue import CATALOGUE
from trunkpulse.model import EventType


def check_event(text: str | bytes) -> dict[str, Any]:
    """Fail unless ``text`` is an event that the catalogue describes to its last key."""
    event = json.loads(text)
    event_type = EventType(event["eventType"])
    schema = CATALOGUE[event_type].schema
    problems = [
        f"{problem.json_path}: {problem.message}" for problem in problems_of(event_type, event)
    ]
    problems += [f"{path} is not described" for path in _undescribed(event, schema, "$")]
    assert not problems, problems
    assert isinstance(event, dict)
    return event


def problems_of(event_type: EventType, event: object) -> Iterator[Any]:
    """What a reader's validator says against ``event``."""
    found: Iterator[Any] = _validator(event_type).iter_errors(event)
    return found


@cache
def _validator(event_type: EventType) -> Any:
    return Draft202012Validator(CATALOGUE[event_type].schema)


def _undescribed(value: object, schema: Mapping[str, Any], path: str) -> Iterator[str]:
    """Keys that the schema lets pass only because a later version might have them."""
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for key, member in value.items():
            if key in known:
                yield from _undescribed(member, known[key], f"{path}.{key}")
            else:
                yield f"{path}.{key}"
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _undescribed(item, schema.get("items", {}), f"{path}[{place}]")
