"""The event as the outside world reads it: one JSON text per state change, and back again.

The text is made once, when the change is recorded, and is delivered unchanged ever after, so
that every retry and every destination sees the same bytes. Its size is bounded: a detail is
cut at ``MAX_DETAIL_CHARACTERS`` and at most ``MAX_EVIDENCE_TARGETS`` targets are listed, those
that failed first, because they are the ground of the verdict.
"""

from __future__ import annotations

import json
from typing import Any

from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
)

__all__ = [
    "EVENT_TYPE",
    "MAX_DETAIL_CHARACTERS",
    "MAX_EVIDENCE_TARGETS",
    "InvalidEvent",
    "decode",
    "encode",
]

EVENT_TYPE = "telephony.trunks.stateChange"

MAX_EVIDENCE_TARGETS = 64
MAX_DETAIL_CHARACTERS = 200

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


class InvalidEvent(ValueError):
    """A text is not a state change as ``encode`` writes it; the message says what is wrong."""


def encode(change: StateChange) -> str:
    """The JSON of ``change``: compact, moments in milliseconds since the epoch.

    Round-trip times are rounded to a microsecond. A lone surrogate in a detail (system error
    texts may hold one) becomes a question mark, so that the text is always valid UTF-8.
    """
    return _encoder.encode(
        {
            "eventType": EVENT_TYPE,
            "timestamp": change.at_ms,
            "entityId": change.trunk_id,
            "entityName": change.trunk_name,
            "state": change.state,
            "previousState": change.previous_state,
            "reasonCode": change.reason,
            "metadata": {
                "failedAttempts": change.failed_attempts,
                "lastSuccessfulKeepalive": change.last_success_ms,
                "eventId": change.event_id,
                "sequence": change.sequence,
                "instanceId": change.instance_id,
                "region": change.region,
                "evidence": [_evidence_json(each) for each in _worth_telling(change.evidence)],
            },
        }
    )


def decode(text: str) -> StateChange:
    """The change that ``encode`` made ``text`` of; raises InvalidEvent for anything else."""
    try:
        event = json.loads(text)
    except ValueError as error:
        raise InvalidEvent(f"The event is not JSON: {error}.") from error
    try:
        return _change(event)
    except KeyError as error:
        raise InvalidEvent(f"The event lacks the key {error}.") from error
    except TypeError as error:
        raise InvalidEvent("The event is not an object with objects inside.") from error
    except ValueError as error:
        raise InvalidEvent(f"The event holds an unknown word: {error}.") from error


def _change(event: dict[str, Any]) -> StateChange:
    if event["eventType"] != EVENT_TYPE:
        raise ValueError(f"{event['eventType']!r} is not {EVENT_TYPE!r}")
    metadata = event["metadata"]
    return StateChange(
        event_id=metadata["eventId"],
        trunk_id=event["entityId"],
        trunk_name=event["entityName"],
        sequence=metadata["sequence"],
        at_ms=event["timestamp"],
        previous_state=TrunkState(event["previousState"]),
        state=TrunkState(event["state"]),
        reason=Reason(event["reasonCode"]),
        failed_attempts=metadata["failedAttempts"],
        last_success_ms=metadata["lastSuccessfulKeepalive"],
        instance_id=metadata["instanceId"],
        region=metadata["region"],
        evidence=tuple(_evidence(each) for each in metadata["evidence"]),
    )


def _worth_telling(evidence: tuple[AttemptEvidence, ...]) -> list[AttemptEvidence]:
    if len(evidence) <= MAX_EVIDENCE_TARGETS:
        return list(evidence)
    failed_first = sorted(evidence, key=lambda each: each.failure is None)
    return failed_first[:MAX_EVIDENCE_TARGETS]


def _evidence_json(each: AttemptEvidence) -> dict[str, str | int | float | None]:
    return {
        "target": each.target,
        "address": each.address,
        "state": each.state,
        "code": each.code,
        "failure": each.failure,
        "detail": None if each.detail is None else _bounded(each.detail),
        "rttMs": None if each.rtt_ms is None else round(each.rtt_ms, 3),
        "at": each.at_ms,
        "failedAttempts": each.failed_attempts,
        "lastSuccess": each.last_success_ms,
        "maintenanceUntil": each.maintenance_until_ms,
    }


def _evidence(each: dict[str, Any]) -> AttemptEvidence:
    failure = each["failure"]
    return AttemptEvidence(
        target=each["target"],
        address=each["address"],
        state=TargetState(each["state"]),
        code=each["code"],
        failure=None if failure is None else FailureKind(failure),
        detail=each["detail"],
        rtt_ms=each["rttMs"],
        at_ms=each["at"],
        failed_attempts=each["failedAttempts"],
        last_success_ms=each["lastSuccess"],
        maintenance_until_ms=each["maintenanceUntil"],
    )


def _bounded(detail: str) -> str:
    clean = detail.encode("utf-8", "replace").decode("utf-8")
    if len(clean) <= MAX_DETAIL_CHARACTERS:
        return clean
    return clean[: MAX_DETAIL_CHARACTERS - 1] + "…"
