"""Which targets a trunk has: one for each place that one of its URIs leads to (RFC 3263).

A URI in digits leads to one place for good. A name leads wherever the DNS says, and that changes:
what comes is probed at once, what goes is let go without a gap. A target that is AVAILABLE is kept
until every place that took over from it has been decided, so that a name whose addresses change
never leaves its trunk with nothing known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import NamedTuple

import structlog

from trunkpulse.health.hysteresis import Run
from trunkpulse.model import TargetState, Trunk
from trunkpulse.ports import Server, StoredTarget
from trunkpulse.probing.attempt import Place
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.sockets import ProbeSockets, server_of, way_to
from trunkpulse.probing.target import ProbeSettings, ProbeTarget, Share
from trunkpulse.sip.uri import SipUri, plain_address

__all__ = ["Retargeted", "Targeting"]

log = structlog.get_logger(__name__)

MOST_PLACES = 64
"""Of one URI; a name that leads to more is probed at the first so many."""
EVEN_WEIGHT = 100


@dataclass(frozen=True, slots=True)
class Retargeted:
    """A trunk's targets as they shall be."""

    targets: tuple[ProbeTarget, ...]
    fresh: tuple[ProbeTarget, ...] = ()
    """Those among them that are new."""
    gone: tuple[ProbeTarget, ...] = ()


Adopt = Callable[[ProbeTarget, ProbeSettings], None]


class _Wanted(NamedTuple):
    """How one place shall be probed."""

    settings: ProbeSettings
    server: Server
    share: Share


class Targeting:
    """See the module's opening."""

    def __init__(self, sockets: ProbeSockets, locator: Locator, adopt: Adopt) -> None:
        """``adopt`` makes a target that stays go on with other settings."""
        self._sockets = sockets
        self._locator = locator
        self._adopt = adopt
        self._leaving: dict[Watch, set[ProbeTarget]] = {}
        self._found: dict[Watch, Sequence[Server]] = {}
        """What each name's targets were last made of."""
        self._impossible: dict[str, str] = {}
        """Trunk id -> why the last socket that it needed could not be opened."""

    # --- a trunk as configured -------------------------------------------------------------

    def retarget(
        self, trunk: Trunk, present: Sequence[ProbeTarget], stored: Sequence[StoredTarget] = ()
    ) -> Retargeted:
        """The targets of ``trunk``, which has ``present`` ones and had ``stored`` ones before.

        A target that stays keeps what is known of it.
        """
        if not present and len(trunk.targets) == 1 and not trunk.weights:
            alone = self._alone(trunk, stored)
            if alone is not None:
                return alone
        by_uri: dict[str, list[ProbeTarget]] = {}
        for target in present:
            by_uri.setdefault(target.uri, []).append(target)
        memory: dict[str, dict[str | None, StoredTarget]] = {}
        for each in stored:
            memory.setdefault(each.uri, {})[each.place] = each
        weights = trunk.weights or (EVEN_WEIGHT,) * len(trunk.targets)
        targets: list[ProbeTarget] = []
        fresh: list[ProbeTarget] = []
        gone: list[ProbeTarget] = []
        for uri, weight in zip(trunk.targets, weights, strict=True):
            way = SipUri.parse(way_to(uri, trunk.identity))
            server = server_of(way)
            known = by_uri.pop(uri, [])
            if server is None:
                part = self._named(trunk, (uri, way, weight), known, memory.get(uri, {}))
            else:
                self._unwatch(Watch(trunk.id, uri))
                wanted = self._wanted(trunk, way, (server,), weight)
                part = self._merge(trunk, uri, wanted, known, memory.get(uri, {}))
            targets += part.targets
            fresh += part.fresh
            gone += part.gone
        for uri, known in by_uri.items():
            self._unwatch(Watch(trunk.id, uri))
            gone += known
        return Retargeted(tuple(targets), tuple(fresh), tuple(gone))

    def _alone(self, trunk: Trunk, stored: Sequence[StoredTarget]) -> Retargeted | None:
        """The one target of a trunk that is new: most of a million, so with less ado.

        None if it takes more than that.
        """
        uri = trunk.targets[0]
        address = plain_address(uri)
        if address is None:
            return None
        pace = self._sockets.paces.of(trunk.carrier)
        settings = self._sockets.settings_at(trunk.keepalive, trunk.identity, address, pace)
        if settings is None:
            return None
        self._impossible.pop(trunk.id, None)
        target = ProbeTarget(uri, trunk.id, settings, address)
        for each in stored:
            if each.uri == uri:  # which is in digits, so it has been nowhere else
                _remind(target, each)
        targets = (target,)
        return Retargeted(targets, targets)

    def _named(
        self,
        trunk: Trunk,
        name: tuple[str, SipUri, int],
        known: Sequence[ProbeTarget],
        memory: Mapping[str | None, StoredTarget],
    ) -> Retargeted:
        uri, way, weight = name
        location = self._locator.watch(Watch(trunk.id, uri), way_to(uri, trunk.identity))
        if location is not None:
            servers = self.within_reach(location.servers)
            wanted = self._wanted(trunk, way, servers, weight)
            if wanted:
                self._found[Watch(trunk.id, uri)] = servers
                return self._merge(trunk, uri, wanted, known, memory)
        self._found.pop(Watch(trunk.id, uri), None)
        # Until the look-up has ended: the places that are known from before.
        places = [each.place for each in known] or _places(memory)
        servers = tuple(Server(*place) for place in places if place is not None)
        wanted = self._wanted(trunk, way, servers, weight)
        if wanted:
            return self._merge(trunk, uri, wanted, known, memory)
        pace = self._sockets.paces.of(trunk.carrier)
        settings = self._sockets.unlocated(trunk.keepalive, trunk.identity, pace)
        if known:
            head, *others = known
            self._adopt(head, settings)
            head.address = None  # what it was cannot be probed any more
            return Retargeted((head,), (), tuple(others))
        head = ProbeTarget(uri, trunk.id, settings)
        _remind(head, memory.get(None))
        return Retargeted((head,), (head,))

    def unwatch(self, trunk: Trunk) -> None:
        """The trunk is no longer configured."""
        for uri in trunk.targets:
            self._unwatch(Watch(trunk.id, uri))

    def _unwatch(self, watch: Watch) -> None:
        self._locator.unwatch(watch)
        self._leaving.pop(watch, None)
        self._found.pop(watch, None)

    # --- a name as it was found --------------------------------------------------------------

    def relocate(
        self, trunk: Trunk, uri: str, present: Sequence[ProbeTarget], servers: Sequence[Server]
    ) -> Retargeted | None:
        """The trunk's targets now that ``uri`` leads to ``servers``; None: nothing has changed.

        ``within_reach`` has looked at the servers.
        """
        watch = Watch(trunk.id, uri)
        if self._found.get(watch) == servers and watch not in self._leaving:
            return None
        self._found[watch] = servers
        way = SipUri.parse(way_to(uri, trunk.identity))
        weights = dict(zip(trunk.targets, trunk.weights, strict=False))
        known = [target for target in present if target.uri == uri]
        wanted = self._wanted(trunk, way, servers, weights.get(uri, EVEN_WEIGHT))
        if not wanted:
            del self._found[watch]  # it may be possible another time
            for target in known:
                target.unresolved = self._impossible.get(
                    trunk.id, f"{way.host} has no address that can be probed from here"
                )
            return Retargeted(tuple(present))
        merged = self._merge(trunk, uri, wanted, known, {})
        if len(merged.fresh) == len(merged.targets):
            _succeed(merged.fresh, merged.gone, self._leaving.get(watch, frozenset()))
        undecided = any(target.state is TargetState.UNKNOWN for target in merged.targets)
        leaving = {
            target for target in merged.gone if undecided and target.state is TargetState.AVAILABLE
        }
        if leaving:
            self._leaving[watch] = leaving
        else:
            self._leaving.pop(watch, None)
        stay = tuple(target for target in merged.gone if target in leaving)
        gone = tuple(target for target in merged.gone if target not in leaving)
        if merged.fresh or gone:
            log.info(
                "dns.moved",
                trunk=trunk.id,
                uri=uri,
                places=[str(target.place) for target in merged.targets],
                left=[str(target.place) for target in gone if target.place],
            )
        others = [target for target in present if target.uri != uri]
        targets = _in_order(trunk, [*others, *merged.targets, *stay])
        return Retargeted(targets, merged.fresh, gone)

    def decided(self, trunk: Trunk, uri: str, present: Sequence[ProbeTarget]) -> Retargeted | None:
        """A target of ``uri`` has been decided: whoever stayed only for that may go."""
        watch = Watch(trunk.id, uri)
        leaving = self._leaving.get(watch)
        if leaving is None:
            return None
        staying = [each for each in present if each.uri == uri and each not in leaving]
        if any(target.state is TargetState.UNKNOWN for target in staying):
            return None
        del self._leaving[watch]
        return Retargeted(
            tuple(target for target in present if target not in leaving), (), tuple(leaving)
        )

    def within_reach(self, servers: Sequence[Server]) -> Sequence[Server]:
        """Without those that this machine has no route to, unless there are no others.

        A name with IPv4 and IPv6 addresses is not half down because we have no IPv6.
        """
        return tuple(filter(self._sockets.has_route, servers)) or tuple(servers)

    def _wanted(
        self, trunk: Trunk, way: SipUri, servers: Sequence[Server], weight: int
    ) -> dict[Place, _Wanted]:
        """How each of ``servers`` shall be probed; those that cannot be from here are left out."""
        wanted: dict[Place, _Wanted] = {}
        pace = self._sockets.paces.of(trunk.carrier)
        self._impossible.pop(trunk.id, None)
        for server in servers[:MOST_PLACES]:
            try:
                settings = self._sockets.settings_for(
                    trunk.keepalive, trunk.identity, way, server, pace
                )
            except OSError as problem:
                said = problem.strerror or str(problem)
                log.warning("probe.impossible", trunk=trunk.id, uri=str(way), problem=said)
                self._impossible[trunk.id] = said
                continue
            if settings is not None:
                # Weights of SRV records share out what the trunk's own weight gives the URI.
                share = Share(server.priority, weight * (server.weight or 1))
                place = Place(server.protocol, server.address)
                wanted.setdefault(place, _Wanted(settings, server, share))
        return wanted

    def _merge(
        self,
        trunk: Trunk,
        uri: str,
        wanted: Mapping[Place, _Wanted],
        known: Sequence[ProbeTarget],
        memory: Mapping[str | None, StoredTarget],
    ) -> Retargeted:
        """Targets at the ``wanted`` places, taken from the ``known`` ones where these are there."""
        source = trunk.identity.source
        there = {
            target.place: target for target in known if target.settings.identity.source == source
        }
        homeless = [target for target in known if target.place is None]
        elsewhere = {target.place: target for target in known}
        targets: list[ProbeTarget] = []
        fresh: list[ProbeTarget] = []
        for place, (settings, server, share) in wanted.items():
            target = there.pop(place, None)
            if target is None and homeless:
                target = homeless.pop()
                target.address = server.address
            if target is not None:
                self._adopt(target, settings)
                target.share = share
            else:
                target = ProbeTarget(uri, trunk.id, settings, server.address, share)
                _remind(target, memory.get(str(place)) or memory.get(None))
                if (former := elsewhere.get(place)) is not None:
                    # From another source it is another target, but as old.
                    target.last_success = former.last_success
                fresh.append(target)
            targets.append(target)
        kept = set(targets)
        return Retargeted(
            tuple(targets), tuple(fresh), tuple(target for target in known if target not in kept)
        )


def _remind(target: ProbeTarget, stored: StoredTarget | None) -> None:
    """Go on where the last run stopped."""
    if stored is not None:
        target.state = stored.state
        if stored.last_success_ms is not None:
            target.last_success = stored.last_success_ms / 1000


def _succeed(
    fresh: Sequence[ProbeTarget],
    gone: Sequence[ProbeTarget],
    left_before: AbstractSet[ProbeTarget],
) -> None:
    """Have the ``fresh`` places of a name, all that it leads to now, follow those ``gone``.

    The name was well when they were. And a run of attempts that was under way goes on: a name that
    leads elsewhere each time would otherwise never be decided. One attempt is left to do at least.
    Of a name that was well at one of its places no failures are held against the fresh ones; those
    that it had ``left_before``, and that only stayed until others are decided, are none of these.
    """
    success = max((target.last_success or 0.0 for target in gone), default=0.0) or None
    runs = [
        Run(TargetState.UNKNOWN) if target.state is TargetState.AVAILABLE else target.run
        for target in gone
        if target not in left_before
    ]
    failures = min((run.failures for run in runs), default=0)
    successes = min((run.successes for run in runs), default=0)
    for target in fresh:
        policy = target.settings.policy
        target.last_success = success
        target.run = Run(
            target.state,
            min(failures, policy.max_failed_attempts - 1),
            min(successes, policy.min_successful_attempts - 1),
        )


def _places(memory: Mapping[str | None, StoredTarget]) -> list[Place]:
    return [Place.parse(text) for text in memory if text is not None]


def _in_order(trunk: Trunk, targets: Sequence[ProbeTarget]) -> tuple[ProbeTarget, ...]:
    order = {uri: position for position, uri in enumerate(trunk.targets)}
    return tuple(sorted(targets, key=lambda target: order[target.uri]))
