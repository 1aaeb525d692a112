"""What the API says about trunks, in its own words: camelCase, moments in milliseconds."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from trunkpulse.model import (
    Direction,
    FailureKind,
    ProberReason,
    ProberState,
    Reason,
    StreamReason,
    StreamState,
    TargetState,
    TransportProtocol,
    TrunkState,
)

__all__ = [
    "AttemptOut",
    "CertificateOut",
    "Entities",
    "EventOut",
    "ExplainOut",
    "ExplainTargetOut",
    "FieldErrorOut",
    "KeepaliveOut",
    "MinuteOut",
    "NumbersOut",
    "ObserverOut",
    "Out",
    "ProbeOut",
    "ProbeSettingsOut",
    "ProblemOut",
    "PublicAddressOut",
    "TargetOut",
    "TlsOut",
    "TrunkOut",
    "UnderMaintenanceOut",
]

EntityT = TypeVar("EntityT")

Moment = Field(description="Milliseconds since the epoch.")


class Out(BaseModel):
    """A part of an answer: made from Python's names, written in camelCase."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True)


class Entities(Out, Generic[EntityT]):
    """A page of a list."""

    entities: list[EntityT]
    next_cursor: str | None = Field(description="For the next page; null on the last one.")


class FieldErrorOut(Out):
    """What is wrong with one field of a request."""

    field: str
    detail: str
    line: int | None = Field(default=None, description="Of an imported list.")


class ProblemOut(Out):
    """An RFC 9457 problem document."""

    type: str
    title: str
    status: int
    detail: str = Field(description="One sentence for a person.")
    instance: str
    errors: list[FieldErrorOut] | None = Field(default=None, description="With status 422.")
    problems: list[str] | None = Field(default=None, description="With /readyz.")


class EventOut(BaseModel):
    """An event exactly as it is delivered; /api/v2/events/catalogue has the schema of each type."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    event_type: str
    timestamp: int = Moment
    entity_id: str
    entity_name: str
    state: TrunkState | ProberState | StreamState
    previous_state: TrunkState | ProberState | StreamState
    reason_code: Reason | ProberReason | StreamReason
    metadata: dict[str, Any]


class KeepaliveOut(Out):
    """The keepalive settings in force, inherited ones included."""

    enabled: bool
    interval_seconds: float
    max_failed_attempts: int
    min_successful_attempts: int
    timeout_seconds: float
    confirm_interval_seconds: float
    down_interval_seconds: float
    jitter: float
    healthy_responses: list[str]
    pause_on_active_calls: bool


class PublicAddressOut(Out):
    """As whom a far side saw us."""

    address: str
    since: int = Moment


class CertificateOut(Out):
    """What a target showed over TLS, trusted or not."""

    subject: str
    issuer: str
    names: list[str]
    not_before: int = Moment
    not_after: int = Moment
    protocol: str = Field(description='The version of TLS, as "TLSv1.3".')
    cipher: str


class NumbersOut(Out):
    """What the attempts at a target came to, since this process began to probe it."""

    answers: int = Field(description="Attempts with a final answer, healthy or not.")
    losses: int = Field(description="Attempts without one.")
    rtt_ms: float | None = Field(description="Of the last answer; null before the first.")
    smoothed_rtt_ms: float | None = Field(description="Of the last answers (RFC 6298).")
    jitter_ms: float | None = Field(
        description="How round trips differ from one to the next (RFC 3550); null before the "
        "second answer."
    )
    loss_share: float | None = Field(
        description="0 to 1: of the last 16 attempts or so; null before the first."
    )


class MinuteOut(Out):
    """What the attempts at one target came to in one step of time."""

    at: int = Field(description="When the step begins, in milliseconds since the epoch.")
    uri: str
    address: str | None = Field(
        description="Where probes went, as udp:192.0.2.1:5060; null while unresolved."
    )
    answers: int = Field(description="Attempts with a final answer, healthy or not.")
    losses: int = Field(description="Attempts without one.")
    rtt_mean_ms: float | None
    rtt_max_ms: float | None
    smoothed_rtt_ms: float | None = Field(description="As it was at the end.")
    jitter_ms: float | None = Field(description="As it was at the end.")
    state: TargetState = Field(description="As it was at the end.")


class TargetOut(Out):
    """One target of a trunk and what its last attempt showed."""

    uri: str
    state: TargetState
    address: str | None = Field(description="Where probes go; null while unresolved.")
    transport: TransportProtocol | None = Field(description="Null while unresolved.")
    priority: int = Field(description="Of its SRV record; lower is tried first.")
    weight: int = Field(description="Share of the calls within its priority.")
    rtt_ms: float | None
    last_code: int | None = Field(description="Status code on the wire, if an answer came.")
    failure: FailureKind | None
    detail: str | None
    failed_attempts: int = Field(description="Consecutive.")
    last_successful_keepalive: int | None = Moment
    last_attempt: int | None = Moment
    maintenance_until: int | None = Field(
        description="It asked to be left alone until then (Retry-After), in milliseconds."
    )
    lookup_problem: str | None = Field(
        description="Why its name cannot be looked up at present; the last address stays in use."
    )
    public_address: str | None = Field(
        description="As whom it sees us (host:port); with enable_nat alone."
    )
    public_addresses: list[PublicAddressOut] = Field(
        description="As whom it saw us before, oldest first, the present one included."
    )
    certificate: CertificateOut | None
    next_attempt_in_seconds: float | None = Field(
        description="Null while an attempt is under way or the target is not probed."
    )
    last_heard: int | None = Field(
        description="When its address last sent us an OPTIONS that we answered, in milliseconds "
        "since the epoch; null if it is not known to have."
    )
    numbers: NumbersOut


class TlsOut(Out):
    """How connections over TLS are made and judged."""

    verify: bool
    ca_file: str | None = Field(description="Null: what this machine trusts.")
    cert_file: str | None
    key_file: str | None
    server_name: str | None = Field(description="Null: the domain of the target.")


class ProbeSettingsOut(Out):
    """How the OPTIONS is written and sent; null is the default. Secrets are left out."""

    from_uri: str | None
    to_uri: str | None
    contact_uri: str | None
    request_uri: str | None
    header_names: list[str] = Field(description="Of extra headers; their values may be secrets.")
    max_forwards: int
    outbound_proxy: str | None
    source: str | None
    enable_nat: bool
    advertised_address: str | None
    username: str | None
    has_password: bool
    tls: TlsOut


class UnderMaintenanceOut(Out):
    """Work on a trunk that goes on: alerts on it are silent."""

    id: str
    name: str
    until: int = Moment


class TrunkOut(Out):
    """A trunk: what it is and how it fares."""

    id: str
    name: str
    state: TrunkState
    reason_code: Reason | None = Field(description="Of the last change; null before the first.")
    since: int | None = Moment
    enabled: bool = Field(description="False if the file or an administrator disables it.")
    direction: Direction
    region: str
    carrier: str | None
    profile: str
    targets: list[TargetOut]
    last_heard: int | None = Field(description="Of its targets the latest.")
    min_available_targets: int
    keepalive: KeepaliveOut
    probe: ProbeSettingsOut
    maintenance: UnderMaintenanceOut | None
    managed_by: str | None = Field(description="The file that declares it; read-only here then.")


class ProbeOut(Out):
    """Probes that leave now."""

    targets: int


class AttemptOut(Out):
    """How an attempt ended, and how many in a row ended alike."""

    since: int = Field(description="When the first of them ended, in milliseconds.")
    at: int = Field(description="When the last of them ended, in milliseconds.")
    count: int | None = Field(
        description="How many they are; null after plain sailing, which is not counted."
    )
    success: bool
    code: int | None
    failure: FailureKind | None
    detail: str | None
    rtt_ms: float | None = Field(description="Of the last one.")


class ExplainTargetOut(Out):
    """The ground under one target's verdict."""

    uri: str
    address: str | None = Field(description="Where probes go; null while unresolved.")
    transport: TransportProtocol | None = Field(description="Null while unresolved.")
    state: TargetState
    last_heard: int | None = Field(description="When its address last sent us an OPTIONS.")
    numbers: NumbersOut
    attempts: list[AttemptOut] = Field(
        description="Runs of like attempts, oldest first, 16 at most."
    )


class ObserverOut(Out):
    """Who sees the trunk in which state."""

    instance_id: str
    region: str
    state: TrunkState


class ExplainOut(Out):
    """Why a trunk is in its state."""

    state: TrunkState
    reason_code: Reason | None
    since: int | None = Moment
    summary: str = Field(description="One sentence for a person.")
    rule: str = Field(description="The settings that decide, and how far things have come.")
    targets: list[ExplainTargetOut]
    next: str = Field(description="What happens next, and when.")
    observers: list[ObserverOut]
    maintenance: UnderMaintenanceOut | None
