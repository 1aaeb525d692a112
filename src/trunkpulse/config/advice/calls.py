"""Advice on routes, and on files with secrets in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trunkpulse.config.advice.item import Advice, named
from trunkpulse.config.settings import Config
from trunkpulse.config.wording import shown
from trunkpulse.model import Direction, NumberRange, Route

__all__ = ["on_route", "on_same_numbers", "on_secret_files", "on_unrouted"]


def on_secret_files(files: Sequence[str]) -> Iterator[Advice]:
    for file in files:
        yield Advice(
            "secret_exposed",
            "warning",
            f"file {file}",
            f"the file {file} holds a secret, and its permissions let other users in; run"
            f" chmod 600 {file}.",
        )


def on_route(route: Route, config: Config) -> Iterator[Advice]:
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


def on_same_numbers(routes: Sequence[Route]) -> Iterator[Advice]:
    """Once for each route of which a number is taken, in full, by one that comes before it."""
    first: dict[tuple[Direction, str | None, NumberRange | None], Route] = {}
    for route in routes:
        before: tuple[Route, NumberRange | None] | None = None
        for direction in (Direction.INBOUND, Direction.OUTBOUND):
            if not route.direction.serves(direction):
                continue
            for region in route.regions or (None,):
                for rule in route.numbers or (None,):
                    other = first.setdefault((direction, region, rule), route)
                    if other is not route:
                        before = before or (other, rule)
        if before is not None:
            other, rule = before
            numbers = "every number" if rule is None else shown(str(rule))
            yield Advice(
                "route_same_numbers",
                "warning",
                f"route {shown(route.id)}",
                f"route {shown(other.id)} has {numbers} too, for the same direction and region, and"
                " comes before it, so its calls never come here; make the numbers of one of them"
                " closer, or put all trunks into one route.",
            )


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
            f"{the} {are} in no route, so no call runs over {them}; add {them} to a route if one"
            " should.",
        )
