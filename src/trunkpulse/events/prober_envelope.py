"""The event of a prober that suspects itself, as the outside world reads it, and back again.

It has the same top-level keys as the event of a trunk (``envelope``). The entity is the instance.
"""

from __future__ import annotations

import json
from typing import Any

from trunkpulse.events.envelope import InvalidEvent
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState

__all__ = ["decode_prober", "encode_prober", "event_type_of"]

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_prober(event: ProberEvent) -> str:
    """The JSON of ``event``: compact, moments in milliseconds since the epoch."""
    evidence = event.evidence
    return _encoder.encode(
        {
            "eventType": event.event_type,
            "timestamp": event.at_ms,
            "entityId": event.instance_id,
            "entityName": event.instance_id,
            "state": event.state,
            "previousState": event.previous_state,
            "reasonCode": event.reason,
            "metadata": {
                "eventId": event.event_id,
                "sequence": event.sequence,
                "instanceId": event.instance_id,
                "region": event.region,
                "evidence": {
                    "rule": evidence.rule,
                    "since": evidence.since_ms,
                    "problem": evidence.problem,
                    "interfaces": list(evidence.interfaces),
                    "silentCarriers": evidence.silent_carriers,
                    "askedCarriers": evidence.asked_carriers,
                    "failedAttempts": evidence.failed_attempts,
                    "answeredAttempts": evidence.answered_attempts,
                    "holdExpired": evidence.hold_expired,
                },
            },
        }
    )


def decode_prober(text: str) -> ProberEvent:
    """The event that ``encode_prober`` made ``text`` of; raises InvalidEvent for anything else."""
    try:
        return _event(json.loads(text))
    except KeyError as error:
        raise InvalidEvent(f"The event lacks the key {error}.") from error
    except TypeError as error:
        raise InvalidEvent("The event is not an object with objects inside.") from error
    except ValueError as error:
        raise InvalidEvent(f"The event is not one of a prober: {error}.") from error


def event_type_of(body: str) -> str:
    """The ``eventType`` of an event as it was encoded: its first value."""
    return body.split('"', 4)[3]


def _event(event: dict[str, Any]) -> ProberEvent:
    metadata = event["metadata"]
    evidence = metadata["evidence"]
    decoded = ProberEvent(
        event_id=metadata["eventId"],
        instance_id=event["entityId"],
        region=metadata["region"],
        sequence=metadata["sequence"],
        at_ms=event["timestamp"],
        state=ProberState(event["state"]),
        evidence=IsolationEvidence(
            rule=IsolationRule(evidence["rule"]),
            since_ms=evidence["since"],
            problem=evidence["problem"],
            interfaces=tuple(evidence["interfaces"]),
            silent_carriers=evidence["silentCarriers"],
            asked_carriers=evidence["askedCarriers"],
            failed_attempts=evidence["failedAttempts"],
            answered_attempts=evidence["answeredAttempts"],
            hold_expired=evidence["holdExpired"],
        ),
    )
    if event["eventType"] != decoded.event_type:
        raise ValueError(f"{event['eventType']!r} is not {decoded.event_type!r}")
    return decoded
