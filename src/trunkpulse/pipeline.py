"""The spine: what became of an attempt, what that makes of the target, and of the trunk.

    attempt -> hysteresis (target) -> roll-up (trunk) -> a change? -> board -> recorder

Every change of a trunk's state is made in one place, ``_change``, whatever brought it about:
probes, an administrator, a new configuration. Nothing here waits, so that a probe is never late
because of a database.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from trunkpulse.board import Board
from trunkpulse.health.hysteresis import advance, pace_seconds
from trunkpulse.health.rollup import failure_reason, roll_up
from trunkpulse.model import (
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TransportProtocol,
    Trunk,
    TrunkState,
    TrunkStatus,
)
from trunkpulse.ports import Clock, HealthStore, Location, Resolver, StoredHealth
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.publicity import PublicAddresses
from trunkpulse.probing.sockets import AddressTowards, OpenTransport, ProbeSockets
from trunkpulse.probing.target import Attempt, ProbeSettings, ProbeTarget
from trunkpulse.probing.targeting import Retargeted, Targeting
from trunkpulse.probing.verdict import judge
from trunkpulse.recorder import Recorder, TrunkRecord

__all__ = ["Applied", "Pipeline", "UnknownTrunk"]

EVIDENCE_TARGETS = 64
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


class Pipeline:
    """Judges attempts (it is the prober's sink) and keeps the trunks' states."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: HealthStore,
        board: Board,
        instance_id: str,
        region: str,
        recorded: Callable[[Sequence[StateChange], frozenset[str]], None],
        resolver: Resolver,
        open_transport: OpenTransport,
        address_towards: AddressTowards,
        user_agent: str,
        rng: random.Random,
        answers_at: Collection[tuple[TransportProtocol, str, int]] = (),
    ) -> None:
        """Probe nothing yet; ``recorded`` hears of committed changes and of whom they go to."""
        self._clock = clock
        self._board = board
        self._instance_id = instance_id
        self._region = region
        self._rng = rng
        self._records: dict[str, TrunkRecord] = {}
        self._retired: dict[str, TrunkRecord] = {}
        """Trunks that are no longer configured; one that comes back goes on counting."""
        self.recorder = Recorder(store, recorded=recorded, conflicted=self._conflicted)
        self.locator = Locator(resolver, clock, self._located)
        self.prober = Prober(clock=clock, sink=self, look_up=self._look_up)
        self.sockets = ProbeSockets(
            self.prober, open_transport, address_towards, user_agent, answers_at
        )
        self.targeting = Targeting(self.sockets, self.locator, self._adopt)
        self.public = PublicAddresses(self.sockets)
        self._stored: dict[str, StoredHealth] = {}

    # --- attempts (AttemptSink) ------------------------------------------------------------

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        """Judge a final answer; returns seconds from the attempt's start to the next one."""
        settings = target.settings
        policy = settings.policy
        now = self._clock.wall()
        if settings.learns_address:
            self.public.learn(target, data, now)
        if code not in policy.healthy_codes:
            said = judge(code, data, self.prober.why_challenged(target))
            quiet = said.quiet_seconds
            kind = FailureKind.UNHEALTHY_RESPONSE
            until = now + quiet if quiet else None
            target.remember(Attempt(now, code, kind, said.detail, rtt_seconds, until))
            return self._judge(target, success=False, quiet_seconds=quiet)
        target.last_success = now
        target.rtt_seconds = rtt_seconds
        target.code = code
        if target.state is TargetState.AVAILABLE and not target.failures:
            luck = self._rng.random()  # the common path: nothing is in doubt
            return policy.interval_seconds * (1.0 + policy.jitter * (2.0 * luck - 1.0))
        target.remember(Attempt(now, code, None, None, rtt_seconds))
        return self._judge(target, success=True)

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """Judge an attempt without an answer; returns seconds to the next one, as above."""
        target.remember(Attempt(self._clock.wall(), None, kind, detail, None))
        return self._judge(target, success=False)

    def _judge(self, target: ProbeTarget, *, success: bool, quiet_seconds: float = 0.0) -> float:
        policy = target.settings.policy
        before = target.state
        target.run = run = advance(
            target.run, success=success, policy=policy, quiet_seconds=quiet_seconds
        )
        if run.state is not before:
            record = self._records[target.owner]
            if before is TargetState.UNKNOWN:
                self._let_go(record, target.uri)
            self._decide(record, trigger=target)
            self.recorder.enqueue(record)  # the target's own state is kept even if no trunk's is
        delay = pace_seconds(run, policy, self._rng.random())
        if quiet_seconds:
            # Asked for from now on, while the pace counts from the attempt's start.
            since = self._clock.monotonic() - target.started
            return max(delay, since + quiet_seconds)
        return delay

    # --- decisions -------------------------------------------------------------------------

    def _decide(self, record: TrunkRecord, trigger: ProbeTarget | None = None) -> None:
        """Bring the trunk's state in line with its targets and its administrative state."""
        trunk = record.trunk
        if not (trunk.enabled and record.admin_enabled):
            if record.reason is not Reason.ADMIN_DISABLED:
                self._change(record, TrunkState.DOWN, Reason.ADMIN_DISABLED)
            return
        if record.reason is Reason.ADMIN_DISABLED or (
            not trunk.keepalive.enabled and record.state is not TrunkState.UNKNOWN
        ):
            # Back in service, or no longer probed: what was seen before says nothing now.
            for target in record.targets:
                target.forget()
            self._change(record, TrunkState.UNKNOWN, Reason.ADMIN_ENABLED)
            return
        states = [target.state for target in record.targets]
        if not states:
            return  # nothing is known, and nothing can be
        # A name may lead to fewer places than are wanted: then all of them are.
        needed = min(trunk.min_available_targets, len(states))
        state = roll_up(states, min_available=needed, previous=record.state)
        if state is record.state:
            return
        if state is TrunkState.AVAILABLE:
            reason = Reason.KEEPALIVE_RESTORED
        else:
            down = [each for each in record.targets if each.state is TargetState.DOWN]
            kinds = [each.failure for each in down if each.failure is not None]
            if kinds:
                reason = failure_reason(kinds)
            else:  # all were down before the last restart already, for the reason recorded then
                was_network = record.reason is Reason.NETWORK_ERROR
                reason = Reason.NETWORK_ERROR if was_network else Reason.KEEPALIVE_FAILURE
            trigger = trigger or max(down, key=lambda each: each.failures, default=None)
        self._change(record, state, reason, trigger)

    def _change(
        self,
        record: TrunkRecord,
        state: TrunkState,
        reason: Reason,
        trigger: ProbeTarget | None = None,
    ) -> None:
        trunk = record.trunk
        evidence = tuple(target.evidence() for target in record.targets[:EVIDENCE_TARGETS])
        successes = [target.last_success for target in record.targets if target.last_success]
        change = StateChange(
            event_id=str(uuid.UUID(int=self._rng.getrandbits(128), version=4)),
            trunk_id=trunk.id,
            trunk_name=trunk.name,
            sequence=0,  # given by the record
            at_ms=int(self._clock.wall() * 1000),
            previous_state=record.state,
            state=state,
            reason=reason,
            failed_attempts=trigger.failures if trigger else 0,
            last_success_ms=int(max(successes) * 1000) if successes else None,
            instance_id=self._instance_id,
            region=trunk.region or self._region,
            evidence=evidence,
        )
        record.add(change)
        self._board.publish(trunk.id, TrunkStatus(state, reason, change.at_ms))
        self.recorder.enqueue(record)

    def _conflicted(self, record: TrunkRecord, stored: StoredHealth | None) -> None:
        if self._records.get(record.trunk.id) is not record:
            return  # it is no longer configured
        if stored is None:
            record.sequence = 0
        else:
            record.adopt(stored)
        self._decide(record)
        self._publish(record)
        self._set_going(record)

    def _publish(self, record: TrunkRecord) -> None:
        status = TrunkStatus(record.state, record.reason, record.since_ms)
        self._board.publish(record.trunk.id, status)

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

    def _let_go(self, record: TrunkRecord, uri: str) -> None:
        """Targets that stayed until those that took over from them were decided."""
        left = self.targeting.decided(record.trunk, uri, record.targets)
        if left is not None:
            self._take_over(record, left)

    def _take_over(self, record: TrunkRecord, found: Retargeted) -> None:
        record.targets = found.targets
        if not found.fresh and not found.gone:
            return
        self._drop(found.gone)
        self.prober.add(found.fresh)
        self._decide(record)
        self.recorder.enqueue(record)

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
            self._decide(record)
            self._publish(record)
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
            self.recorder.keep(record)
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
        self.recorder.forget(record)

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
            self._decide(record)
            self._set_going(record)
            self.recorder.enqueue(record)
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
