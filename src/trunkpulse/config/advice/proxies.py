"""Advice on outbound proxies: whose state a trunk shows that is probed through one.

A route names trunks, never addresses, so a literal address that bypasses the state of a trunk can
stand in one place only: in ``outbound_proxy``. Probes go there instead of to the targets. If it is
a target of another trunk, both have the state of that; if several trunks share it, they fall
together. (A trunk without keepalives, the other fixed address, is for ``calls``.)

Calls that are redirected to such a trunk carry the proxy as a Route in their Contact, which not
everybody who follows redirects heeds.
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice, is_loopback, named
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.model import Trunk
from trunkpulse.sip.grammar import host_and_port

__all__ = ["on_proxies"]

_SHOWN_PROXIES = 10
"""Of each kind; a large file may have thousands."""

_Place = tuple[str, int | None]


def on_proxies(config: Config) -> Iterator[Advice]:
    """At most one advice of a kind per proxy, and one on redirects."""
    yield from _in_redirects(config)
    through: dict[_Place, list[Trunk]] = {}
    probed = [trunk for trunk in config.trunks if trunk.enabled and trunk.keepalive.enabled]
    for trunk in probed:
        if trunk.identity.outbound_proxy is not None:
            through.setdefault(_place(trunk.identity.outbound_proxy), []).append(trunk)
    if not through:
        return
    shared = [
        (place, trunks)
        for place, trunks in through.items()
        if len({frozenset(trunk.targets) for trunk in trunks}) > 1 and not is_loopback(place[0])
    ]
    for place, trunks in shared[:_SHOWN_PROXIES]:
        yield Advice(
            "proxy_shared",
            "info",
            named("trunk", trunks),
            f"{len(trunks)} trunks are probed through {host_and_port(*place)}, so their states fall"
            " together and tell of the carriers behind it only what it passes on",
            "take outbound_proxy out, or make sure that the proxy passes OPTIONS on to the targets",
        )
    owners = _owners(probed, through)
    taken = [(place, owners[place]) for place in through if place in owners]
    for place, owner in taken[:_SHOWN_PROXIES]:
        users = [trunk for trunk in through[place] if trunk is not owner]
        yield Advice(
            "proxy_is_trunk",
            "warning",
            named("trunk", users),
            f"probes go to {host_and_port(*place)}, which is a target of"
            f" {named('trunk', [owner])}, so the state is of that trunk, and calls pass by it",
            f"route over {named('trunk', [owner])}, or take outbound_proxy out",
        )


def _in_redirects(config: Config) -> Iterator[Advice]:
    if not config.sip.listen:
        return
    routed = {part.id for route in config.routes for part in route.trunks}
    through = [
        trunk
        for trunk in config.trunks
        if trunk.identity.outbound_proxy is not None and trunk.id in routed
    ]
    if through:
        yield Advice(
            "proxy_in_redirect",
            "info",
            named("trunk", through),
            "a call that is redirected there is told of outbound_proxy by a Route in the Contact,"
            " which was not tried with a real proxy",
            "make a call through each proxy that asks, and see that it goes by outbound_proxy",
        )


def _owners(probed: list[Trunk], through: dict[_Place, list[Trunk]]) -> dict[_Place, Trunk]:
    """By proxy, the first trunk that is probed there itself and is not all that is behind it."""
    owners: dict[_Place, Trunk] = {}
    for trunk in probed:
        if trunk.identity.outbound_proxy is not None:
            continue
        for target in trunk.targets:
            place = _place(target)
            if place in through:
                owners.setdefault(place, trunk)
    return owners


def _place(uri: str) -> _Place:
    endpoint = Endpoint.of(uri)
    return endpoint.host, endpoint.port
