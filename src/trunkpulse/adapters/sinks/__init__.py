"""Where events go: one module for each type of destination, and one line for it below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from trunkpulse.adapters.sinks.webhook import WebhookSink
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid, EventSink

__all__ = ["SINKS", "make_sink"]

SINKS: Mapping[str, Callable[[EventStream], EventSink]] = MappingProxyType({"webhook": WebhookSink})
"""What makes the sink of a stream, by the ``type`` of its destination."""


def make_sink(stream: EventStream) -> EventSink:
    """The sink for the destination of ``stream``, not yet connected.

    Raises DestinationInvalid for a type that there is no sink for, and what the sink raises.
    """
    try:
        factory = SINKS[stream.destination.type]
    except KeyError:
        raise DestinationInvalid(
            f"The destination of event stream {stream.id!r} is of unknown type "
            f"{stream.destination.type!r}; use one of: {', '.join(sorted(SINKS))}."
        ) from None
    return factory(stream)
