"""Where events go: one module for each type of destination, and one line for it below."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import MappingProxyType

from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.apprise import AppriseSink
from trunkpulse.adapters.sinks.pagerduty import PagerDutySink
from trunkpulse.adapters.sinks.servicenow import ServiceNowSink
from trunkpulse.adapters.sinks.webhook import WebhookSink
from trunkpulse.model import EventStream
from trunkpulse.ports import DestinationInvalid, EventSink

__all__ = ["SINKS", "make_sink"]


def _broker(name: str) -> Callable[[EventStream, Outside], EventSink]:
    """The sink of a message broker, whose client comes with an extra of the same name."""

    def sink_of(stream: EventStream, outside: Outside) -> EventSink:
        try:
            module = importlib.import_module(f"trunkpulse.adapters.sinks.{name}")
        except ModuleNotFoundError as missing:
            if (missing.name or "").startswith("trunkpulse"):
                raise
            raise DestinationInvalid(
                f"The destination of event stream {stream.id!r} needs the package "
                f"{missing.name}, which is not installed; install trunkpulse[{name}]."
            ) from None
        sink: EventSink = module.sink_of(stream, outside)
        return sink

    return sink_of


SINKS: Mapping[str, Callable[[EventStream, Outside], EventSink]] = MappingProxyType(
    {
        "amqp": _broker("amqp"),
        "apprise": AppriseSink,
        "kafka": _broker("kafka"),
        "nats": _broker("nats"),
        "pagerduty": PagerDutySink,
        "redis": _broker("redis"),
        "servicenow": ServiceNowSink,
        "webhook": WebhookSink,
    }
)
"""What makes the sink of a stream, by the ``type`` of its destination."""


def make_sink(stream: EventStream, outside: Outside) -> EventSink:
    """The sink for the destination of ``stream``, not yet connected.

    It reaches its destination through ``outside`` and in no other way. Raises DestinationInvalid
    for a type that there is no sink for, and what the sink raises.
    """
    try:
        factory = SINKS[stream.destination.type]
    except KeyError:
        raise DestinationInvalid(
            f"The destination of event stream {stream.id!r} is of unknown type "
            f"{stream.destination.type!r}; use one of: {', '.join(sorted(SINKS))}."
        ) from None
    return factory(stream, outside)
