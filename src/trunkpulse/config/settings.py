"""A configuration as the rest of the program sees it: checked, complete, frozen."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from trunkpulse.model import (
    EventStream,
    IsolationPolicy,
    KeepalivePolicy,
    MaintenanceWindow,
    Route,
    TransportProtocol,
    Trunk,
)

__all__ = [
    "ApiSettings",
    "Config",
    "InstanceSettings",
    "IpNetwork",
    "ListenAddress",
    "MetricsSettings",
    "NumbersSettings",
    "OutboundSettings",
    "PacingSettings",
    "ServerTls",
    "SipListen",
    "SipSettings",
    "StorageSettings",
]

ListenAddress = tuple[str, int]
"""An IP address without brackets and a port; port 0 lets the system choose."""

IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_DATABASE_NAME = "trunkpulse.db"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSettings:
    """Who this process is, among others like it."""

    id: str
    region: str = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageSettings:
    """Where states and events are kept."""

    path: Path | None = None
    """The SQLite file; None if the configuration does not say."""

    def database(self, data: Path) -> Path:
        """The SQLite file, in the folder ``data`` if the configuration does not say."""
        return self.path or data / _DATABASE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """Where the REST API and the console listen."""

    listen: ListenAddress = ("127.0.0.1", 8080)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """What Prometheus is told."""

    per_trunk: bool | None = None
    """Whether each trunk has series of its own; None: unless there are too many."""


@dataclass(frozen=True, slots=True)
class SipListen:
    """Where SIP requests are awaited."""

    protocol: TransportProtocol
    host: str
    """A literal address of this machine, or a wildcard."""
    port: int
    """0: any free one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTls:
    """Who we are to those who connect over TLS. Paths are absolute, files are PEM."""

    cert_file: str
    key_file: str | None = None
    """None: the key is in ``cert_file``."""
    ca_file: str | None = None
    """Only clients with a certificate of these authorities are let in; None: anybody is."""
    stamp: tuple[int, ...] = field(default=(), repr=False)
    """Differs once the files have changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SipSettings:
    """The part of us that answers SIP requests."""

    listen: tuple[SipListen, ...] = (SipListen(TransportProtocol.UDP, "127.0.0.1", 5080),)
    """Empty: off."""
    tls: ServerTls | None = None
    """With a TLS listener; None otherwise."""
    allow: tuple[IpNetwork, ...] = (ipaddress.ip_network("127.0.0.0/8"),)
    """Who may ask."""
    user_agent: str = "trunkpulse"


@dataclass(frozen=True, slots=True, kw_only=True)
class PacingSettings:
    """How many probes may leave in a second."""

    probes_per_second: float | None = None
    """Of all together; None: no cap."""
    carriers: tuple[tuple[str, float], ...] = ()
    """The cap of each carrier that has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumbersSettings:
    """Whose numbers are kept minute by minute."""

    rollup_trunks: int = 1000
    """So many trunks, those that are configured first; 0: none."""
    retention_days: int = 30
    """For so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundSettings:
    """Where events may go."""

    allow: tuple[IpNetwork, ...] = ()
    """On top of public addresses and, for streams of the file, private ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One configuration file. Ids are unique, and every trunk that is referred to exists."""

    instance: InstanceSettings
    storage: StorageSettings = StorageSettings()
    api: ApiSettings = ApiSettings()
    metrics: MetricsSettings = MetricsSettings()
    sip: SipSettings = SipSettings()
    pacing: PacingSettings = PacingSettings()
    numbers: NumbersSettings = NumbersSettings()
    outbound: OutboundSettings = OutboundSettings()
    isolation: IsolationPolicy = field(default_factory=IsolationPolicy)
    keepalive: KeepalivePolicy = field(default_factory=KeepalivePolicy)
    """What a trunk inherits; trunks with equal settings share one object."""
    trunks: tuple[Trunk, ...] = ()
    routes: tuple[Route, ...] = ()
    event_streams: tuple[EventStream, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    exposed_secret_files: tuple[str, ...] = ()
    """Files of secrets, as the file names them, whose permissions let other users in."""
