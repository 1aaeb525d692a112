"""The values that every part of trunkpulse speaks in: trunks, policies, states, changes.

All are frozen. Durations are seconds (``_seconds``); moments are milliseconds since the
epoch (``_ms``) because that is what people and other programs read.
"""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from trunkpulse.sip.digest import Credentials

__all__ = [
    "AttemptEvidence",
    "Destination",
    "Direction",
    "EventStream",
    "EventType",
    "FailureKind",
    "IsolationEvidence",
    "IsolationPolicy",
    "IsolationRule",
    "KeepalivePolicy",
    "NumberRange",
    "ProbeIdentity",
    "ProberEvent",
    "ProberReason",
    "ProberState",
    "Reason",
    "Route",
    "RouteTrunk",
    "StateChange",
    "TargetState",
    "TlsSettings",
    "TransportProtocol",
    "Trunk",
    "TrunkState",
    "TrunkStatus",
    "TrunkTerms",
    "WhenNoneAvailable",
]


class Direction(StrEnum):
    """Which way calls run over a trunk, seen from the operator."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"

    def serves(self, wanted: Direction) -> bool:
        """True if a trunk or route of this direction takes calls of direction ``wanted``."""
        return self is Direction.BOTH or wanted is Direction.BOTH or self is wanted


class TrunkState(StrEnum):
    """What is believed about a trunk; routing acts on this and nothing else."""

    UNKNOWN = "UNKNOWN"
    """Not yet decided; routed as a last resort."""
    AVAILABLE = "AVAILABLE"
    DEGRADED = "DEGRADED"
    """Some targets are down, enough are left to route over."""
    DOWN = "DOWN"


class TargetState(StrEnum):
    """What is believed about one target (one URI, probed from one source)."""

    UNKNOWN = "UNKNOWN"
    AVAILABLE = "AVAILABLE"
    DOWN = "DOWN"


class Reason(StrEnum):
    """Why a trunk changed its state."""

    KEEPALIVE_FAILURE = "KEEPALIVE_FAILURE"
    """No answers, or unhealthy ones."""
    NETWORK_ERROR = "NETWORK_ERROR"
    """Refused, unreachable, reset, or the name could not be resolved."""
    ADMIN_DISABLED = "ADMIN_DISABLED"
    LICENSE_ISSUE = "LICENSE_ISSUE"
    KEEPALIVE_RESTORED = "KEEPALIVE_RESTORED"
    ADMIN_ENABLED = "ADMIN_ENABLED"
    LICENSE_RESTORED = "LICENSE_RESTORED"


@dataclass(frozen=True, slots=True)
class TrunkStatus:
    """A trunk's present state and what brought it there, as routing and readers see it."""

    state: TrunkState
    reason: Reason | None = None
    """Of the last change; None until the first."""
    since_ms: int | None = None
    """When the last change happened; None until the first."""


class FailureKind(StrEnum):
    """Why one attempt failed when there was no healthy answer."""

    TIMEOUT = "timeout"
    """No final answer within ``timeout_seconds`` (RFC 3261 8.1.3.1 treats it as a 408)."""
    UNHEALTHY_RESPONSE = "unhealthy_response"
    """A final answer whose status code is not among ``healthy_responses``."""
    REFUSED = "refused"
    """ICMP port unreachable, or the connection was refused."""
    UNREACHABLE = "unreachable"
    """No route, network or host unreachable, or the local network refused to send."""
    RESET = "reset"
    """The connection was closed or broken before an answer came."""
    CONNECT_TIMEOUT = "connect_timeout"
    """No connection came about within ``timeout_seconds``."""
    TLS = "tls"
    """The connection is not the secure one that was asked for: a bad certificate, for one."""
    MALFORMED = "malformed"
    """What came over the connection is no SIP, so nothing that follows can be told apart."""
    DNS = "dns"
    """The target's host name could not be resolved."""

    @property
    def reason(self) -> Reason:
        """The reason that a change brought about by this kind of failure carries."""
        if self in _OF_THE_FAR_SIDE:
            return Reason.KEEPALIVE_FAILURE
        return Reason.NETWORK_ERROR


_OF_THE_FAR_SIDE = frozenset(
    {FailureKind.TIMEOUT, FailureKind.UNHEALTHY_RESPONSE, FailureKind.MALFORMED}
)


class EventType(StrEnum):
    """What an event stream may subscribe to."""

    STATE_CHANGE = "telephony.trunks.stateChange"
    PROBER_ISOLATED = "telephony.prober.isolated"
    PROBER_RESTORED = "telephony.prober.restored"


class ProberState(StrEnum):
    """Whether this instance believes what its own probes say."""

    CONNECTED = "CONNECTED"
    ISOLATED = "ISOLATED"
    """It suspects itself: the trunks' states are held."""


class ProberReason(StrEnum):
    """Why the prober changed its state."""

    PROBER_ISOLATED = "PROBER_ISOLATED"
    PROBER_RESTORED = "PROBER_RESTORED"


class IsolationRule(StrEnum):
    """What made the prober suspect itself."""

    LINK = "LINK"
    """The interface that probes leave by is down, or there is no route."""
    RESOLVER = "RESOLVER"
    """The name servers are silent, and so is everybody else."""
    PEERS = "PEERS"
    """Nearly all carriers fell silent at once."""
    RESTART = "RESTART"
    """It was isolated when its last life ended; why is only known if that is still on record."""


class TransportProtocol(StrEnum):
    """What carries SIP; the value is that of a URI's transport parameter."""

    UDP = "udp"
    TCP = "tcp"
    TLS = "tls"

    @property
    def reliable(self) -> bool:
        """True if nothing is ever retransmitted over it (RFC 3261 17.1.2.2)."""
        return self is not TransportProtocol.UDP

    @property
    def default_port(self) -> int:
        """Where a server listens that names no port (RFC 3261 19.1.2)."""
        return 5061 if self is TransportProtocol.TLS else 5060


class WhenNoneAvailable(StrEnum):
    """What a route answers when every one of its trunks is DOWN."""

    FAIL = "fail"
    TRY_ALL = "try_all"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepalivePolicy:
    """How a trunk is probed and judged. Trunks with equal settings share one object."""

    enabled: bool = True
    interval_seconds: float = 30.0
    """Between attempts while nothing is in doubt, start to start."""
    max_failed_attempts: int = 3
    """Consecutive failures before DOWN."""
    min_successful_attempts: int = 2
    """Consecutive successes before AVAILABLE."""
    timeout_seconds: float = 4.0
    """One attempt, retransmissions included."""
    confirm_interval_seconds: float = 5.0
    """Between attempts while a change is being confirmed, start to start."""
    down_interval_seconds: float = 15.0
    """Between attempts while DOWN, start to start."""
    minimum_interval_seconds: float = 0.0
    """Whatever is asked for, no attempt starts sooner after the one before (a profile's limit)."""
    jitter: float = 0.05
    """Share of the interval by which it is randomly longer or shorter."""
    healthy_responses: tuple[str, ...] = ("2xx",)
    """Status codes ("404") and classes ("2xx") that count as a success."""
    healthy_codes: frozenset[int] = field(default=frozenset(range(200, 300)), repr=False)
    """``healthy_responses`` expanded; an unlisted code stands for x00 (RFC 3261 8.1.3.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IsolationPolicy:
    """When the prober suspects itself, and for how long at most."""

    enabled: bool = True
    failed_share: float = 0.9
    """Of the carriers, and of the attempts, that got no answer at all."""
    minimum_carriers: int = 2
    """So many at least have to fall silent together."""
    hold_seconds: float = 900.0
    """How long states are held while only the silence of others speaks for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsSettings:
    """How connections over TLS are made and judged. Paths are absolute."""

    verify: bool = True
    """False: any certificate will do, and so will anybody in the middle."""
    ca_file: str | None = None
    """PEM certificates to trust; None: those that this machine trusts."""
    cert_file: str | None = None
    """Our own certificate (PEM, with its chain), for far sides that ask for one."""
    key_file: str | None = None
    """Its private key (PEM); None: it is in ``cert_file``."""
    server_name: str | None = None
    """The name to ask for and to verify; None: the domain of the target's URI (RFC 5922)."""
    stamp: tuple[int, ...] = field(default=(), repr=False)
    """Differs once the files have changed, so that settings of renewed files are other ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeIdentity:
    """How a trunk's OPTIONS is written and sent; None means the default. URIs are canonical."""

    from_uri: str | None = None
    to_uri: str | None = None
    contact_uri: str | None = None
    request_uri: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    max_forwards: int = 70
    """0 to 255; 0 tests the next hop alone, which then answers 483 (RFC 3261 8.1.1.6)."""
    outbound_proxy: str | None = None
    """Where probes are sent instead of to the target; it gets a Route header (8.1.2)."""
    source: tuple[str, int] | None = None
    """Local address and port that probes leave from; port 0 lets the system choose."""
    enable_nat: bool = False
    """Learn the public address from the answers' Via and show it in Contact (RFC 3581)."""
    advertised_address: str | None = None
    """Host that Via and Contact show instead of the local one; an address or a name."""
    credentials: Credentials | None = None
    """What a challenge is answered with; None: a 401 or 407 is judged like any answer."""
    tls: TlsSettings = TlsSettings()


class TrunkTerms(NamedTuple):
    """What many trunks have in common: all of a ``Trunk`` but what it is called and where it ends.

    Trunks on equal terms share one object.
    """

    weights: tuple[int, ...]
    direction: Direction
    region: str | None
    carrier: str | None
    min_available_targets: int
    enabled: bool
    profile: str
    keepalive: KeepalivePolicy
    identity: ProbeIdentity
    managed_by: str | None


_MOST_TERMS = 4096
_terms: dict[tuple[object, ...], TrunkTerms] = {}
"""The terms that were met last. Policy and identity are told apart by ``id``: hashing them would
take longer than all else, and what is in here stays alive."""


@dataclass(frozen=True, kw_only=True, init=False, eq=False)
class Trunk:
    """A SIP trunk as configured: what it is called, where it ends, how it is probed.

    A million of them are kept, so each is as small as it can be: most fields are those of its
    ``terms``, and a single target has no tuple of its own. To be read, compared and replaced like
    any dataclass.
    """

    __slots__ = ("ends", "id", "name", "terms")

    id: str
    name: str
    targets: tuple[str, ...]
    """SIP URIs, in the canonical form that ``str(SipUri)`` gives. Each address that one of them
    leads to is a target of its own (RFC 3263)."""
    weights: tuple[int, ...] = ()
    """Share of the calls that each of ``targets`` takes; empty: all the same."""
    direction: Direction = Direction.BOTH
    region: str | None = None
    """None: the instance's own region."""
    carrier: str | None = None
    min_available_targets: int = 1
    enabled: bool = True
    profile: str = "generic"
    """The preset that its settings started from."""
    keepalive: KeepalivePolicy = KeepalivePolicy()
    identity: ProbeIdentity = ProbeIdentity()
    managed_by: str | None = None
    """The file that declares it (read-only in the API), or None if made through the API."""

    if TYPE_CHECKING:
        terms: ClassVar[TrunkTerms]
        ends: ClassVar[str | tuple[str, ...]]
        """The only target, or all of them."""

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's name
        name: str,
        targets: tuple[str, ...],
        weights: tuple[int, ...] = (),
        direction: Direction = Direction.BOTH,
        region: str | None = None,
        carrier: str | None = None,
        min_available_targets: int = 1,
        enabled: bool = True,
        profile: str = "generic",
        keepalive: KeepalivePolicy = KeepalivePolicy(),
        identity: ProbeIdentity = ProbeIdentity(),
        managed_by: str | None = None,
    ) -> None:
        plain = (
            weights,
            direction,
            region,
            carrier,
            min_available_targets,
            enabled,
            profile,
            managed_by,
        )
        known_as = (plain, builtins.id(keepalive), builtins.id(identity))
        terms = _terms.get(known_as)
        if terms is None:
            if len(_terms) >= _MOST_TERMS:
                _terms.clear()
            terms = _terms[known_as] = TrunkTerms(*plain[:7], keepalive, identity, managed_by)
        object.__setattr__(self, "id", id)
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "ends", targets[0] if len(targets) == 1 else targets)
        object.__setattr__(self, "terms", terms)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trunk):
            return NotImplemented
        return (
            self.id == other.id
            and self.name == other.name
            and self.ends == other.ends
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        return hash((self.id, self.ends))


def _targets_of(trunk: Trunk) -> tuple[str, ...]:
    targets = trunk.ends
    return (targets,) if isinstance(targets, str) else targets


# Only now, because a dataclass takes what it finds in its body for the fields' defaults.
setattr(Trunk, "targets", property(_targets_of))  # noqa: B010 - to a type checker it is a field
for _field in TrunkTerms._fields:
    setattr(Trunk, _field, property(attrgetter(f"terms.{_field}")))


@dataclass(frozen=True, slots=True)
class NumberRange:
    """E.164 numbers that a route serves: a prefix, or every number from ``first`` to ``last``."""

    first: str
    """Digits with a leading plus."""
    last: str | None = None
    """None: ``first`` is a prefix. Otherwise the same length as ``first``, inclusive."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTrunk:
    """A trunk's place in a route."""

    id: str
    priority: int = 1
    """Lower is tried first."""
    weight: int = 100
    """Share of the calls within one priority."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Which trunks take the calls to which numbers."""

    id: str
    direction: Direction = Direction.OUTBOUND
    numbers: tuple[NumberRange, ...] = ()
    """Empty: every number."""
    regions: tuple[str, ...] = ()
    """Empty: every region."""
    trunks: tuple[RouteTrunk, ...] = ()
    when_none_available: WhenNoneAvailable = WhenNoneAvailable.FAIL
    managed_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a stream's events go. ``type`` picks the sink; the rest is the sink's own."""

    type: str
    url: str
    secret: str | None = field(default=None, repr=False)
    """The resolved secret, never printed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """A subscription: which events go to which destination."""

    id: str
    name: str
    destination: Destination
    event_types: tuple[str, ...] = ("telephony.trunks.stateChange",)
    trunks: tuple[str, ...] = ()
    """Empty: all."""
    reason_codes: tuple[str, ...] = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
    """``("*",)`` takes every reason."""
    enabled: bool = True
    managed_by: str | None = None


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
