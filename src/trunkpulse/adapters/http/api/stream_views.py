"""An event stream as it is shown: all that was said of it, without what is secret."""

from __future__ import annotations

from urllib.parse import urlsplit, urlunsplit

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from trunkpulse.adapters.http.api.models import Out
from trunkpulse.config.stream_documents import camel_case
from trunkpulse.events.delivery import DeliveryProgress
from trunkpulse.model import AlertSettings, Destination, EventStream
from trunkpulse.ports import StreamHealth

__all__ = ["StreamOut", "stream_out"]


class DestinationOut(Out):
    """Where a stream's events go, with the options of its type."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, frozen=True, extra="allow"
    )

    type: str
    url: str = Field(description="Without user, password and query.")
    has_secret: bool
    has_previous_secret: bool = Field(description="True while a secret is being replaced.")
    header_names: list[str] = Field(description="Of extra headers; their values may be secrets.")


class AlertsOut(Out):
    """How a stream that wakes people tells them."""

    group_by: list[str] = Field(description="Empty: each trunk has alerts of its own.")
    group_wait_seconds: float
    update_seconds: float
    flapping_changes: int
    flapping_seconds: float


class DeliveryOut(Out):
    """What a stream's delivery did since it was started or last changed."""

    delivered: int
    retried: int
    parked: int
    dead: int
    in_flight: int
    last_error: str | None


class TroubleOut(Out):
    """A destination that does nothing but fail."""

    failing_since: int = Field(description="Milliseconds since the epoch.")
    disabled_since: int | None = Field(
        description="When the stream was given up: its events wait until it is enabled again."
    )
    detail: str = Field(description="What the destination said.")


class StreamOut(Out):
    """A subscription: which events go to which destination. An empty filter takes everything."""

    id: str
    name: str
    enabled: bool
    paused: bool = Field(description="True: what it takes is kept for it and waits.")
    event_types: list[str]
    trunks: list[str]
    carriers: list[str]
    regions: list[str]
    directions: list[str]
    states: list[str]
    reason_codes: list[str]
    destination: DestinationOut
    alerts: AlertsOut | None = Field(description="Null: every event is a delivery of its own.")
    managed_by: str | None = Field(description="The file that declares it; read-only here then.")
    delivery: DeliveryOut | None = Field(description="Null while nothing is delivered to it.")
    trouble: TroubleOut | None = Field(description="Null while the destination takes events.")
    withheld: str | None = Field(
        description="Why nothing can be delivered since this start; what it takes waits."
    )


def stream_out(
    stream: EventStream,
    progress: DeliveryProgress | None,
    health: StreamHealth | None,
    withheld: str | None,
) -> StreamOut:
    """``stream``, what its delivery has done, and what is wrong with its destination."""
    return StreamOut(
        id=stream.id,
        name=stream.name,
        enabled=stream.enabled,
        paused=stream.paused,
        event_types=list(stream.event_types),
        trunks=list(stream.trunks),
        carriers=list(stream.carriers),
        regions=list(stream.regions),
        directions=list(stream.directions),
        states=list(stream.states),
        reason_codes=list(stream.reason_codes),
        destination=_destination_out(stream.destination),
        alerts=None if stream.alerts is None else _alerts_out(stream.alerts),
        managed_by=stream.managed_by,
        delivery=None
        if progress is None
        else DeliveryOut(
            delivered=progress.delivered,
            retried=progress.retried,
            parked=progress.parked,
            dead=progress.dead,
            in_flight=progress.in_flight,
            last_error=progress.last_error,
        ),
        trouble=None
        if health is None
        else TroubleOut(
            failing_since=health.failing_since_ms,
            disabled_since=health.disabled_ms,
            detail=health.detail,
        ),
        withheld=withheld,
    )


def _destination_out(destination: Destination) -> DestinationOut:
    return DestinationOut(
        type=destination.type,
        url=_without_credentials(destination.url),
        has_secret=destination.secret is not None,
        has_previous_secret=destination.previous_secret is not None,
        header_names=[name for name, _ in destination.headers],
        **{camel_case(name): value for name, value in destination.options},
    )


def _alerts_out(alerts: AlertSettings) -> AlertsOut:
    return AlertsOut(
        group_by=list(alerts.group_by),
        group_wait_seconds=alerts.group_wait_seconds,
        update_seconds=alerts.update_seconds,
        flapping_changes=alerts.flapping_changes,
        flapping_seconds=alerts.flapping_seconds,
    )


def _without_credentials(url: str) -> str:
    """``url`` without user, password and query, which is where tokens are put."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = "…" if parts.query else ""
    return urlunsplit((parts.scheme, host, parts.path, query, ""))
