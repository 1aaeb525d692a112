"""Advice on timing, thresholds and what counts as healthy.

What carriers limit is judged only where packets travel: a trunk whose targets are all on loopback
may be probed as often as one likes.
"""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice, is_loopback, leaves_this_machine, named
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.sip.grammar import host_and_port

__all__ = ["detection_seconds", "on_keepalive", "on_shared_addresses"]

_SHOWN_ADDRESSES = 10
"""Of those that several trunks probe; a large file may have thousands."""
_A_MINUTE = 60.0
_SHORTEST_INTERVAL = 15.0
"""What carriers bear."""


def detection_seconds(policy: KeepalivePolicy) -> float:
    """How long it takes at most, but for the jitter, until an outage is noticed and confirmed."""
    return max(policy.interval_seconds, policy.minimum_interval_seconds) + _confirming(policy)


def _confirming(policy: KeepalivePolicy) -> float:
    """What of that comes after the first attempt that fails has begun."""
    apart = max(
        policy.confirm_interval_seconds, policy.timeout_seconds, policy.minimum_interval_seconds
    )
    return apart * (policy.max_failed_attempts - 1) + policy.timeout_seconds


def on_keepalive(config: Config) -> Iterator[Advice]:
    """One advice per set of settings, however many trunks share it."""
    if not config.trunks:
        yield Advice(
            "no_trunks",
            "warning",
            "[[trunks]]",
            "no trunk is declared, so nothing is probed",
            "add a [[trunks]] table with an id and targets",
        )
    sharing: dict[KeepalivePolicy, list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled:
            sharing.setdefault(trunk.keepalive, []).append(trunk)
    for policy, trunks in sharing.items():
        names = named("trunk", trunks)
        where = "[keepalive]" if policy is config.keepalive else names
        if not policy.enabled:
            yield Advice(
                "keepalive_disabled",
                "warning",
                where,
                f"keepalive is disabled{'' if where is names else f' for {names}'}, so an outage"
                " goes unnoticed and calls are lost",
                "set enabled to true unless the carrier forbids OPTIONS",
            )
            continue
        if policy.timeout_seconds >= policy.interval_seconds:
            yield Advice(
                "timeout_not_below_interval",
                "warning",
                where,
                f"timeout_seconds ({policy.timeout_seconds:g}) is not below interval_seconds"
                f" ({policy.interval_seconds:g}), so an attempt may still wait when the next is"
                " due",
                "make the timeout shorter",
            )
        yield from _on_healthy_responses(policy, where)
        if any(leaves_this_machine(trunk) for trunk in trunks):
            yield from _on_rate(policy, where)
        yield from _on_detection(policy, where)


def _on_healthy_responses(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    for response in policy.healthy_responses:
        if response in {"503", "5xx"}:
            yield Advice(
                "healthy_503",
                "warning",
                where,
                f"healthy_responses contains {shown(response)}, but 503 is how a peer says that it"
                " wants no calls",
                "remove it",
            )
        elif response in {"4xx", "6xx"}:
            yield Advice(
                "healthy_class",
                "info",
                where,
                f"healthy_responses contains {shown(response)}, so any such answer is a success,"
                " whatever went wrong",
                "list the code, not the class",
            )


def _on_rate(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    if policy.interval_seconds < 15:
        yield Advice(
            "interval_short",
            "warning",
            where,
            f"interval_seconds is {policy.interval_seconds:g}, and carriers limit or ban senders"
            " of more than one OPTIONS in 15 seconds",
            "set 15 to 60",
        )


def _on_detection(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    if policy.interval_seconds > 60:
        yield Advice(
            "interval_long",
            "warning",
            where,
            f"interval_seconds is {policy.interval_seconds:g}, so calls are lost for more than a"
            " minute before an outage is noticed",
            "set 15 to 60",
        )
    elif detection_seconds(policy) > _A_MINUTE:
        yield from _on_slow_detection(policy, where)
    if policy.max_failed_attempts == 1:
        yield Advice(
            "single_failure",
            "warning",
            where,
            "max_failed_attempts is 1, so one unanswered attempt takes the trunk down and it flaps",
            "set 2 or more",
        )
    if policy.min_successful_attempts == 1:
        yield Advice(
            "single_success",
            "warning",
            where,
            "min_successful_attempts is 1, so one lucky answer brings calls back to a trunk that"
            " is still failing",
            "set 2 or more",
        )


def _on_slow_detection(policy: KeepalivePolicy, where: str) -> Iterator[Advice]:
    least = policy.minimum_interval_seconds
    if least * policy.max_failed_attempts + policy.timeout_seconds > _A_MINUTE:
        return  # the carrier wants it so, says the profile
    room = int(_A_MINUTE - _confirming(policy))
    yield Advice(
        "detection_slow",
        "info",
        where,
        f"it may take {detection_seconds(policy):g} s until an outage is noticed and confirmed, so"
        " calls are lost for more than a minute",
        f"set interval_seconds to {room} or less"
        if room >= max(_SHORTEST_INTERVAL, least)
        else "lower confirm_interval_seconds, timeout_seconds or max_failed_attempts",
    )


def on_shared_addresses(config: Config) -> Iterator[Advice]:
    """At most one advice per address, and one for all those that are too many to show."""
    probing: dict[tuple[str, int | None], list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled and trunk.keepalive.enabled:
            endpoints = map(Endpoint.of, trunk.targets)
            # In the order of the file, and once however many users a trunk probes there.
            for place in dict.fromkeys((each.host, each.port) for each in endpoints):
                probing.setdefault(place, []).append(trunk)
    shared = [
        (host_and_port(host, port), trunks)
        for (host, port), trunks in probing.items()
        if len(trunks) > 1 and not is_loopback(host)
    ]
    for address, trunks in shared[:_SHOWN_ADDRESSES]:
        times = "twice" if len(trunks) == 2 else f"{len(trunks)} times"
        yield Advice(
            "address_shared",
            "info",
            named("trunk", trunks),
            f"{len(trunks)} trunks probe {address}, so it gets {times} the OPTIONS",
            "leave it to one of them unless each needs a state of its own",
        )
    more = len(shared) - _SHOWN_ADDRESSES
    if more > 0:
        yield Advice(
            "address_shared",
            "info",
            "[[trunks]]",
            f"{more} more address{'es are' if more > 1 else ' is'} probed by several trunks each",
            "leave each address to one trunk unless every trunk needs a state of its own",
        )
