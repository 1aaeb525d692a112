"""What a valid configuration may still make its owner regret: each advice says why, and the fix.

Timing and thresholds are judged only where packets travel: a trunk whose targets are all on
loopback is a demonstration or a test, and may be probed as fast as one likes.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import EventStream, KeepalivePolicy, Route, Trunk
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.uri import SipUri

__all__ = ["Advice", "advise"]

_SHOWN_NAMES = 3
_SHOWN_ADDRESSES = 10
"""Of those that several trunks probe; a large file may have thousands."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing to reconsider."""

    code: str
    """The kind of advice, for machines."""
    severity: Literal["warning", "info"]
    where: str
    """The part of the configuration that it is about."""
    message: str
    """One sentence: why, and what to do."""


def advise(config: Config) -> list[Advice]:
    """What to reconsider, in the order of the file; empty if there is nothing."""
    return [
        *_on_secret_files(config.exposed_secret_files),
        *_on_keepalive(config),
        *_on_shared_addresses(config),
        *(advice for route in config.routes for advice in _on_route(route, config)),
        *_on_unrouted(config),
        *(advice for stream in config.event_streams for advice in _on_stream(stream)),
    ]


def _on_secret_files(files: Sequence[str]) -> Iterator[Advice]:
    for file in files:
        yield Advice(
            "secret_exposed",
            "warning",
            f"file {file}",
            f"the file {file} holds a secret, and its permissions let other users in; run"
            f" chmod 600 {file}.",
        )


def _on_keepalive(config: Config) -> Iterator[Advice]:
    """One advice per set of settings, however many trunks share it."""
    if not config.trunks:
        yield Advice(
            "no_trunks",
            "warning",
            "[[trunks]]",
            "no trunk is declared, so nothing is probed; add a [[trunks]] table with an id and"
            " targets.",
        )
    sharing: dict[KeepalivePolicy, list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled:
            sharing.setdefault(trunk.keepalive, []).append(trunk)
    for policy, trunks in sharing.items():
        where = "[keepalive]" if policy is config.keepalive else _named("trunk", trunks)
        if not policy.enabled:
            yield Advice(
                "keepalive_disabled",
                "warning",
                where,
                f"keepalive is disabled for {_named('trunk', trunks)}, so an outage goes unnoticed"
                " and calls are lost; set enabled to true unless the carrier forbids OPTIONS.",
            )
            continue
        if policy.timeout_seconds >= policy.interval_seconds:
            yield Advice(
                "timeout_not_below_interval",
                "warning",
                where,
                f"timeout_seconds ({policy.timeout_seconds:g}) is not below interval_seconds"
                f" ({policy.interval_seconds:g}), so an attempt may still wait when the next is"
                " due; make the timeout shorter.",
            )
        yield from _on_healthy_responses(policy, where)
        if any(_leaves_this_machine(trunk) for trunk in trunks):
            yield from _on_pace(policy, where)


def _on_healthy_responses(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    for response in policy.healthy_responses:
        if response in {"503", "5xx"}:
            yield Advice(
                "healthy_503",
                "warning",
                where,
                f"healthy_responses contains {shown(response)}, but 503 is how a peer says that it"
                " wants no calls; remove it.",
            )
        elif response in {"4xx", "6xx"}:
            yield Advice(
                "healthy_class",
                "info",
                where,
                f"healthy_responses contains {shown(response)}, so any such answer is a success,"
                " whatever went wrong; list the code, not the class.",
            )


def _on_pace(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    interval = f"interval_seconds is {policy.interval_seconds:g}"
    if policy.interval_seconds < 15:
        yield Advice(
            "interval_short",
            "warning",
            where,
            f"{interval}, and carriers limit or ban senders of more than one OPTIONS in 15 seconds;"
            " set 15 to 60.",
        )
    if policy.interval_seconds > 60:
        yield Advice(
            "interval_long",
            "warning",
            where,
            f"{interval}, so calls are lost for more than a minute before an outage is noticed;"
            " set 15 to 60.",
        )
    if policy.max_failed_attempts == 1:
        yield Advice(
            "single_failure",
            "warning",
            where,
            "max_failed_attempts is 1, so one unanswered attempt takes the trunk down and it"
            " flaps; set 2 or more.",
        )
    if policy.min_successful_attempts == 1:
        yield Advice(
            "single_success",
            "warning",
            where,
            "min_successful_attempts is 1, so one lucky answer brings calls back to a trunk that"
            " is still failing; set 2 or more.",
        )


def _on_shared_addresses(config: Config) -> Iterator[Advice]:
    """At most one advice per address, and one for all those that are too many to show."""
    probing: dict[tuple[str, int], list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled and trunk.keepalive.enabled:
            endpoints = map(Endpoint.of, trunk.targets)
            # In the order of the file, and once however many users a trunk probes there.
            for place in dict.fromkeys((each.host, each.port) for each in endpoints):
                probing.setdefault(place, []).append(trunk)
    shared = [
        (host_and_port(host, port), trunks)
        for (host, port), trunks in probing.items()
        if len(trunks) > 1 and not _is_loopback(host)
    ]
    for address, trunks in shared[:_SHOWN_ADDRESSES]:
        times = "twice" if len(trunks) == 2 else f"{len(trunks)} times"
        yield Advice(
            "address_shared",
            "info",
            _named("trunk", trunks),
            f"{len(trunks)} trunks probe {address}, so it gets {times} the OPTIONS; leave it to one"
            " of them unless each needs a state of its own.",
        )
    more = len(shared) - _SHOWN_ADDRESSES
    if more > 0:
        yield Advice(
            "address_shared",
            "info",
            "[[trunks]]",
            f"{more} more address{'es are' if more > 1 else ' is'} probed by several trunks each;"
            " leave each address to one trunk unless every trunk needs a state of its own.",
        )


def _on_route(route: Route, config: Config) -> Iterator[Advice]:
    where = f"route {shown(route.id)}"
    if len(route.trunks) == 1:
        yield Advice(
            "route_single_trunk",
            "warning",
            where,
            f"the route has only trunk {shown(route.trunks[0].id)}, so its calls have nowhere to go"
            " while that is down; add a second trunk.",
        )
        return
    members = {member.id for member in route.trunks}
    targets = {frozenset(trunk.targets) for trunk in config.trunks if trunk.id in members}
    if len(targets) == 1:
        yield Advice(
            "route_shared_targets",
            "warning",
            where,
            "all trunks of the route end at the same targets, so they fail together; add a trunk"
            " with targets of its own.",
        )


def _on_unrouted(config: Config) -> Iterator[Advice]:
    if not config.routes:
        # Whoever declares no routes watches trunks and routes elsewhere.
        return
    routed = {member.id for route in config.routes for member in route.trunks}
    unrouted = [trunk for trunk in config.trunks if trunk.enabled and trunk.id not in routed]
    if unrouted:
        name = _named("trunk", unrouted)
        are, them = ("is", "it") if len(unrouted) == 1 else ("are", "them")
        yield Advice(
            "trunk_unrouted",
            "info",
            name,
            f"{name} {are} in no route, so no call runs over {them}; add {them} to a route if one"
            " should.",
        )


def _on_stream(stream: EventStream) -> Iterator[Advice]:
    where = f"event stream {shown(stream.id)}"
    url = urlsplit(stream.destination.url)
    if _is_loopback(url.hostname or ""):
        return
    if url.scheme == "http":
        yield Advice(
            "webhook_plain_http",
            "warning",
            where,
            "its events travel over plain http, so anyone on the way can read and change them;"
            " use an https:// URL.",
        )
    if stream.destination.secret is None:
        yield Advice(
            "webhook_unsigned",
            "warning",
            where,
            "it has no secret, so the receiver cannot tell our events from forged ones; set secret"
            ' to "env:NAME" or "file:PATH".',
        )


def _leaves_this_machine(trunk: Trunk) -> bool:
    return not all(_is_loopback(SipUri.parse(target).host) for target in trunk.targets)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def _named(kind: str, trunks: Sequence[Trunk]) -> str:
    """``trunk "a"``, or ``trunks "a", "b", "c" and 9 more``."""
    names = ", ".join(shown(trunk.id) for trunk in trunks[:_SHOWN_NAMES])
    more = len(trunks) - _SHOWN_NAMES
    return (
        f"{kind}{'s' if len(trunks) > 1 else ''} {names}{f' and {more} more' if more > 0 else ''}"
    )
