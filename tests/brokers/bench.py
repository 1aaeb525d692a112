"""What the tests of brokers share: a place at a broker, and what a receiver finds there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Protocol

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Delivery

__all__ = ["EVENT_TYPE", "Place", "Received", "a_delivery", "a_stream"]

EVENT_TYPE = "telephony.trunks.stateChange"


@dataclass(frozen=True)
class Received:
    """A message as its receiver reads it."""

    attributes: dict[str, str]
    """Of the CloudEvent, without the prefix that the transport has for them."""
    content_type: str
    body: str

    @property
    def id(self) -> str:
        return self.attributes["id"]


class Place(Protocol):
    """A queue, topic, subject or stream that nothing has been published to yet."""

    drops_repeats: bool
    """The broker itself recognizes the id of a message that it has."""

    def sink(self, outside: Outside, *, timeout_seconds: float = 10.0) -> BrokerSink:
        """A sink that leads there."""

    async def received(self, count: int) -> list[Received]:
        """The first ``count`` messages there, in the broker's order."""

    async def freeze(self) -> None:
        """The broker answers nobody any more, and holds what is sent to it."""

    async def thaw(self) -> None:
        """The broker goes on with all that was sent meanwhile."""

    async def kill(self) -> None:
        """The broker and all connections to it are gone."""

    async def restart(self) -> None:
        """It is there again, on the same port and with what it had stored."""


def a_stream(
    type_: str, url: str, secret: str | None = None, *, trusted: bool = True, **options: Any
) -> EventStream:
    return EventStream(
        id="queue",
        name="Queue",
        destination=Destination(type=type_, url=url, secret=secret, options=tuple(options.items())),
        managed_by="trunkpulse.toml" if trusted else None,
    )


def a_delivery(event_id: str = "evt_1", trunk: str = "carrier-a", padding: int = 0) -> Delivery:
    """``padding``: so many bytes are added to the event."""
    event = {
        "eventType": EVENT_TYPE,
        "timestamp": 1_678_902_451_230,
        "entityId": trunk,
        "entityName": "Köln " + "x" * padding,
        "metadata": {"eventId": event_id, "instanceId": "edge-1"},
    }
    return Delivery(
        id=1,
        stream_id="queue",
        trunk_id=trunk,
        event_id=event_id,
        position=1,
        body=json.dumps(event, ensure_ascii=False),
        attempts=0,
        created_ms=1_678_902_451_230,
    )
