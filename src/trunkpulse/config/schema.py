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

from trunkpulse.config.caps import FEWEST_PER_SECOND, MOST_PER_SECOND, carrier_caps
from trunkpulse.config.secrets import sip_password, webhook_secret
from trunkpulse.config.section import Allowed, Section, TextOr, secret_of, text_of
from trunkpulse.config.settings import (
    ApiSettings,
    IpNetwork,
    ListenAddress,
    NumbersSettings,
    SipListen,
    SipSettings,
)
from trunkpulse.config.streams import destination_type, event_type, reason_code, webhook_url
from trunkpulse.config.values import (
    BUILT_IN_PROFILES,
    api_address,
    certificate_host,
    extra_headers,
    healthy_response,
    network,
    number_range,
    probe_target,
    profile_name,
    proxy_uri,
    public_address,
    sip_listen,
    sip_uri,
    source_address,
    sqlite_path,
)
from trunkpulse.config.wording import either
from trunkpulse.model import (
    Direction,
    EventType,
    IsolationPolicy,
    KeepalivePolicy,
    NumberRange,
    TransportProtocol,
    WhenNoneAvailable,
)

__all__ = [
    "EVEN_WEIGHT",
    "AdvancedEntry",
    "Allowed",
    "DestinationEntry",
    "Document",
    "IsolationEntry",
    "KeepaliveEntry",
    "LimitsEntry",
    "MetricsEntry",
    "NumbersEntry",
    "PacingEntry",
    "ProfileDocument",
    "RequiresEntry",
    "RouteEntry",
    "Section",
    "ServerTlsEntry",
    "StreamEntry",
    "TargetEntry",
    "TlsEntry",
    "TrunkEntry",
]


def _headers(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "not a table")
    return extra_headers(raw)


def _carriers(raw: object) -> tuple[tuple[str, float], ...]:
    if not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "not a table")
    return carrier_caps(raw)


def _per_trunk(raw: object) -> bool | Literal["auto"]:
    if raw == "auto":
        return "auto"
    if not isinstance(raw, bool):
        raise PydanticCustomError("per_trunk", "not a choice")
    return raw


_ID = 'a name of 1 to 128 letters, digits, ".", "_" and "-" that begins with a letter or digit'
_LABEL = "a text of 1 to 200 printable characters"
_USER_NAME = "a text of 1 to 128 printable characters"
_SECONDS = "a number of seconds from 0.1 to 3600"
_ATTEMPTS = "a whole number from 1 to 100"
_RANK = "a whole number from 1 to 65535"
_SWITCH = "true or false"
_DIRECTION = '"inbound", "outbound" or "both"'
_PEM = "the path of a PEM file in quotes"
_POLICY = KeepalivePolicy()
_ISOLATION = IsolationPolicy()
_SIP_URI = 'a SIP URI in quotes such as "sip:192.0.2.1:5060"'

_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
_Label = Annotated[str, Field(pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$", max_length=200)]
_Agent = Annotated[str, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,127}$")]
_Seconds = Annotated[float, Field(ge=0.1, le=3600)]
_Attempts = Annotated[int, Field(ge=1, le=100)]
_Path = Annotated[str, Field(pattern=r"^\P{C}+$", max_length=4096)]
_UserName = Annotated[str, Field(pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$", max_length=128)]
_Rank = Annotated[int, Field(ge=1, le=65535)]
EVEN_WEIGHT = 100
"""What a target weighs that does not say."""
# Strict mode would refuse TOML's lists and texts for tuples and enumerations.
_List = Field(strict=False)
_FilledList = Field(strict=False, min_length=1)
_Choice = Field(strict=False)


class InstanceEntry(Section):
    id: Annotated[_Id | None, Allowed(_ID)] = None
    region: Annotated[_Id, Allowed(_ID)] = "default"


class StorageEntry(Section):
    url: Annotated[
        str | None, text_of(sqlite_path), Allowed('a text such as "sqlite:///PATH"', secret=True)
    ] = None


class ApiEntry(Section):
    listen: Annotated[
        ListenAddress, text_of(api_address), Allowed('a text such as "127.0.0.1:8080"')
    ] = ApiSettings().listen


class MetricsEntry(Section):
    per_trunk: Annotated[
        bool | Literal["auto"], PlainValidator(_per_trunk), Allowed('"auto", true or false')
    ] = "auto"


class ServerTlsEntry(Section):
    cert_file: Annotated[_Path, Allowed(_PEM)]
    key_file: Annotated[_Path | None, Allowed(_PEM)] = None
    ca_file: Annotated[_Path | None, Allowed(_PEM)] = None


class SipEntry(Section):
    listen: Annotated[
        tuple[Annotated[SipListen, text_of(sip_listen)], ...],
        _List,
        Allowed("a list of addresses", each='a text such as "udp:127.0.0.1:5080"'),
    ] = SipSettings().listen
    tls: Annotated[
        ServerTlsEntry | None,
        Allowed('a table such as { cert_file = "me.pem", key_file = "me.key" }'),
    ] = None
    allow: Annotated[
        tuple[Annotated[IpNetwork, text_of(network)], ...],
        _List,
        Allowed("a list of IP networks", each='a text such as "127.0.0.0/8"'),
    ] = SipSettings().allow
    user_agent: Annotated[_Agent, Allowed("a text of 1 to 128 printable ASCII characters")] = (
        SipSettings().user_agent
    )


class IsolationEntry(Section):
    enabled: Annotated[bool, Allowed(_SWITCH)] = _ISOLATION.enabled
    failed_share: Annotated[
        float, Field(ge=0.5, le=1), Allowed("a share of the carriers from 0.5 to 1")
    ] = _ISOLATION.failed_share
    minimum_carriers: Annotated[int, Field(ge=2, le=16), Allowed("a whole number from 2 to 16")] = (
        _ISOLATION.minimum_carriers
    )
    hold_seconds: Annotated[
        float, Field(ge=1, le=86400), Allowed("a number of seconds from 1 to 86400")
    ] = _ISOLATION.hold_seconds


class PacingEntry(Section):
    probes_per_second: Annotated[
        float | None,
        Field(ge=FEWEST_PER_SECOND, le=MOST_PER_SECOND),
        Allowed("a number of probes a second from 0.01 to 1000000"),
    ] = None
    carriers: Annotated[
        tuple[tuple[str, float], ...],
        PlainValidator(_carriers),
        Allowed('a table such as { "acme" = 50 }'),
    ] = ()


class NumbersEntry(Section):
    rollup_trunks: Annotated[
        int, Field(ge=0, le=10_000), Allowed("a whole number from 0 to 10000")
    ] = NumbersSettings().rollup_trunks
    retention_days: Annotated[
        int, Field(ge=1, le=3650), Allowed("a whole number of days from 1 to 3650")
    ] = NumbersSettings().retention_days


class KeepaliveEntry(Section):
    """Both the defaults and a trunk's overrides: there, only what the file sets counts."""

    later = frozenset({"pause_on_active_calls"})

    enabled: Annotated[bool, Allowed(_SWITCH)] = _POLICY.enabled
    interval_seconds: Annotated[_Seconds, Allowed(_SECONDS)] = _POLICY.interval_seconds
    max_failed_attempts: Annotated[_Attempts, Allowed(_ATTEMPTS)] = _POLICY.max_failed_attempts
    min_successful_attempts: Annotated[_Attempts, Allowed(_ATTEMPTS)] = (
        _POLICY.min_successful_attempts
    )
    # 32 s is Timer F (RFC 3261 section 17.1.2.2): no answer can come after it.
    timeout_seconds: Annotated[
        float, Field(ge=0.1, le=32), Allowed("a number of seconds from 0.1 to 32")
    ] = _POLICY.timeout_seconds
    confirm_interval_seconds: Annotated[_Seconds, Allowed(_SECONDS)] = (
        _POLICY.confirm_interval_seconds
    )
    down_interval_seconds: Annotated[_Seconds, Allowed(_SECONDS)] = _POLICY.down_interval_seconds
    jitter: Annotated[
        float, Field(ge=0, le=0.5), Allowed("a share of the interval from 0 to 0.5")
    ] = _POLICY.jitter
    healthy_responses: Annotated[
        tuple[Annotated[str, text_of(healthy_response)], ...],
        _FilledList,
        Allowed(
            "a list of at least one status code or class",
            each='a text such as "200" or "2xx"',
        ),
    ] = _POLICY.healthy_responses


class TlsEntry(Section):
    """Of a trunk or of a profile; what the trunk sets wins, key by key."""

    verify: Annotated[bool, Allowed(_SWITCH)] = True
    ca_file: Annotated[_Path | None, Allowed(_PEM)] = None
    cert_file: Annotated[_Path | None, Allowed(_PEM)] = None
    key_file: Annotated[_Path | None, Allowed(_PEM)] = None
    server_name: Annotated[
        str | None, text_of(certificate_host), Allowed('a host name such as "sbc.example.com"')
    ] = None


class AdvancedEntry(Section):
    """Of a trunk or of a profile; what the trunk sets wins, key by key."""

    from_uri: Annotated[str | None, text_of(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    to_uri: Annotated[str | None, text_of(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    contact_uri: Annotated[str | None, text_of(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    request_uri: Annotated[str | None, text_of(sip_uri), Allowed(_SIP_URI, secret=True)] = None
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
    enable_nat: Annotated[bool, Allowed(_SWITCH)] = False
    advertised_address: Annotated[
        str | None, text_of(public_address), Allowed('a text such as "198.51.100.7"')
    ] = None
    username: Annotated[_UserName | None, Allowed(_USER_NAME)] = None
    password: Annotated[
        str | None,
        secret_of(sip_password),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None
    tls: Annotated[TlsEntry | None, Allowed('a table such as { ca_file = "ca.pem" }')] = None


class TargetEntry(Section):
    """A target that takes another share of the calls than its neighbours."""

    uri: Annotated[str, text_of(probe_target), Allowed(_SIP_URI, secret=True)]
    weight: Annotated[_Rank, Allowed(_RANK)] = EVEN_WEIGHT


class TrunkEntry(Section):
    id: Annotated[_Id, Allowed(_ID)]
    name: Annotated[_Label | None, Allowed(_LABEL)] = None
    direction: Annotated[Direction, _Choice, Allowed(_DIRECTION)] = Direction.BOTH
    region: Annotated[_Id | None, Allowed(_ID)] = None
    carrier: Annotated[_Label | None, Allowed(_LABEL)] = None
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
            each=f'{_SIP_URI}, or a table such as {{ uri = "sip:192.0.2.1:5060", weight = 50 }}',
            secret=True,
        ),
    ]
    min_available_targets: Annotated[
        int, Field(ge=1, le=64), Allowed("a whole number from 1 to the number of targets")
    ] = 1
    enabled: Annotated[bool, Allowed(_SWITCH)] = True
    keepalive: Annotated[KeepaliveEntry | None, Allowed("a table of overrides")] = None
    advanced: Annotated[AdvancedEntry | None, Allowed("a table")] = None


class RouteTrunkEntry(Section):
    id: Annotated[_Id, Allowed("the id of a trunk in quotes")]
    priority: Annotated[_Rank, Allowed(_RANK)] = 1
    weight: Annotated[_Rank, Allowed(_RANK)] = 100


class RouteEntry(Section):
    id: Annotated[_Id, Allowed(_ID)]
    direction: Annotated[Direction, _Choice, Allowed(_DIRECTION)] = Direction.OUTBOUND
    numbers: Annotated[
        tuple[Annotated[NumberRange, text_of(number_range)], ...],
        _List,
        Allowed("a list of E.164 prefixes and ranges", each='a text such as "+1"'),
    ] = ()
    regions: Annotated[
        tuple[_Id, ...], _List, Allowed("a list of regions", each="a region in quotes")
    ] = ()
    trunks: Annotated[
        tuple[RouteTrunkEntry, ...],
        _FilledList,
        Allowed(
            'a list of at least one trunk such as { id = "carrier-a", priority = 1 }',
            each='a table such as { id = "carrier-a", priority = 1 }',
        ),
    ]
    when_none_available: Annotated[WhenNoneAvailable, _Choice, Allowed('"fail" or "try_all"')] = (
        WhenNoneAvailable.FAIL
    )


class DestinationEntry(Section):
    type: Annotated[str, text_of(destination_type), Allowed('"webhook"')]
    url: Annotated[
        str,
        text_of(webhook_url),
        Allowed("a URL that begins with https:// or http://", secret=True),
    ]
    secret: Annotated[
        str | None,
        secret_of(webhook_secret),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None


class StreamEntry(Section):
    id: Annotated[_Id, Allowed(_ID)]
    name: Annotated[_Label | None, Allowed(_LABEL)] = None
    event_types: Annotated[
        tuple[Annotated[str, text_of(event_type)], ...],
        _FilledList,
        Allowed(
            "a list of at least one event type",
            each='a text such as "telephony.trunks.stateChange"',
        ),
    ] = (EventType.STATE_CHANGE.value,)
    trunks: Annotated[
        tuple[_Id, ...],
        _List,
        Allowed("a list of ids of trunks", each="the id of a trunk in quotes"),
    ] = ()
    reason_codes: Annotated[
        tuple[Annotated[str, text_of(reason_code)], ...],
        _FilledList,
        Allowed("a list of at least one reason", each='a text such as "NETWORK_ERROR"'),
    ] = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
    destination: Annotated[DestinationEntry, Allowed("a table with a type and a url")]


class Document(Section):
    instance: Annotated[InstanceEntry, Allowed("a table, begun with [instance]")] = InstanceEntry()
    storage: Annotated[StorageEntry, Allowed("a table, begun with [storage]")] = StorageEntry()
    api: Annotated[ApiEntry, Allowed("a table, begun with [api]")] = ApiEntry()
    metrics: Annotated[MetricsEntry, Allowed("a table, begun with [metrics]")] = MetricsEntry()
    sip: Annotated[SipEntry, Allowed("a table, begun with [sip]")] = SipEntry()
    pacing: Annotated[PacingEntry, Allowed("a table, begun with [pacing]")] = PacingEntry()
    numbers: Annotated[NumbersEntry, Allowed("a table, begun with [numbers]")] = NumbersEntry()
    isolation: Annotated[IsolationEntry, Allowed("a table, begun with [isolation]")] = (
        IsolationEntry()
    )
    keepalive: Annotated[KeepaliveEntry, Allowed("a table, begun with [keepalive]")] = (
        KeepaliveEntry()
    )
    trunks: Annotated[
        tuple[TrunkEntry, ...],
        _List,
        Allowed("a list of tables, each begun with [[trunks]]", each="a table"),
    ] = ()
    routes: Annotated[
        tuple[RouteEntry, ...],
        _List,
        Allowed("a list of tables, each begun with [[routes]]", each="a table"),
    ] = ()
    event_streams: Annotated[
        tuple[StreamEntry, ...],
        _List,
        Allowed("a list of tables, each begun with [[event_streams]]", each="a table"),
    ] = ()


class LimitsEntry(Section):
    minimum_interval_seconds: Annotated[_Seconds | None, Allowed(_SECONDS)] = None


class RequiresEntry(Section):
    scheme: Annotated[Literal["sip", "sips"] | None, Allowed('"sip" or "sips"')] = None
    transport: Annotated[TransportProtocol | None, _Choice, Allowed('"udp", "tcp" or "tls"')] = None
    tls_verify: Annotated[bool, Allowed(_SWITCH)] = False
    contact_is_fqdn: Annotated[bool, Allowed(_SWITCH)] = False
    from_at_contact_host: Annotated[bool, Allowed(_SWITCH)] = False


class ProfileDocument(Section):
    """The file of a profile."""

    description: Annotated[_Label, Allowed(_LABEL)]
    keepalive: Annotated[KeepaliveEntry, Allowed("a table, begun with [keepalive]")] = (
        KeepaliveEntry()
    )
    advanced: Annotated[AdvancedEntry, Allowed("a table, begun with [advanced]")] = AdvancedEntry()
    limits: Annotated[LimitsEntry, Allowed("a table, begun with [limits]")] = LimitsEntry()
    requires: Annotated[RequiresEntry, Allowed("a table, begun with [requires]")] = RequiresEntry()
