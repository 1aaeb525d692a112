"""The event of a stream that was given up, as the outside world reads it.

It has the same top-level keys as the event of a trunk (``envelope``). The entity is the stream.
"""

from __future__ import annotations

import json

from trunkpulse.events.envelope import MAX_DETAIL_CHARACTERS
from trunkpulse.model import EventType, StreamDisabled, StreamState

__all__ = ["encode_disabled"]

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encode_disabled(event: StreamDisabled) -> str:
    """The JSON of ``event``: compact, moments in milliseconds since the epoch."""
    clean = event.detail.encode("utf-8", "replace").decode("utf-8")
    return _encoder.encode(
        {
            "eventType": EventType.STREAM_DISABLED,
            "timestamp": event.at_ms,
            "entityId": event.stream_id,
            "entityName": event.stream_name,
            "state": StreamState.DISABLED,
            "previousState": StreamState.ENABLED,
            "reasonCode": event.reason,
            "metadata": {
                "eventId": event.event_id,
                "sequence": event.sequence,
                "instanceId": event.instance_id,
                "region": event.region,
                "failingSince": event.failing_since_ms,
                "detail": clean[:MAX_DETAIL_CHARACTERS],
            },
        }
    )
