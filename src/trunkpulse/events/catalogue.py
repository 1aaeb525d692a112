"""Every type of event as a JSON Schema (2020-12): what a program may rely on.

The schemas are written by hand beside the encoders and take every list of words from the model, so
that a new word cannot be forgotten. Readers hold on to one version while events go on to grow, so a
schema is strict about what is there and silent about what may come: see ``RULES``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from trunkpulse.events.envelope import MAX_DETAIL_CHARACTERS, MAX_EVIDENCE_TARGETS
from trunkpulse.model import (
    EventType,
    FailureKind,
    IsolationRule,
    ProberReason,
    ProberState,
    Reason,
    StreamReason,
    StreamState,
    TargetState,
    TrunkState,
)

__all__ = ["CATALOGUE", "DIALECT", "REASON_CODES", "RULES", "STATES", "EventSchema"]

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

RULES: Final = (
    "The keys at the top never change. Within version 1 a key may be added to metadata or to what"
    " is in it, and a word to a list of words; nothing is renamed, removed or given another"
    " meaning. Ignore the keys that you do not know, and take a word that you do not know for"
    ' "other". The second number of x-version grows with each addition. A change that breaks this'
    " would be a new event type, and the old one would go on beside it."
)
"""What readers can build on, in a few sentences."""

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventSchema:
    """One type of event."""

    event_type: EventType
    title: str
    description: str
    """When it is sent, for a person."""
    version: str
    schema: Mapping[str, Any]


# --- values ----------------------------------------------------------------------------------


def _one_of(words: Iterable[StrEnum], description: str) -> Schema:
    return {"type": "string", "enum": [str(word) for word in words], "description": description}


def _text(description: str, **limits: int) -> Schema:
    return {"type": "string", "description": description, **limits}


def _count(description: str, minimum: int = 0) -> Schema:
    return {"type": "integer", "minimum": minimum, "description": description}


def _moment(description: str) -> Schema:
    return _count(f"{description}; milliseconds since the epoch.")


def _or_null(schema: Schema) -> Schema:
    allowed: Schema = {**schema, "type": [schema["type"], "null"]}
    if "enum" in schema:
        allowed["enum"] = [*schema["enum"], None]
    return allowed


def _object(description: str, properties: Schema, *, optional: tuple[str, ...] = ()) -> Schema:
    """All but the ``optional`` are there; others may come with a later version."""
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


# --- what every event has --------------------------------------------------------------------


def _event(
    event_type: EventType,
    title: str,
    description: str,
    *,
    entity: str,
    states: tuple[Iterable[StrEnum], Iterable[StrEnum]],
    reasons: Iterable[StrEnum],
    metadata: Schema,
    version: str = "1.0",
) -> EventSchema:
    """``states`` are those that it may lead to, and those that it may come from."""
    properties = {
        "eventType": {"const": str(event_type), "description": "Which type of event this is."},
        "timestamp": _moment("When it was decided"),
        "entityId": _text(f"The id of {entity}.", minLength=1),
        "entityName": _text(f"The name of {entity}."),
        "state": _one_of(states[0], "What it is now."),
        "previousState": _one_of(states[1], "What it was before."),
        "reasonCode": _one_of(reasons, "Why it changed."),
        "metadata": metadata,
    }
    schema = {
        "$schema": DIALECT,
        "$id": f"urn:trunkpulse:event:{event_type}:{version.partition('.')[0]}",
        "x-version": version,
        "title": title,
        **_object(description, properties),
        "additionalProperties": False,
    }
    return EventSchema(
        event_type=event_type, title=title, description=description, version=version, schema=schema
    )


def _origin(region: str, counted: str) -> Schema:
    return {
        "eventId": _text(
            "Unique; the same over all deliveries and retries, and the webhook-id.", minLength=1
        ),
        "sequence": _count(f"Counts {counted} from 1 without gaps.", minimum=1),
        "instanceId": _text("The instance that decided it."),
        "region": _text(f"The region of {region}."),
    }


# --- a trunk ---------------------------------------------------------------------------------

_TARGET = _object(
    "What the last attempt at one target showed.",
    {
        "target": _text("Its URI as configured."),
        "address": _or_null(
            _text("Where it was probed, as udp:192.0.2.1:5060; null while its name is not found.")
        ),
        "state": _one_of(TargetState, "What the target is now."),
        "code": _or_null(
            {
                "type": "integer",
                "minimum": 100,
                "maximum": 999,
                "description": "The status code that came over the wire; null if none did.",
            }
        ),
        "failure": _or_null(_one_of(FailureKind, "How it failed; null after a success.")),
        "detail": _or_null(_text("The same for a person.", maxLength=MAX_DETAIL_CHARACTERS)),
        "rttMs": _or_null(
            {"type": "number", "minimum": 0, "description": "Its round trip in milliseconds."}
        ),
        "at": _or_null(_moment("When the attempt ended; null before the first")),
        "failedAttempts": _count("Consecutive failures."),
        "lastSuccess": _or_null(_moment("Its latest good answer; null if there was none")),
        "maintenanceUntil": _or_null(_moment("Until when it asked to be left alone; null: not")),
    },
)

_STATE_CHANGE = _event(
    EventType.STATE_CHANGE,
    "A trunk changed its state",
    "A trunk left one state for another.",
    entity="the trunk",
    states=(TrunkState, TrunkState),
    reasons=Reason,
    metadata=_object(
        "Who saw it and on what grounds.",
        {
            "failedAttempts": _count(
                "Consecutive failures of the target that brought it about; 0 for a recovery and"
                " for what an administrator did."
            ),
            "lastSuccessfulKeepalive": _or_null(
                _moment("The latest good answer of its targets; null if there was none")
            ),
            **_origin("the trunk", "the trunk's changes"),
            "evidence": {
                "type": "array",
                "maxItems": MAX_EVIDENCE_TARGETS,
                "description": "What the last attempt at each target showed.",
                "items": _TARGET,
            },
            "test": {
                "const": True,
                "description": "Only in a test event, which is of a trunk that does not exist.",
            },
        },
        optional=("test",),
    ),
)

# --- the prober of an instance ---------------------------------------------------------------

_ISOLATION = _object(
    "What the suspicion rests on.",
    {
        "rule": _one_of(IsolationRule, "What raised it."),
        "since": _moment("When the states of trunks began to be held"),
        "problem": _text("One phrase for a person."),
        "interfaces": {
            "type": "array",
            "items": {"type": "string"},
            "description": "Network interfaces that are down.",
        },
        "silentCarriers": _count("Carriers that gave no answer when they were last asked."),
        "askedCarriers": _count("Carriers that were asked."),
        "failedAttempts": _count("Attempts without an answer while it was checked."),
        "answeredAttempts": _count("Attempts with an answer meanwhile."),
        "holdExpired": {
            "type": "boolean",
            "description": "True if states are decided as seen, because they were held so long.",
        },
    },
)


def _prober_event(
    event_type: EventType,
    title: str,
    description: str,
    states: tuple[ProberState, ProberState],
    reason: ProberReason,
) -> EventSchema:
    return _event(
        event_type,
        title,
        description,
        entity="the instance",
        states=((states[0],), (states[1],)),
        reasons=(reason,),
        metadata=_object(
            "Which instance, and on what grounds.",
            {**_origin("the instance", "the instance's events"), "evidence": _ISOLATION},
        ),
    )


_ISOLATED = _prober_event(
    EventType.PROBER_ISOLATED,
    "An instance suspects itself",
    "So much failed at once that it must be the instance: the states of trunks are held.",
    (ProberState.ISOLATED, ProberState.CONNECTED),
    ProberReason.PROBER_ISOLATED,
)
_RESTORED = _prober_event(
    EventType.PROBER_RESTORED,
    "An instance trusts itself again",
    "The states of trunks follow their probes again.",
    (ProberState.CONNECTED, ProberState.ISOLATED),
    ProberReason.PROBER_RESTORED,
)

# --- a stream --------------------------------------------------------------------------------

_DISABLED = _event(
    EventType.STREAM_DISABLED,
    "A stream was given up",
    "The destination of a stream failed for days or said that it is none any more: nothing is"
    " sent to it until the stream is enabled again.",
    entity="the stream",
    states=((StreamState.DISABLED,), (StreamState.ENABLED,)),
    reasons=StreamReason,
    metadata=_object(
        "Since when and why.",
        {
            **_origin("the instance", "the stream's events"),
            "failingSince": _moment("When the first of the failures was"),
            "detail": _text(
                "What the destination said last, for a person.", maxLength=MAX_DETAIL_CHARACTERS
            ),
        },
    ),
)

CATALOGUE: Final[Mapping[EventType, EventSchema]] = {
    each.event_type: each for each in (_STATE_CHANGE, _ISOLATED, _RESTORED, _DISABLED)
}
"""Every type, by its name."""


def _words(key: str) -> tuple[str, ...]:
    of_types = (each.schema["properties"][key]["enum"] for each in CATALOGUE.values())
    return tuple(dict.fromkeys(word for words in of_types for word in words))


STATES: Final = _words("state")
"""Every state that an event may lead to."""
REASON_CODES: Final = _words("reasonCode")
"""Every reason that an event may have."""
