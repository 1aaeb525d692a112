"""Configurations for the simulated world."""

from __future__ import annotations

from trunkpulse.config.settings import Config, InstanceSettings
from trunkpulse.model import Destination, EventStream, Reason, Trunk


def trunk(number: int, **settings: object) -> Trunk:
    return Trunk(
        id=f"trunk-{number}",
        name=f"Trunk {number}",
        targets=(f"sip:192.0.2.{number}",),
        **settings,  # type: ignore[arg-type]
    )


def stream(stream_id: str, *reasons: str) -> EventStream:
    destination = Destination(type="webhook", url="http://127.0.0.1:9/")
    return EventStream(
        id=stream_id, name=stream_id, destination=destination, reason_codes=reasons or ("*",)
    )


def config(*trunks: Trunk) -> Config:
    return Config(
        instance=InstanceSettings(id="edge-1"),
        trunks=trunks,
        event_streams=(
            stream("audit"),
            stream("noc", Reason.KEEPALIVE_FAILURE, Reason.NETWORK_ERROR),
        ),
    )
