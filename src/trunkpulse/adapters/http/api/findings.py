"""What the probes have seen that is to be reconsidered.

All trunks are looked at, which takes a second for a million, a few in each turn. What was found is
told for so much longer than that took, so that whoever asks again and again costs little.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.config.advice import Advice
from trunkpulse.config.advice.calls import shared_address
from trunkpulse.config.advice.item import SHOWN_NAMES, is_loopback, named, named_some
from trunkpulse.config.advice.nat import hides_behind_nat, is_public, nat_off
from trunkpulse.config.endpoint import Endpoint, family
from trunkpulse.model import FailureKind, Route, TargetState
from trunkpulse.probing.challenges import CHALLENGES
from trunkpulse.probing.expiry import Expiry, expiring
from trunkpulse.probing.publicity import Sighting
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.sip.status import ALIVE_CODES

__all__ = ["MOST_OF_A_KIND", "Findings"]

RECORDS_PER_STEP = 256
ROUTES_PER_STEP = 64
KEPT_TIMES = 20.0
"""What was found is told for so many times longer than it took to find it."""
MOST_OF_A_KIND = 1000
"""Pieces of advice; where more is wrong, nobody reads more of the same."""


class Findings:
    """See the module's opening; one request at a time looks."""

    def __init__(self, index: TrunkIndex) -> None:
        self._index = index
        self._found: Sequence[Advice] = ()
        self._until = 0.0
        self._looking = asyncio.Lock()

    async def told(self, context: ApiContext) -> Sequence[Advice]:
        """What was found just now, or a moment ago."""
        async with self._looking:
            begun = context.clock.monotonic()
            if begun >= self._until:
                self._found = await self._look(context)
                ended = context.clock.monotonic()
                self._until = ended + KEPT_TIMES * (ended - begun)
            return self._found

    async def _look(self, context: ApiContext) -> Sequence[Advice]:
        seen = _Seen(context)
        after: str | None = None
        more = True
        while more:
            records, more = await self._index.page(
                Wanted(), after=after, limit=RECORDS_PER_STEP, turns=context.turns
            )
            for record in records:
                seen.look_at(record)
                after = record.trunk.id
            await context.turns.give_way()  # probes must leave on time
        routes = iter(context.routing.all)
        while batch := list(islice(routes, ROUTES_PER_STEP)):
            for route in batch:
                seen.add(_on_addresses(route, context))
            await context.turns.give_way()
        return seen.all()


class _Seen:
    """What one look at all trunks has found so far."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context
        self._now_ms = context.now_ms()
        self._found: list[Advice] = []
        self._count: Counter[str] = Counter()
        self._hidden: dict[int, tuple[ProbeSettings, str | None]] = {}
        """By the settings that targets share, the private address that they would show."""
        self._behind_nat: dict[str, tuple[list[str], int]] = {}
        """By private address, the first trunks that show it to public ones, and how many."""

    def look_at(self, record: TrunkRecord) -> None:
        """Take in one trunk."""
        self.add(_of_expiry(record, each) for each in expiring(record.targets, self._now_ms))
        hidden = None
        for target in record.targets:
            sightings = self._context.roster.public.sightings(target)
            if len(sightings) > 1:
                self.add([_of_moving(record, target, sightings[-1])])
            self.add(_of_errors(record, target))
            hidden = hidden or self._shown_in_vain(target)
        if hidden is not None:
            names, count = self._behind_nat.setdefault(hidden, ([], 0))
            if len(names) < SHOWN_NAMES:
                names.append(record.trunk.id)
            self._behind_nat[hidden] = names, count + 1

    def add(self, found: Iterable[Advice]) -> None:
        """Keep these, if there are not too many of their kind."""
        for each in found:
            self._count[each.code] += 1
            if self._count[each.code] <= MOST_OF_A_KIND:
                self._found.append(each)

    def all(self) -> Sequence[Advice]:
        """All that was found."""
        return [
            *self._found,
            *(
                nat_off(named_some("trunk", names, count), source)
                for source, (names, count) in self._behind_nat.items()
            ),
        ]

    def _shown_in_vain(self, target: ProbeTarget) -> str | None:
        """The private address that a public far side is shown, if the configuration hides it."""
        address, settings = target.address, target.settings
        if address is None:
            return None
        known = self._hidden.get(id(settings))
        if known is None:
            source = self._context.roster.sockets.leaves_from(settings.transport, address)
            is_hidden = source and hides_behind_nat(settings.identity, source)
            # With the settings themselves, so that no others take their id meanwhile.
            known = self._hidden[id(settings)] = settings, source if is_hidden else None
        if known[1] is None or not is_public(address[0]):
            return None
        way = settings.identity.outbound_proxy or target.uri
        if settings.identity.source is not None and family(Endpoint.of(way).host) is not None:
            return None  # the configuration alone shows it
        return known[1]


def _of_expiry(record: TrunkRecord, each: Expiry) -> Advice:
    days = each.days_left
    when = "has ended" if days < 0 else f"ends in {days} day{'' if days == 1 else 's'}"
    return Advice(
        "certificate_expiring",
        "warning",
        named("trunk", [record.trunk]),
        f"the certificate of {each.target.place} ({each.certificate.subject}) {when}",
        "ask whoever runs it to renew it",
    )


def _of_moving(record: TrunkRecord, target: ProbeTarget, last: Sighting) -> Advice:
    return Advice(
        "public_address_changes",
        "info",
        named("trunk", [record.trunk]),
        f"{target.place} has seen us at more than one public address, at last {last.public}",
        "give the NAT a fixed address, or set advertised_address",
    )


def _of_errors(record: TrunkRecord, target: ProbeTarget) -> Iterator[Advice]:
    """A target that never did anything but refuse the OPTIONS, in a way that shows life."""
    if target.state is not TargetState.DOWN or target.last_success is not None:
        return
    runs = target.runs()
    codes = {run.code if run.failure is FailureKind.UNHEALTHY_RESPONSE else None for run in runs}
    code = codes.pop() if len(codes) == 1 else None
    if code is None or code not in ALIVE_CODES:
        return
    policy, identity = target.settings.policy, target.settings.identity
    healthy = ", ".join(f'"{each}"' for each in (*policy.healthy_responses, str(code)))
    if code not in CHALLENGES:
        fix = f"set healthy_responses = [{healthy}] if that is how it says that it is well"
    elif identity.credentials is None:
        fix = f"set username and password, or healthy_responses = [{healthy}]"
    else:
        fix = "correct username or password"
    yield Advice(
        "only_errors",
        "warning",
        named("trunk", [record.trunk]),
        f"{target.place} has answered each probe with {code} and never otherwise, so the trunk"
        " takes no calls though the far side is there",
        fix,
    )


def _on_addresses(route: Route, context: ApiContext) -> Iterator[Advice]:
    """All trunks of the route lead to one address, by different names."""
    if len(route.trunks) < 2:
        return
    records = context.roster.records()
    members = [records[part.id] for part in route.trunks if part.id in records]
    targets = [target for record in members for target in record.targets]
    hosts = {
        Endpoint.of(target.settings.identity.outbound_proxy or target.uri).host
        for target in targets
    }
    places = {None if target.address is None else target.address[0] for target in targets}
    place = places.pop() if len(hosts) > 1 and len(places) == 1 else None
    if place is not None and not is_loopback(place):
        yield shared_address(f'route "{route.id}"', place)
