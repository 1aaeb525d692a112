"""Which trunks there are: as configured, as an administrator wants them, and where names lead.

The roster brings up what a trunk is probed with (targets, sockets, look-ups) and lets it go again.
What the probes find is judged in the pipeline, which the roster tells of every trunk that changed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from trunkpulse.board import Board
from trunkpulse.health.hysteresis import pace_seconds
from trunkpulse.model import TransportProtocol, Trunk
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import Clock, Location, Resolver, StoredHealth
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.publicity import PublicAddresses
from trunkpulse.probing.sockets import AddressTowards, OpenTransport, ProbeSockets
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.probing.targeting import Retargeted, Targeting
from trunkpulse.recorder import TrunkRecord

__all__ = ["Applied", "Roster", "UnknownTrunk"]

HANDFUL = 20
"""New targets that are probed at once; more are spread over an interval."""


class UnknownTrunk(KeyError):
    """There is no trunk of this id."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a configuration changed, by trunk id."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Roster:
    """See the module's opening; the pipeline's ``Keeper``."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        clock: Clock,
        board: Board,
        resolver: Resolver,
        open_transport: OpenTransport,
        address_towards: AddressTowards,
        user_agent: str,
        rng: random.Random,
        answers_at: Collection[tuple[TransportProtocol, str, int]] = (),
    ) -> None:
        """Probe nothing yet; ``answers_at`` is where we listen over connections."""
        self._pipeline = pipeline
        self._clock = clock
        self._board = board
        self._rng = rng
        self._records: dict[str, TrunkRecord] = {}
        self._retired: dict[str, TrunkRecord] = {}
        """Trunks that are no longer configured; one that comes back goes on counting."""
        self._stored: dict[str, StoredHealth] = {}
        self.locator = Locator(resolver, clock, self._located)
        self.prober = Prober(clock=clock, sink=pipeline, look_up=self._look_up)
        self.sockets = ProbeSockets(
            self.prober, open_transport, address_towards, user_agent, answers_at
        )
        self.targeting = Targeting(self.sockets, self.locator, self._adopt)
        self.public = PublicAddresses(self.sockets)
        pipeline.keeper = self

    # --- what the pipeline asks (Keeper) -----------------------------------------------------

    def record_of(self, target: ProbeTarget) -> TrunkRecord:
        """The trunk that ``target`` is one of."""
        return self._records[target.owner]

    def is_kept(self, record: TrunkRecord) -> bool:
        """False if the trunk is no longer configured."""
        return self._records.get(record.trunk.id) is record

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        return self.prober.why_challenged(target)

    def learn(self, target: ProbeTarget, data: bytes, now: float) -> None:
        """``data``, an answer, may say as whom we are seen."""
        self.public.learn(target, data, now)

    def decided(self, record: TrunkRecord, target: ProbeTarget) -> None:
        """Targets that stayed until those that took over from them were decided may go."""
        left = self.targeting.decided(record.trunk, target.uri, record.targets)
        if left is not None:
            self._take_over(record, left)

    def resume(self, record: TrunkRecord) -> None:
        """Start the trunk's probes that rest, if it shall be probed; else stop them."""
        self._set_going(record)

    # --- where names lead ------------------------------------------------------------------

    def _look_up(self, target: ProbeTarget, done: Callable[[], None]) -> None:
        watch = Watch(target.owner, target.uri)

        def ended() -> None:
            trouble = self.locator.trouble(watch)
            if target.address is None and self.locator.is_pending(watch):
                self.locator.look_up(watch, ended)  # it goes another way by now
                return
            if target.address is None and trouble is not None:
                target.unresolved = trouble.problem
            done()

        self.locator.look_up(watch, ended)

    def _located(self, watches: Collection[Watch], location: Location) -> None:
        """The DNS says where these lead: a target for each place, what is gone is let go."""
        servers = self.targeting.within_reach(location.servers)
        fresh: list[ProbeTarget] = []
        for trunk_id, uri in watches:
            record = self._records.get(trunk_id)
            if record is None:
                continue
            found = self.targeting.relocate(record.trunk, uri, record.targets, servers)
            if found is not None:
                self._take_over(record, found)
                if self._is_active(record):
                    fresh += found.fresh
        if len(fresh) > HANDFUL:
            self.prober.spread(fresh)
            return
        now = self._clock.monotonic()
        for target in fresh:
            self.prober.probe_at(target, now)

    def _adopt(self, target: ProbeTarget, settings: ProbeSettings) -> None:
        """Have a target that is there already go on with these settings."""
        moves = settings.transport is not target.settings.transport
        if moves and target.transaction is not None:
            # Its answer would come to a transport that is closed by then: it is asked anew.
            self.prober.pause(target)
            self.prober.probe_at(target, self._clock.monotonic())
        target.adopt(self.public.known(target, settings))

    def _take_over(self, record: TrunkRecord, found: Retargeted) -> None:
        record.targets = found.targets
        if not found.fresh and not found.gone:
            return
        self._drop(found.gone)
        self.prober.add(found.fresh)
        self._pipeline.decide(record)
        self._pipeline.recorder.enqueue(record)

    # --- which trunks there are ------------------------------------------------------------

    def restore(self, stored: Mapping[str, StoredHealth]) -> None:
        """Before the first ``apply``: the states that trunks had when last recorded."""
        self._stored = dict(stored)

    def apply(self, trunks: Sequence[Trunk]) -> Applied:
        """From now on these are the trunks. One that did not change is not touched.

        A target that a changed trunk keeps goes on with its state and its next probe as planned.
        Done in one step: nothing is ever half changed. The sockets are there already
        (``sockets.prepare``).
        """
        wanted = {trunk.id for trunk in trunks}
        removed = [record for key, record in self._records.items() if key not in wanted]
        for record in removed:
            self._retire(record)
        added: list[str] = []
        changed: list[str] = []
        fresh: list[ProbeTarget] = []
        for trunk in trunks:
            known = self._records.get(trunk.id)
            if known is not None and known.trunk == trunk:
                continue
            record = known or self._admit(trunk)
            record.trunk = trunk
            (changed if known else added).append(trunk.id)
            new = self._retarget(record)
            self.prober.add(new)
            self._pipeline.decide(record)
            self._pipeline.publish(record)
            if self._is_active(record):
                fresh += new
            self._set_going(record, but_not=new)
        self.prober.spread(fresh)
        self.close_unused_sockets()
        return Applied(tuple(added), tuple(changed), tuple(record.trunk.id for record in removed))

    def _admit(self, trunk: Trunk) -> TrunkRecord:
        record = self._retired.pop(trunk.id, None)
        if record is None:
            record = TrunkRecord(trunk, self._stored.get(trunk.id))
        else:
            self._pipeline.recorder.keep(record)
        self._records[trunk.id] = record
        return record

    def _retire(self, record: TrunkRecord) -> None:
        trunk_id = record.trunk.id
        self._drop(record.targets)
        self.targeting.unwatch(record.trunk)
        record.retire()
        del self._records[trunk_id]
        self._retired[trunk_id] = record
        self._stored.pop(trunk_id, None)
        self._board.remove(trunk_id)
        self._pipeline.recorder.forget(record)

    def _drop(self, targets: Sequence[ProbeTarget]) -> None:
        for target in targets:
            self.public.forget(target)
            if target.index >= 0:
                self.prober.remove(target)

    def _retarget(self, record: TrunkRecord) -> Sequence[ProbeTarget]:
        """Give the record the targets its trunk has now; returns those that are new."""
        stored = self._stored.pop(record.trunk.id, None)
        memory = stored.targets if stored else ()
        found = self.targeting.retarget(record.trunk, record.targets, memory)
        self._drop(found.gone)
        record.targets = found.targets
        return found.fresh

    # --- what an administrator does ----------------------------------------------------------

    def record(self, trunk_id: str) -> TrunkRecord:
        """The trunk as it runs, to read; raises UnknownTrunk."""
        try:
            return self._records[trunk_id]
        except KeyError:
            raise UnknownTrunk(trunk_id) from None

    def records(self) -> Mapping[str, TrunkRecord]:
        """All trunks as they run, by id, to read."""
        return self._records

    def close_unused_sockets(self) -> None:
        """Close the sockets that no target is probed from."""
        records = self._records.values()
        self.sockets.close_unused(each.settings for record in records for each in record.targets)

    def set_admin_enabled(self, trunk_id: str, *, enabled: bool) -> TrunkRecord:
        """Disable or enable a trunk, at once; ``recorder.written`` tells when it is durable."""
        record = self.record(trunk_id)
        if record.admin_enabled != enabled:
            record.admin_enabled = enabled
            self._pipeline.decide(record)
            self._set_going(record)
            self._pipeline.recorder.enqueue(record)
        return record

    def probe_now(self, trunk_id: str) -> int:
        """Probe the trunk's targets at once; returns how many (0: it is not being probed)."""
        record = self.record(trunk_id)
        if not self._is_active(record):
            return 0
        now = self._clock.monotonic()
        for target in record.targets:
            self.prober.probe_at(target, now)
        return len(record.targets)

    def _is_active(self, record: TrunkRecord) -> bool:
        trunk = record.trunk
        return trunk.enabled and record.admin_enabled and trunk.keepalive.enabled

    def _set_going(self, record: TrunkRecord, but_not: Sequence[ProbeTarget] = ()) -> None:
        """Start the probes of an active trunk that rest, stop those of any other."""
        now = self._clock.monotonic()
        active = self._is_active(record)
        for target in record.targets:
            if not active:
                self.prober.pause(target)
                continue
            if target in but_not or self.prober.is_under_way(target):
                continue
            quiet = 0.0 if target.quiet_until is None else target.quiet_until - self._clock.wall()
            if quiet > 0.0:  # the far side asked for it
                if self.prober.next_attempt(target) is None:
                    self.prober.probe_at(target, now + quiet)
                continue
            latest = now + pace_seconds(target.run, target.settings.policy, self._rng.random())
            planned = self.prober.next_attempt(target)
            if planned is None:
                self.prober.probe_at(target, now)
            elif planned > latest:
                self.prober.probe_at(target, latest)
