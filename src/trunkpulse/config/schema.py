"""What may stand in the file: every section, key, default and limit.

These models live only while a file is loaded; what comes out of them are the frozen values of
``model`` and ``settings``. ``Allowed`` is for people: it completes the sentence "KEY must be …"
when a value is of the wrong kind or out of bounds. The functions of ``values`` phrase their own.
A profile's file has the tables of a trunk, so it is described here too.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from trunkpulse.config.access_sections import AccessEntry, OidcEntry
from trunkpulse.config.advice.accepting import AdviceEntry
from trunkpulse.config.hep_sections import HepEntry
from trunkpulse.config.kinds import (
    ATTEMPTS,
    DIRECTION,
    EVEN_WEIGHT,
    ID,
    LABEL,
    PEM,
    RANK,
    SECONDS,
    SIP_URI,
    SWITCH,
    USER_NAME,
    Attempts,
    Choice,
    FilledList,
    Id,
    Label,
    List,
    Path,
    Rank,
    Seconds,
    UserName,
)
from trunkpulse.config.maintenance import MaintenanceEntry
from trunkpulse.config.route_schema import RouteEntry, RoutingEntry
from trunkpulse.config.secrets import sip_password
from trunkpulse.config.section import Allowed, Section, TextOr, secret_of, text_of
from trunkpulse.config.sections import (
    ApiEntry,
    InstanceEntry,
    IsolationEntry,
    MetricsEntry,
    NumbersEntry,
    OutboundEntry,
    PacingEntry,
    SipEntry,
    StorageEntry,
)
from trunkpulse.config.settings import (
    ListenAddress,
)
from trunkpulse.config.stream_schema import AlertsEntry, DestinationEntry, StreamEntry
from trunkpulse.config.switch_schema import MOST_SWITCHES, SwitchEntry
from trunkpulse.config.values import (
    BUILT_IN_PROFILES,
    certificate_host,
    extra_headers,
    healthy_response,
    probe_target,
    profile_name,
    proxy_uri,
    public_address,
    sip_uri,
    source_address,
)
from trunkpulse.config.wording import either
from trunkpulse.model import (
    Direction,
    KeepalivePolicy,
    TransportProtocol,
)

__all__ = [
    "EVEN_WEIGHT",
    "AdvancedEntry",
    "AlertsEntry",
    "Allowed",
    "DestinationEntry",
    "Document",
    "KeepaliveEntry",
    "LimitsEntry",
    "MaintenanceEntry",
    "ProfileDocument",
    "RequiresEntry",
    "RouteEntry",
    "Section",
    "StreamEntry",
    "TargetEntry",
    "TlsEntry",
    "TrunkEntry",
]

_POLICY = KeepalivePolicy()


def _headers(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "not a table")
    return extra_headers(raw)


class KeepaliveEntry(Section):
    """Both the defaults and a trunk's overrides: there, only what the file sets counts."""

    enabled: Annotated[bool, Allowed(SWITCH)] = _POLICY.enabled
    interval_seconds: Annotated[Seconds, Allowed(SECONDS)] = _POLICY.interval_seconds
    max_failed_attempts: Annotated[Attempts, Allowed(ATTEMPTS)] = _POLICY.max_failed_attempts
    min_successful_attempts: Annotated[Attempts, Allowed(ATTEMPTS)] = (
        _POLICY.min_successful_attempts
    )
    # 32 s is Timer F (RFC 3261 section 17.1.2.2): no answer can come after it.
    timeout_seconds: Annotated[
        float, Field(ge=0.1, le=32), Allowed("a number of seconds from 0.1 to 32")
    ] = _POLICY.timeout_seconds
    confirm_interval_seconds: Annotated[Seconds, Allowed(SECONDS)] = (
        _POLICY.confirm_interval_seconds
    )
    down_interval_seconds: Annotated[Seconds, Allowed(SECONDS)] = _POLICY.down_interval_seconds
    jitter: Annotated[
        float, Field(ge=0, le=0.5), Allowed("a share of the interval from 0 to 0.5")
    ] = _POLICY.jitter
    healthy_responses: Annotated[
        tuple[Annotated[str, text_of(healthy_response)], ...],
        FilledList,
        Allowed(
            "a list of at least one status code or class",
            each='a text such as "200" or "2xx"',
        ),
    ] = _POLICY.healthy_responses
    pause_on_active_calls: Annotated[bool, Allowed(SWITCH)] = _POLICY.pause_on_active_calls


class TlsEntry(Section):
    """Of a trunk or of a profile; what the trunk sets wins, key by key."""

    verify: Annotated[bool, Allowed(SWITCH)] = True
    ca_file: Annotated[Path | None, Allowed(PEM)] = None
    cert_file: Annotated[Path | None, Allowed(PEM)] = None
    key_file: Annotated[Path | None, Allowed(PEM)] = None
    server_name: Annotated[
        str | None, text_of(certificate_host), Allowed('a host name such as "sbc.example.com"')
    ] = None


class AdvancedEntry(Section):
    """Of a trunk or of a profile; what the trunk sets wins, key by key."""

    from_uri: Annotated[str | None, text_of(sip_uri), Allowed(SIP_URI, secret=True)] = None
    to_uri: Annotated[str | None, text_of(sip_uri), Allowed(SIP_URI, secret=True)] = None
    contact_uri: Annotated[str | None, text_of(sip_uri), Allowed(SIP_URI, secret=True)] = None
    request_uri: Annotated[str | None, text_of(sip_uri), Allowed(SIP_URI, secret=True)] = None
    headers: Annotated[
        tuple[tuple[str, str], ...],
        PlainValidator(_headers),
        Allowed('a table such as { "X-Account" = "42" }', secret=True),
    ] = ()
    max_forwards: Annotated[int, Field(ge=0, le=255), Allowed("a whole number from 0 to 255")] = 70
    outbound_proxy: Annotated[
        str | None,
        text_of(proxy_uri),
        Allowed('a SIP URI in quotes such as "sip:edge.example.com;lr"', secret=True),
    ] = None
    source: Annotated[
        ListenAddress | None, text_of(source_address), Allowed('a text such as "192.0.2.7:5070"')
    ] = None
    enable_nat: Annotated[bool, Allowed(SWITCH)] = False
    advertised_address: Annotated[
        str | None, text_of(public_address), Allowed('a text such as "198.51.100.7"')
    ] = None
    username: Annotated[UserName | None, Allowed(USER_NAME)] = None
    password: Annotated[
        str | None,
        secret_of(sip_password),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None
    tls: Annotated[TlsEntry | None, Allowed('a table such as { ca_file = "ca.pem" }')] = None


class TargetEntry(Section):
    """A target that takes another share of the calls than its neighbours."""

    uri: Annotated[str, text_of(probe_target), Allowed(SIP_URI, secret=True)]
    weight: Annotated[Rank, Allowed(RANK)] = EVEN_WEIGHT


class TrunkEntry(Section):
    id: Annotated[Id, Allowed(ID)]
    name: Annotated[Label | None, Allowed(LABEL)] = None
    direction: Annotated[Direction, Choice, Allowed(DIRECTION)] = Direction.BOTH
    region: Annotated[Id | None, Allowed(ID)] = None
    carrier: Annotated[Label | None, Allowed(LABEL)] = None
    profile: Annotated[
        str,
        text_of(profile_name),
        Allowed(f"{either(BUILT_IN_PROFILES)}, or the path of a file of your own"),
    ] = "generic"
    targets: Annotated[
        tuple[Annotated[str | TargetEntry, TextOr(probe_target, TargetEntry)], ...],
        Field(strict=False, min_length=1, max_length=64),
        Allowed(
            "a list of 1 to 64 SIP URIs",
            each=f'{SIP_URI}, or a table such as {{ uri = "sip:192.0.2.1:5060", weight = 50 }}',
            secret=True,
        ),
    ]
    min_available_targets: Annotated[
        int, Field(ge=1, le=64), Allowed("a whole number from 1 to the number of targets")
    ] = 1
    enabled: Annotated[bool, Allowed(SWITCH)] = True
    keepalive: Annotated[KeepaliveEntry | None, Allowed("a table of overrides")] = None
    advanced: Annotated[AdvancedEntry | None, Allowed("a table")] = None


class Document(Section):
    instance: Annotated[InstanceEntry, Allowed("a table, begun with [instance]")] = InstanceEntry()
    storage: Annotated[StorageEntry, Allowed("a table, begun with [storage]")] = StorageEntry()
    api: Annotated[ApiEntry, Allowed("a table, begun with [api]")] = ApiEntry()
    access: Annotated[AccessEntry, Allowed("a table, begun with [access]")] = AccessEntry()
    oidc: Annotated[OidcEntry | None, Allowed("a table, begun with [oidc]")] = None
    metrics: Annotated[MetricsEntry, Allowed("a table, begun with [metrics]")] = MetricsEntry()
    sip: Annotated[SipEntry, Allowed("a table, begun with [sip]")] = SipEntry()
    hep: Annotated[HepEntry, Allowed("a table, begun with [hep]")] = HepEntry()
    pacing: Annotated[PacingEntry, Allowed("a table, begun with [pacing]")] = PacingEntry()
    numbers: Annotated[NumbersEntry, Allowed("a table, begun with [numbers]")] = NumbersEntry()
    outbound: Annotated[OutboundEntry, Allowed("a table, begun with [outbound]")] = OutboundEntry()
    isolation: Annotated[IsolationEntry, Allowed("a table, begun with [isolation]")] = (
        IsolationEntry()
    )
    advice: Annotated[AdviceEntry, Allowed("a table, begun with [advice]")] = AdviceEntry()
    routing: Annotated[RoutingEntry, Allowed("a table, begun with [routing]")] = RoutingEntry()
    keepalive: Annotated[KeepaliveEntry, Allowed("a table, begun with [keepalive]")] = (
        KeepaliveEntry()
    )
    trunks: Annotated[
        tuple[TrunkEntry, ...],
        List,
        Allowed("a list of tables, each begun with [[trunks]]", each="a table"),
    ] = ()
    routes: Annotated[
        tuple[RouteEntry, ...],
        List,
        Allowed("a list of tables, each begun with [[routes]]", each="a table"),
    ] = ()
    event_streams: Annotated[
        tuple[StreamEntry, ...],
        List,
        Allowed("a list of tables, each begun with [[event_streams]]", each="a table"),
    ] = ()
    maintenance: Annotated[
        tuple[MaintenanceEntry, ...],
        List,
        Allowed("a list of tables, each begun with [[maintenance]]", each="a table"),
    ] = ()
    switches: Annotated[
        tuple[SwitchEntry, ...],
        Field(strict=False, max_length=MOST_SWITCHES),
        Allowed("a list of up to 64 tables, each begun with [[switches]]", each="a table"),
    ] = ()


class LimitsEntry(Section):
    minimum_interval_seconds: Annotated[Seconds | None, Allowed(SECONDS)] = None


class RequiresEntry(Section):
    scheme: Annotated[Literal["sip", "sips"] | None, Allowed('"sip" or "sips"')] = None
    transport: Annotated[TransportProtocol | None, Choice, Allowed('"udp", "tcp" or "tls"')] = None
    tls_verify: Annotated[bool, Allowed(SWITCH)] = False
    contact_is_fqdn: Annotated[bool, Allowed(SWITCH)] = False
    from_at_contact_host: Annotated[bool, Allowed(SWITCH)] = False


class ProfileDocument(Section):
    """The file of a profile."""

    description: Annotated[Label, Allowed(LABEL)]
    keepalive: Annotated[KeepaliveEntry, Allowed("a table, begun with [keepalive]")] = (
        KeepaliveEntry()
    )
    advanced: Annotated[AdvancedEntry, Allowed("a table, begun with [advanced]")] = AdvancedEntry()
    limits: Annotated[LimitsEntry, Allowed("a table, begun with [limits]")] = LimitsEntry()
    requires: Annotated[RequiresEntry, Allowed("a table, begun with [requires]")] = RequiresEntry()
