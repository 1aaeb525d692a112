"""What happened, and the evidence that it rests on: the facts that are recorded and published."""

from __future__ import annotations

from dataclasses import dataclass

from trunkpulse.model.states import (
    FailureKind,
    IsolationRule,
    ProberReason,
    ProberState,
    Reason,
    TargetState,
    TrunkState,
)
from trunkpulse.model.streams import EventType

__all__ = ["AttemptEvidence", "IsolationEvidence", "ProberEvent", "StateChange"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEvidence:
    """What the last attempt at one target showed: the ground under a verdict."""

    target: str
    """The target's URI."""
    address: str | None = None
    """Where it was probed, as ``udp:192.0.2.1:5060``; None while its name is not resolved."""
    state: TargetState
    code: int | None = None
    """Status code received on the wire; None if no answer came."""
    failure: FailureKind | None = None
    """None after a success."""
    detail: str | None = None
    """One phrase for a person, such as "Connection refused"."""
    rtt_ms: float | None = None
    at_ms: int | None = None
    """When the attempt ended; None before the first."""
    failed_attempts: int = 0
    """Consecutive failures."""
    last_success_ms: int | None = None
    maintenance_until_ms: int | None = None
    """The far side asked to be left alone until then (Retry-After, RFC 3261 20.33)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChange:
    """A trunk left one state for another: the one fact that everything else follows from."""

    event_id: str
    """Unique, and the same over every delivery and retry."""
    trunk_id: str
    trunk_name: str
    sequence: int
    """Counts a trunk's changes from 1 without gaps."""
    at_ms: int
    previous_state: TrunkState
    state: TrunkState
    reason: Reason
    failed_attempts: int
    last_success_ms: int | None
    instance_id: str
    region: str
    evidence: tuple[AttemptEvidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationEvidence:
    """What the prober's suspicion of itself rested on."""

    rule: IsolationRule
    since_ms: int
    """When it began to hold the trunks' states."""
    problem: str
    """One phrase for a person."""
    interfaces: tuple[str, ...] = ()
    """Network interfaces that are down."""
    silent_carriers: int = 0
    """Carriers that gave no answer, of those that were asked last."""
    asked_carriers: int = 0
    failed_attempts: int = 0
    """Attempts without an answer while the suspicion was checked."""
    answered_attempts: int = 0
    hold_expired: bool = False
    """True if states are decided as seen, because they were held for ``hold_seconds``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProberEvent:
    """The prober of an instance began, or ceased, to suspect itself."""

    event_id: str
    instance_id: str
    region: str
    sequence: int
    """Counts an instance's events from 1 without gaps; odd ones isolate, even ones restore."""
    at_ms: int
    state: ProberState
    evidence: IsolationEvidence

    @property
    def previous_state(self) -> ProberState:
        isolated = self.state is ProberState.ISOLATED
        return ProberState.CONNECTED if isolated else ProberState.ISOLATED

    @property
    def reason(self) -> ProberReason:
        isolated = self.state is ProberState.ISOLATED
        return ProberReason.PROBER_ISOLATED if isolated else ProberReason.PROBER_RESTORED

    @property
    def event_type(self) -> EventType:
        isolated = self.state is ProberState.ISOLATED
        return EventType.PROBER_ISOLATED if isolated else EventType.PROBER_RESTORED

    @property
    def entity(self) -> str:
        """What stores file it under; no trunk can have such an id."""
        return f"prober:{self.instance_id}"
