"""A configuration as the rest of the program sees it: checked, complete, frozen."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from trunkpulse.config.access_settings import AccessSettings, OidcSettings
from trunkpulse.config.switches import SwitchSettings
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
    "HepSettings",
    "InstanceSettings",
    "IpNetwork",
    "ListenAddress",
    "MetricsSettings",
    "NumbersSettings",
    "OutboundSettings",
    "PacingSettings",
    "RoutingSettings",
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
class ApiSettings:
    """Where the REST API and the console listen."""

    listen: ListenAddress = ("127.0.0.1", 8080)
    public_url: str | None = None
    """Where others reach it, without a slash at the end; None: where it listens."""
    token_lifetime_seconds: int = 900
    """Of access tokens."""
    requests_per_second: float = 1000.0
    """Of one client or person, over a long time; of an address that has proved nothing, a tenth."""
    burst: int = 2000
    """Requests of one of them at once; of such an address, a tenth."""
    tls: ServerTls | None = None
    """None: it is served in the clear."""
    hosts: tuple[str, ...] = ()
    """Names that a ``Host`` header may have, in lower case, beside where it listens."""
    trusted_proxies: tuple[IpNetwork, ...] = ()
    """Reverse proxies, which are believed when they say whom they speak for."""
    allowed_origins: tuple[str, ...] = ()
    """Origins of other sites whose pages may use the API, with tokens and never with cookies."""

    @property
    def bound_to(self) -> tuple[object, ...]:
        """What only a restart can change; renewed files of the same names are taken without."""
        return self.listen, self.tls and (self.tls.cert_file, self.tls.key_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """What Prometheus is told."""

    per_trunk: bool | None = None
    """Whether each trunk has series of its own; None: unless there are too many."""
    token: str | None = field(default=None, repr=False)
    """What a scraper from elsewhere may show; None: it takes an access token."""


@dataclass(frozen=True, slots=True)
class SipListen:
    """Where SIP requests are awaited."""

    protocol: TransportProtocol
    host: str
    """A literal address of this machine, or a wildcard."""
    port: int
    """0: any free one."""


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
    calls_per_second: float = 10_000.0
    """Of one source address; as many may come at once."""
    redirect_code: int = 302
    """What a call is redirected with: 300 or 302."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HepSettings:
    """Where mirrors of live calls are taken in."""

    listen: tuple[ListenAddress, ...] = ()
    """Over UDP; empty: off."""
    allow: tuple[IpNetwork, ...] = (
        ipaddress.ip_network("127.0.0.0/8"),
        ipaddress.ip_network("::1/128"),
    )
    """Who may send."""
    secret: str | None = field(default=None, repr=False)
    """What each frame has to show; None: nothing."""
    most_calls: int = 200_000
    """That are followed at a time."""
    call_lifetime_seconds: float = 4 * 3600.0
    """A call of which nothing is heard for so long has ended unseen."""


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
class RoutingSettings:
    """What holds for all routes."""

    country: str | None = None
    """Two letters (ISO 3166): numbers without a plus are read as dialled there; None: nowhere."""
    timezone: str = "UTC"
    """Of routes that name none: a name of the IANA database."""


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
    access: AccessSettings = field(default_factory=AccessSettings)
    oidc: OidcSettings | None = None
    """None: nobody signs in by a provider."""
    metrics: MetricsSettings = MetricsSettings()
    sip: SipSettings = SipSettings()
    hep: HepSettings = HepSettings()
    pacing: PacingSettings = PacingSettings()
    numbers: NumbersSettings = NumbersSettings()
    routing: RoutingSettings = RoutingSettings()
    outbound: OutboundSettings = OutboundSettings()
    isolation: IsolationPolicy = field(default_factory=IsolationPolicy)
    keepalive: KeepalivePolicy = field(default_factory=KeepalivePolicy)
    """What a trunk inherits; trunks with equal settings share one object."""
    trunks: tuple[Trunk, ...] = ()
    routes: tuple[Route, ...] = ()
    event_streams: tuple[EventStream, ...] = ()
    maintenance: tuple[MaintenanceWindow, ...] = ()
    switches: tuple[SwitchSettings, ...] = ()
    file: str | None = None
    """The file's name."""
    declared: frozenset[str] = frozenset()
    """Which global settings the file itself says, as ``keepalive.jitter`` or ``sip.user_agent``."""
    accepted_advice: tuple[str, ...] = ()
    """Advice that is not given any more: codes, and codes with where they stand."""
    exposed_secret_files: tuple[str, ...] = ()
    """Files of secrets, as the file names them, whose permissions let other users in."""
