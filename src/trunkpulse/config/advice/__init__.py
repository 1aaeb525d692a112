"""What a valid configuration may still make its owner regret: each advice says why, and the fix."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from trunkpulse.config.advice.calls import (
    on_route,
    on_same_numbers,
    on_secret_files,
    on_taken,
    on_unrouted,
)
from trunkpulse.config.advice.caps import on_caps
from trunkpulse.config.advice.carriers import on_carriers
from trunkpulse.config.advice.isolation import on_isolation
from trunkpulse.config.advice.item import Advice
from trunkpulse.config.advice.labels import on_window
from trunkpulse.config.advice.numbers import on_short_numbers
from trunkpulse.config.advice.outbound import on_outbound
from trunkpulse.config.advice.pacing import on_keepalive, on_shared_addresses
from trunkpulse.config.advice.proxies import on_proxies
from trunkpulse.config.advice.regions import on_regions
from trunkpulse.config.advice.requests import on_certificates, on_requests
from trunkpulse.config.advice.sources import on_sources
from trunkpulse.config.advice.streams import on_stream
from trunkpulse.config.advice.switches import on_switches
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
        *on_carriers(config),
        *on_caps(config),
        *on_isolation(config),
        *on_outbound(config),
        *on_requests(config),
        *on_shared_addresses(config),
        *on_proxies(config),
        *_on_routes(config),
        *on_same_numbers(config.routes),
        *on_unrouted(config),
        *on_regions(config),
        *(advice for stream in config.event_streams for advice in on_stream(stream, config)),
        *(advice for window in config.maintenance for advice in on_window(window, config)),
        *on_switches(config),
    ]


def advise_on(trunk: Trunk, config: Config) -> Sequence[Advice]:
    """What to reconsider of one trunk, whatever the others say; ``config`` is what is in force.

    This machine is asked whether it has the address that its probes shall leave from.
    """
    alone = replace(config, trunks=(trunk,))
    return [*on_sources(alone), *on_keepalive(alone), *on_requests(alone)]


def advise_on_route(
    route: Route, trunks: Sequence[Trunk], before: Iterable[Route], *, country: str | None = None
) -> Sequence[Advice]:
    """What to reconsider of one route.

    ``trunks`` are those that it leads over, ``before`` the routes that come before it; numbers
    without a plus are dialled in ``country``.
    """
    return [
        *on_route(route, {trunk.id: trunk for trunk in trunks}),
        *on_short_numbers(route, country),
        *on_taken(route, before),
    ]


def _on_routes(config: Config) -> Iterator[Advice]:
    routed = {member.id for route in config.routes for member in route.trunks}
    trunks = {trunk.id: trunk for trunk in config.trunks if trunk.id in routed} if routed else {}
    for route in config.routes:
        yield from on_route(route, trunks)
        yield from on_short_numbers(route, config.routing.country)
