"""How a trunk is probed and judged, and when the prober suspects itself instead."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from trunkpulse.sip.digest import Credentials

__all__ = [
    "IsolationPolicy",
    "KeepalivePolicy",
    "ProbeIdentity",
    "TlsSettings",
    "TransportProtocol",
]


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
    pause_on_active_calls: bool = True
    """Calls that are up, and prove the far side alive, take the place of keepalives."""
    inherited: frozenset[str] = field(default=frozenset(), repr=False, compare=False)
    """Names of the fields that nobody but the global defaults says: they change with those."""


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
