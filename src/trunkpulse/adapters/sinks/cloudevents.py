"""An event as CloudEvents 1.0 describes it, in the headers that a message queue has for it.

The event itself is the message, byte for byte as a webhook gets it ("binary mode"): a receiver that
knows nothing of CloudEvents loses nothing. Each transport writes the attributes in its own way;
what that is, the documents of CloudEvents call a protocol binding.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from trunkpulse.ports import Delivery

__all__ = ["CONTENT_TYPE", "CloudEvent", "cloud_event"]

CONTENT_TYPE: Final = "application/json"
SOURCE: Final = "/trunkpulse"


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """What a queue is given."""

    id: str
    """The same over retries."""
    source: str
    """``/trunkpulse/`` and the instance that recorded the event."""
    type: str
    subject: str
    """The trunk, or what else the event is of; what keeps an order is ordered by it."""
    time: str
    """RFC 3339, UTC."""
    data: bytes

    @property
    def attributes(self) -> dict[str, str]:
        """All but the content type, for which most transports have a place of their own."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": self.source,
            "type": self.type,
            "subject": self.subject,
            "time": self.time,
        }


def cloud_event(delivery: Delivery) -> CloudEvent:
    """The event of ``delivery``; raises ValueError and KeyError for what is none of ours."""
    event = json.loads(delivery.body)
    instance = event.get("metadata", {}).get("instanceId")
    moment = datetime.fromtimestamp(event["timestamp"] / 1000, UTC)
    return CloudEvent(
        id=delivery.event_id,
        source=f"{SOURCE}/{instance}" if instance else SOURCE,
        type=event["eventType"],
        subject=event["entityId"],
        time=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        data=delivery.body.encode(),
    )
