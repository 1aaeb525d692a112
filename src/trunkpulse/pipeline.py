"""The spine: what became of an attempt, what that makes of the target, and of the trunk.

    attempt -> hysteresis (target) -> roll-up (trunk) -> a change? -> board -> recorder

Every change of a trunk's state is made in one place, ``_change``, whatever brought it about:
probes, an administrator, a new configuration. Nothing here waits, so that a probe is never late
because of a database. Which trunks there are is the roster's to know.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Protocol

from trunkpulse.board import Board
from trunkpulse.health.hysteresis import advance, pace_seconds, resting
from trunkpulse.health.rollup import failure_reason, roll_up
from trunkpulse.model import (
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
)
from trunkpulse.ports import Clock, HealthStore, StoredHealth
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.doubts import Doubts, Ruling, Trusting, marked, take_back
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.probing.verdict import judge
from trunkpulse.recorder import Decided, Recorder, TrunkRecord

__all__ = ["Keeper", "Pipeline"]

EVIDENCE_TARGETS = 64
WELL = resting(TargetState.AVAILABLE)
SAME_MOMENT_SECONDS = 0.001
"""Answers that are no further apart share one moment: each is kept, as an object, for half a minute
and longer, and of a million targets dozens answer within that time."""

_BACK_FROM: dict[Reason | None, Reason] = {
    Reason.ADMIN_DISABLED: Reason.ADMIN_ENABLED,
    Reason.LICENSE_ISSUE: Reason.LICENSE_RESTORED,
}
"""Why a trunk was out of service, and why it is back."""


def _tell_nobody(trunk_id: str) -> None:
    pass


class Keeper(Protocol):
    """Who knows the trunks, and acts on what is decided about them."""

    def record_of(self, target: ProbeTarget) -> TrunkRecord:
        """The trunk that ``target`` is one of."""

    def is_kept(self, record: TrunkRecord) -> bool:
        """False if the trunk is no longer configured."""

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""

    def learn(self, target: ProbeTarget, data: bytes, now: float) -> None:
        """``data``, an answer, may say as whom we are seen."""

    def decided(self, record: TrunkRecord, target: ProbeTarget) -> None:
        """Something is known of ``target`` for the first time."""

    def resume(self, record: TrunkRecord) -> None:
        """Start the trunk's probes that rest, if it shall be probed; else stop them."""


class Pipeline:
    """Judges attempts (it is the prober's sink) and decides the trunks' states."""

    keeper: Keeper
    """Set by the roster, before anything is judged."""
    licensed = True
    """False while the licence does not cover that trunks are probed; set by the roster."""

    def __init__(
        self,
        *,
        clock: Clock,
        store: HealthStore,
        board: Board,
        instance_id: str,
        region: str,
        recorded: Callable[[Sequence[StateChange], frozenset[str]], None],
        rng: random.Random,
    ) -> None:
        """``recorded`` hears of committed changes and of whom they go to."""
        self.doubts: Doubts = Trusting()
        """Set by whoever makes the prober suspect itself."""
        self._clock = clock
        self._board = board
        self._rng = rng
        self._wall = clock.wall
        self._random = rng.random
        self._moment = 0.0
        self.target_moved: Callable[[str], None] = _tell_nobody
        """Is told of the trunk, by id, when a target of it is in another state."""
        self.relocated: Callable[[str], None] = _tell_nobody
        """Is told of the trunk when the names of its targets lead elsewhere."""
        self.recorder = Recorder(
            store,
            instance_id=instance_id,
            region=region,
            rng=rng,
            recorded=recorded,
            conflicted=self._conflicted,
        )

    # --- attempts (AttemptSink) ------------------------------------------------------------

    def answered(self, target: ProbeTarget, code: int, rtt_seconds: float, data: bytes) -> float:
        """Judge a final answer; returns seconds from the attempt's start to the next one."""
        settings = target.settings
        policy = settings.policy
        now = self._wall()
        if settings.learns_address:
            self.keeper.learn(target, data, now)
        if code not in policy.healthy_codes:
            said = judge(code, data, self.keeper.why_challenged(target))
            quiet = said.quiet_seconds
            kind = FailureKind.UNHEALTHY_RESPONSE
            until = now + quiet if quiet else None
            held = self.doubts.holds(target)
            detail = self._marked(target, said.detail) if held else said.detail
            target.remember(Attempt(now, code, kind, detail, rtt_seconds, until))
            return self._judge(target, success=False, quiet_seconds=quiet)
        if not 0.0 <= now - self._moment < SAME_MOMENT_SECONDS:
            self._moment = now
        target.last_success = now = self._moment
        if target.run == WELL:
            luck = self._random()  # the common path: nothing is in doubt
            return policy.interval_seconds * (1.0 + policy.jitter * (2.0 * luck - 1.0))
        attempt = Attempt(now, code, None, None, rtt_seconds)
        target.remember(attempt)
        return self._judge(target, success=True, showing=attempt)

    def failed(self, target: ProbeTarget, kind: FailureKind, detail: str) -> float:
        """Judge an attempt without an answer; returns seconds to the next one, as above."""
        ruling = self.doubts.failed(target, kind)
        if ruling is Ruling.HELD:
            detail = self._marked(target, detail)
        target.remember(Attempt(self._clock.wall(), None, kind, detail, None))
        if ruling is not Ruling.COUNTS:
            return self._put_off(target, ruling)
        return self._judge(target, success=False)

    def witnessed(self, target: ProbeTarget, detail: str) -> None:
        """A call went through, which ``detail`` says: a success like an answer to a probe."""
        if target.run == WELL:
            return  # the common path, as above
        attempt = Attempt(self._clock.wall(), None, None, detail, None)
        target.remember(attempt)
        self._judge(target, success=True, showing=attempt)

    def count_failure(self, target: ProbeTarget) -> None:
        """The target's last attempt failed and, as is known by now, through nobody else's fault."""
        self._judge(target, success=False)

    def _marked(self, target: ProbeTarget, detail: str) -> str:
        """``detail`` of a failure that is held; those before it are taken back with it."""
        if target.state is not TargetState.DOWN:
            take_back(target)
        return marked(detail)

    def _put_off(self, target: ProbeTarget, ruling: Ruling) -> float:
        """The failure does not count, for now or for good; what counted of its run neither."""
        if ruling is Ruling.HELD and target.state is not TargetState.DOWN:
            target.run = resting(target.state)
        return pace_seconds(target.run, target.settings.policy, self._rng.random())

    def _judge(
        self,
        target: ProbeTarget,
        *,
        success: bool,
        quiet_seconds: float = 0.0,
        showing: Attempt | None = None,
    ) -> float:
        policy = target.settings.policy
        before = target.state
        if not success and self.doubts.holds(target):
            delay = self._put_off(target, Ruling.HELD)
            return self._after_rest(target, delay, quiet_seconds)
        target.run = run = advance(
            target.run, success=success, policy=policy, quiet_seconds=quiet_seconds
        )
        if run.state is not before:
            record = self.keeper.record_of(target)
            if before is TargetState.UNKNOWN:
                self.keeper.decided(record, target)
            self.decide(record, target, showing)
            self.recorder.enqueue(record)  # the target's own state is kept even if no trunk's is
            self.target_moved(record.trunk.id)
        delay = pace_seconds(run, policy, self._rng.random())
        return self._after_rest(target, delay, quiet_seconds)

    def _after_rest(self, target: ProbeTarget, delay: float, quiet_seconds: float) -> float:
        if quiet_seconds:
            # Asked for from now on, while the pace counts from the attempt's start.
            since = self._clock.monotonic() - target.started
            return max(delay, since + quiet_seconds)
        return delay

    # --- decisions -------------------------------------------------------------------------

    def decide(
        self,
        record: TrunkRecord,
        trigger: ProbeTarget | None = None,
        showing: Attempt | None = None,
    ) -> None:
        """Bring the trunk's state in line with its targets and its administrative state.

        ``showing`` is the attempt at ``trigger`` that brought this about, if it is known.
        """
        trunk, before = record.trunk, record.status
        why_out = self._why_out_of_service(record)
        if why_out is not None:
            if before.reason is not why_out:
                self._change(record, TrunkState.DOWN, why_out)
            return
        if before.reason in _BACK_FROM or (
            not trunk.keepalive.enabled and before.state is not TrunkState.UNKNOWN
        ):
            # Back in service, or no longer probed: what was seen before says nothing now.
            for target in record.targets:
                target.forget()
            reason = _BACK_FROM.get(before.reason, Reason.ADMIN_ENABLED)
            self._change(record, TrunkState.UNKNOWN, reason)
            return
        states = [target.state for target in record.targets]
        if not states:
            return  # nothing is known, and nothing can be
        # A name may lead to fewer places than are wanted: then all of them are.
        needed = min(trunk.min_available_targets, len(states))
        state = roll_up(states, min_available=needed, previous=before.state)
        if state is before.state:
            return
        if state is TrunkState.AVAILABLE:
            reason = Reason.KEEPALIVE_RESTORED
        else:
            down = [each for each in record.targets if each.state is TargetState.DOWN]
            kinds = [each.failure for each in down if each.failure is not None]
            if kinds:
                reason = failure_reason(kinds)
            else:  # all were down before the last restart already, for the reason recorded then
                was_network = before.reason is Reason.NETWORK_ERROR
                reason = Reason.NETWORK_ERROR if was_network else Reason.KEEPALIVE_FAILURE
            trigger = trigger or max(down, key=lambda each: each.failures, default=None)
        self._change(record, state, reason, trigger, showing)

    def _why_out_of_service(self, record: TrunkRecord) -> Reason | None:
        if not (record.trunk.enabled and record.admin_enabled):
            return Reason.ADMIN_DISABLED
        return None if self.licensed else Reason.LICENSE_ISSUE

    def _change(
        self,
        record: TrunkRecord,
        state: TrunkState,
        reason: Reason,
        trigger: ProbeTarget | None = None,
        showing: Attempt | None = None,
    ) -> None:
        targets = record.targets
        at_ms = int(self._clock.wall() * 1000)
        record.add(
            Decided(
                at_ms,
                record.state,
                state,
                reason,
                trigger.failures if trigger else 0,
                max([target.last_success or 0.0 for target in targets], default=0.0) or None,
                tuple(
                    [
                        each.seen(showing if each is trigger else None)
                        for each in targets[:EVIDENCE_TARGETS]
                    ]
                ),
            )
        )
        self._board.publish(record.trunk.id, record.status)
        self.recorder.enqueue(record)

    def _conflicted(self, record: TrunkRecord, stored: StoredHealth | None) -> None:
        if not self.keeper.is_kept(record):
            return  # it is no longer configured
        if stored is None:
            record.sequence = 0
        else:
            record.adopt(stored)
        self.decide(record)
        self.publish(record)
        self.keeper.resume(record)

    def publish(self, record: TrunkRecord) -> None:
        """Put the trunk's state on the board as it is."""
        self._board.publish(record.trunk.id, record.status)
