"""What is believed about a trunk, about a target and by the prober, and why."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = [
    "FailureKind",
    "IsolationRule",
    "ProberReason",
    "ProberState",
    "Reason",
    "TargetState",
    "TrunkState",
    "TrunkStatus",
]


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
