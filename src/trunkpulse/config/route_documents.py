"""Routes as the documents of the API: in camelCase, with the keys and limits of the file."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict

from pydantic import ValidationError

from trunkpulse.config.json_documents import (
    MOST_FOUND,
    DocumentFindings,
    DocumentRefused,
    Json,
    Tables,
    check_sizes,
    check_taken_away,
    merged,
    raw_of,
)
from trunkpulse.config.loading import route_from
from trunkpulse.config.route_schema import RouteEntry, number_rule
from trunkpulse.config.wording import shown
from trunkpulse.model import Hours, Route
from trunkpulse.model.hours import name_of_minute, names_of_days

__all__ = ["changed_route", "new_route", "route_document"]

MOST_VALUES = {"numbers": 10_000, "regions": 1000, "trunks": 1000}
"""Of one route: each takes part in the making of the table that decides."""

_TABLES: Tables = {}


def new_route(document: Json, *, is_trunk: Callable[[str], bool]) -> Route:
    """The route that ``document`` describes; raises DocumentRefused."""
    return _route_of(merged({}, document), lambda trunk_id: not is_trunk(trunk_id))


def changed_route(route: Route, patch: Json, *, is_trunk: Callable[[str], bool]) -> Route:
    """``route`` as the JSON Merge Patch ``patch`` changes it; raises DocumentRefused.

    A trunk that it names already may be gone by now.
    """
    if patch.get("id", route.id) != route.id:
        raise DocumentRefused([("id", "id cannot be changed; make another route instead.")])
    check_taken_away(patch, RouteEntry)
    named = {part.id for part in route.trunks}
    return _route_of(
        merged(route_document(route), patch),
        lambda trunk_id: trunk_id not in named and not is_trunk(trunk_id),
    )


def route_document(route: Route) -> dict[str, object]:
    """All that is said of a route: what a patch is applied to, and what is kept of it."""
    return {
        "id": route.id,
        "direction": route.direction.value,
        "numbers": [str(each) for each in route.numbers],
        "regions": list(route.regions),
        "times": [_hours_document(each) for each in route.times],
        **({"timezone": route.timezone} if route.timezone else {}),
        "trunks": [asdict(part) for part in route.trunks],
        "whenNoneAvailable": route.when_none_available.value,
        "failbackRampSeconds": route.failback_ramp_seconds,
    }


def _hours_document(hours: Hours) -> dict[str, object]:
    return {
        "days": names_of_days(hours.days),
        "from": name_of_minute(hours.from_minute),
        "to": name_of_minute(hours.to_minute),
    }


def _route_of(document: Json, is_unknown: Callable[[str], bool]) -> Route:
    findings = DocumentFindings(document, RouteEntry)
    check_sizes(document, findings, MOST_VALUES)
    if findings.found:
        raise DocumentRefused(findings.found)
    raw = raw_of(document, _TABLES, findings)
    numbers = raw.get("numbers")
    if isinstance(numbers, list):
        raw["numbers"] = _up_to_what_is_told(numbers)
    if findings.found:
        raise DocumentRefused(findings.found)
    try:
        entry = RouteEntry.model_validate(raw)
    except ValidationError as error:
        findings.add_all(error)
        raise DocumentRefused(findings.found) from None
    seen: set[str] = set()
    for place, part in enumerate(entry.trunks):
        location = ("trunks", place, "id")
        if is_unknown(part.id):
            sentence = f"must be the id of a trunk, but there is no trunk {shown(part.id)}"
            findings.add(location, sentence)
        if part.id in seen:
            findings.add(location, f"must be listed once in a route, not {shown(part.id)} twice")
        seen.add(part.id)
    if findings.found:
        raise DocumentRefused(findings.found)
    route = route_from(entry, None)
    try:
        json.dumps(route_document(route), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        sentence = "The document holds half a surrogate pair, which is no text; correct it."
        raise DocumentRefused([("", sentence)]) from None
    return route


def _up_to_what_is_told(numbers: list[object]) -> list[object]:
    """``numbers``, without those that stand behind as many mistakes as are told of a document."""
    mistakes = 0
    for place, text in enumerate(numbers, start=1):
        try:
            number_rule(str(text))
        except ValueError:
            mistakes += 1
            if mistakes == MOST_FOUND:
                return numbers[:place]
    return numbers
