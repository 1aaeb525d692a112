"""What a valid configuration may still make its owner regret: each advice says why, and the fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from trunkpulse.config.advice.calls import (
    on_route,
    on_same_numbers,
    on_secret_files,
    on_unrouted,
)
from trunkpulse.config.advice.caps import on_caps
from trunkpulse.config.advice.isolation import on_isolation
from trunkpulse.config.advice.item import Advice
from trunkpulse.config.advice.labels import on_window
from trunkpulse.config.advice.outbound import on_outbound
from trunkpulse.config.advice.pacing import on_keepalive, on_shared_addresses
from trunkpulse.config.advice.requests import on_certificates, on_requests
from trunkpulse.config.advice.sources import on_sources
from trunkpulse.config.advice.streams import on_stream
from trunkpulse.config.settings import Config
from trunkpulse.model import Route, Trunk

__all__ = ["Advice", "advise", "advise_on", "advise_on_route"]


def advise(config: Config, now: datetime | None = None) -> list[Advice]:
    """What to reconsider, in the order of the file; empty if there is nothing.

    ``now`` is what expiry is measured from, None: this moment. Files of certificates are read, and
    this machine is asked whether it has the addresses that probes shall leave from.
    """
    return [
        *on_secret_files(config.exposed_secret_files),
        *on_certificates(config, now or datetime.now(UTC)),
        *on_sources(config),
        *on_keepalive(config),
        *on_caps(config),
        *on_isolation(config),
        *on_outbound(config),
        *on_requests(config),
        *on_shared_addresses(config),
        *(advice for route in config.routes for advice in on_route(route, config)),
        *on_same_numbers(config.routes),
        *on_unrouted(config),
        *(advice for stream in config.event_streams for advice in on_stream(stream, config)),
        *(advice for window in config.maintenance for advice in on_window(window, config)),
    ]


def advise_on(trunk: Trunk, config: Config) -> Sequence[Advice]:
    """What to reconsider of one trunk, whatever the others say; ``config`` is what is in force.

    This machine is asked whether it has the address that its probes shall leave from.
    """
    alone = replace(config, trunks=(trunk,))
    return [*on_sources(alone), *on_keepalive(alone), *on_requests(alone)]


def advise_on_route(route: Route, trunks: Sequence[Trunk], config: Config) -> Sequence[Advice]:
    """What to reconsider of one route; ``trunks`` are those that it leads over."""
    return list(on_route(route, replace(config, trunks=tuple(trunks))))
