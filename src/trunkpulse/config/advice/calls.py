"""Advice on routes, and on files with secrets in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from trunkpulse.config.advice.item import Advice, is_loopback, named
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import Direction, Hours, NumberPattern, NumberRule, Route, Trunk

__all__ = [
    "on_route",
    "on_same_numbers",
    "on_secret_files",
    "on_taken",
    "on_unrouted",
    "shared_address",
]


def on_secret_files(files: Sequence[str]) -> Iterator[Advice]:
    for file in files:
        yield Advice(
            "secret_exposed",
            "warning",
            f"file {file}",
            f"the file {file} holds a secret, and its permissions let other users in",
            f"run chmod 600 {file}",
        )


def on_route(route: Route, trunks: Mapping[str, Trunk]) -> Iterator[Advice]:
    """``trunks`` has those that the route leads over, and perhaps others, by id."""
    where = f'route "{route.id}"'
    members = [trunks[part.id] for part in route.trunks if part.id in trunks]
    unwatched = [each for each in members if each.enabled and not each.keepalive.enabled]
    if unwatched:
        yield Advice(
            "route_unwatched_trunk",
            "warning",
            where,
            f"the route leads over {named('trunk', unwatched)} with keepalive off, which is an"
            " address without a state: tried last, and whether or not it works",
            "turn keepalive on, or take it out of the route",
        )
    if len(route.trunks) == 1:
        yield Advice(
            "route_single_trunk",
            "warning",
            where,
            f'the route has only trunk "{route.trunks[0].id}", so its calls have nowhere to go'
            " while that is down",
            "add a second trunk",
        )
    elif len({frozenset(trunk.targets) for trunk in members}) == 1:
        yield Advice(
            "route_shared_targets",
            "warning",
            where,
            "all trunks of the route end at the same targets, so they fail together",
            "add a trunk with targets of its own",
        )
    elif (host := _only_host(members)) is not None:
        yield shared_address(where, host)
    elif (carrier := _only_carrier(members)) is not None:
        yield Advice(
            "route_single_carrier",
            "info",
            where,
            f"all trunks of the route are of the carrier {shown(carrier)}, so they fail together"
            " when that does",
            "add a trunk of another carrier",
        )


def shared_address(where: str, host: str) -> Advice:
    """All trunks of a route lead to one host."""
    return Advice(
        "route_shared_address",
        "warning",
        where,
        f"all trunks of the route lead to {host}, so they fail together",
        "add a trunk that leads elsewhere",
    )


def _only_host(trunks: Sequence[Trunk]) -> str | None:
    """The host beyond this machine that all of the trunks are reached at, whatever the port."""
    hosts = {
        Endpoint.of(trunk.identity.outbound_proxy or target).host
        for trunk in trunks
        for target in trunk.targets
    }
    if len(hosts) != 1:
        return None
    (host,) = hosts
    return None if is_loopback(host) else host


def _only_carrier(trunks: Sequence[Trunk]) -> str | None:
    carriers = {trunk.carrier for trunk in trunks}
    return carriers.pop() if len(carriers) == 1 else None


def on_same_numbers(routes: Iterable[Route]) -> Iterator[Advice]:
    """Once for each route of which a number is taken, in full, by one that comes before it.

    One that takes calls at all hours takes those of every hour.
    """
    first: dict[_Claim, dict[_When, Route]] = {}
    for route in routes:
        when = _when(route)
        before: tuple[Route, NumberRule | None] | None = None
        for claim, rule in _claims(route):
            claimed = first.setdefault(claim, {})
            other = claimed.get(_ALWAYS) or claimed.setdefault(when, route)
            if other is not route:
                before = before or (other, rule)
        if before is not None:
            other, rule = before
            numbers = "every number" if rule is None else shown(str(rule))
            yield Advice(
                "route_same_numbers",
                "warning",
                f'route "{route.id}"',
                f'route "{other.id}" has {numbers} too, for the same direction and region, and'
                " comes before it, so its calls never come here",
                "make the numbers of one of them closer, or put all trunks into one route",
            )


def on_taken(route: Route, before: Iterable[Route]) -> Iterator[Advice]:
    """The same of one route alone; ``before`` are those that come before it."""
    wanted = {claim for claim, _ in _claims(route)}
    rivals = [each for each in before if any(claim in wanted for claim, _ in _claims(each))]
    for advice in on_same_numbers([*rivals, route]):
        if advice.where == f'route "{route.id}"':
            yield advice


_Claim = tuple[Direction, str | None, object]
"""Calls of a direction, of a region (None: of none that is named) and to some numbers."""
_When = tuple[frozenset[Hours], str | None]
_ALWAYS: _When = (frozenset(), None)


def _when(route: Route) -> _When:
    return (frozenset(route.times), route.timezone) if route.times else _ALWAYS


def _claims(route: Route) -> Iterator[tuple[_Claim, NumberRule | None]]:
    """What the route says that it takes, each with the rule that says so; None: no rule does."""
    for direction in (Direction.INBOUND, Direction.OUTBOUND):
        if route.direction.serves(direction):
            for region in route.regions or (None,):
                for rule in route.numbers or (None,):
                    yield (direction, region, _meaning(rule)), rule


def _meaning(rule: NumberRule | None) -> object:
    """Equal for rules that take the same numbers, however a pattern is written."""
    if isinstance(rule, NumberPattern):
        return rule.places, rule.is_open
    return rule


def on_unrouted(config: Config) -> Iterator[Advice]:
    if not config.routes:
        # Whoever declares no routes watches trunks and routes elsewhere.
        return
    routed = {member.id for route in config.routes for member in route.trunks}
    unrouted = [trunk for trunk in config.trunks if trunk.enabled and trunk.id not in routed]
    if unrouted:
        is_one = len(unrouted) == 1
        the, are, them = ("the trunk", "is", "it") if is_one else ("the trunks", "are", "them")
        yield Advice(
            "trunk_unrouted",
            "info",
            named("trunk", unrouted),
            f"{the} {are} in no route, so no call runs over {them}",
            f"add {them} to a route if one should",
        )
