"""What may stand in the file: every section, key, default and limit.

These models live only while a file is loaded; what comes out of them are the frozen values of
``model`` and ``settings``. ``Allowed`` is for people: it completes the sentence "KEY must be …"
when a value is of the wrong kind or out of bounds. The functions of ``values`` phrase their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, ClassVar, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
)
from pydantic_core import PydanticCustomError

from trunkpulse.config.secrets import Secrets, webhook_secret
from trunkpulse.config.settings import ApiSettings, IpNetwork, ListenAddress, SipSettings
from trunkpulse.config.values import (
    api_address,
    destination_type,
    event_type,
    extra_headers,
    healthy_response,
    network,
    number_range,
    probe_target,
    reason_code,
    sip_address,
    sip_uri,
    source_address,
    sqlite_path,
    webhook_url,
)
from trunkpulse.model import Direction, KeepalivePolicy, NumberRange, WhenNoneAvailable

__all__ = [
    "AdvancedEntry",
    "Allowed",
    "DestinationEntry",
    "Document",
    "KeepaliveEntry",
    "RouteEntry",
    "Section",
    "StreamEntry",
    "TrunkEntry",
]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Allowed:
    """What is allowed at a key, for a person."""

    phrase: str
    """Completes "KEY must be …"."""
    each: str = ""
    """The same for one element of the list or table at this key."""
    secret: bool = False
    """True: what stands there is never repeated."""


def _text(parse: Callable[[str], T]) -> PlainValidator:
    """A text that ``parse`` turns into its value."""

    def validate(raw: object) -> T:
        if not isinstance(raw, str):
            raise PydanticCustomError("string_type", "not a text")
        return parse(raw)

    return PlainValidator(validate)


def _secret(parse: Callable[[str], str]) -> PlainValidator:
    """A pointer to a secret, which is looked up at once and handed to ``parse``."""

    def validate(raw: object, info: ValidationInfo) -> str:
        if not isinstance(raw, str) or not isinstance(info.context, Secrets):
            raise PydanticCustomError("string_type", "not a text")
        return parse(info.context.resolve(raw))

    return PlainValidator(validate)


def _headers(raw: object) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, dict):
        raise PydanticCustomError("dict_type", "not a table")
    return extra_headers(raw)


_ID = 'a name of 1 to 128 letters, digits, ".", "_" and "-" that begins with a letter or digit'
_LABEL = "a text of 1 to 200 printable characters"
_SECONDS = "a number of seconds from 0.1 to 3600"
_ATTEMPTS = "a whole number from 1 to 100"
_RANK = "a whole number from 1 to 65535"
_SWITCH = "true or false"
_DIRECTION = '"inbound", "outbound" or "both"'
_POLICY = KeepalivePolicy()
_SIP_URI = 'a SIP URI in quotes such as "sip:192.0.2.1:5060"'

_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$")]
_Label = Annotated[str, Field(pattern=r"^\P{C}*[^\p{C}\s]\P{C}*$", max_length=200)]
_Agent = Annotated[str, Field(pattern=r"^[\x21-\x7e][\x20-\x7e]{0,127}$")]
_Seconds = Annotated[float, Field(ge=0.1, le=3600)]
_Attempts = Annotated[int, Field(ge=1, le=100)]
_Rank = Annotated[int, Field(ge=1, le=65535)]
# Strict mode would refuse TOML's lists and texts for tuples and enumerations.
_List = Field(strict=False)
_FilledList = Field(strict=False, min_length=1)
_Choice = Field(strict=False)


class Section(BaseModel):
    """A table of the file."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)
    later: ClassVar[frozenset[str]] = frozenset()
    """Documented keys that this version cannot honour yet."""


class InstanceEntry(Section):
    id: Annotated[_Id | None, Allowed(_ID)] = None
    region: Annotated[_Id, Allowed(_ID)] = "default"


class StorageEntry(Section):
    url: Annotated[
        str | None, _text(sqlite_path), Allowed('a text such as "sqlite:///PATH"', secret=True)
    ] = None


class ApiEntry(Section):
    listen: Annotated[
        ListenAddress, _text(api_address), Allowed('a text such as "127.0.0.1:8080"')
    ] = ApiSettings().listen


class SipEntry(Section):
    listen: Annotated[
        tuple[Annotated[ListenAddress, _text(sip_address)], ...],
        _List,
        Allowed("a list of addresses", each='a text such as "udp:127.0.0.1:5080"'),
    ] = SipSettings().listen
    allow: Annotated[
        tuple[Annotated[IpNetwork, _text(network)], ...],
        _List,
        Allowed("a list of IP networks", each='a text such as "127.0.0.0/8"'),
    ] = SipSettings().allow
    user_agent: Annotated[_Agent, Allowed("a text of 1 to 128 printable ASCII characters")] = (
        SipSettings().user_agent
    )


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
        tuple[Annotated[str, _text(healthy_response)], ...],
        _FilledList,
        Allowed(
            "a list of at least one status code or class",
            each='a text such as "200" or "2xx"',
        ),
    ] = _POLICY.healthy_responses


class AdvancedEntry(Section):
    later = frozenset(
        {"outbound_proxy", "enable_nat", "advertised_address", "username", "password", "tls"}
    )

    from_uri: Annotated[str | None, _text(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    contact_uri: Annotated[str | None, _text(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    request_uri: Annotated[str | None, _text(sip_uri), Allowed(_SIP_URI, secret=True)] = None
    headers: Annotated[
        tuple[tuple[str, str], ...],
        PlainValidator(_headers),
        Allowed('a table such as { "X-Account" = "42" }', secret=True),
    ] = ()
    source: Annotated[
        ListenAddress | None, _text(source_address), Allowed('a text such as "192.0.2.7:5070"')
    ] = None


class TrunkEntry(Section):
    id: Annotated[_Id, Allowed(_ID)]
    name: Annotated[_Label | None, Allowed(_LABEL)] = None
    direction: Annotated[Direction, _Choice, Allowed(_DIRECTION)] = Direction.BOTH
    region: Annotated[_Id | None, Allowed(_ID)] = None
    carrier: Annotated[_Label | None, Allowed(_LABEL)] = None
    profile: Annotated[
        str,
        Field(pattern="^generic$"),
        Allowed('"generic", the only profile that this version has'),
    ] = "generic"
    targets: Annotated[
        tuple[Annotated[str, _text(probe_target)], ...],
        Field(strict=False, min_length=1, max_length=64),
        Allowed("a list of 1 to 64 SIP URIs", each=_SIP_URI, secret=True),
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
        tuple[Annotated[NumberRange, _text(number_range)], ...],
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
    type: Annotated[str, _text(destination_type), Allowed('"webhook"')]
    url: Annotated[
        str, _text(webhook_url), Allowed("a URL that begins with https:// or http://", secret=True)
    ]
    secret: Annotated[
        str | None,
        _secret(webhook_secret),
        Field(repr=False),
        Allowed('"env:NAME" or "file:PATH"', secret=True),
    ] = None


class StreamEntry(Section):
    id: Annotated[_Id, Allowed(_ID)]
    name: Annotated[_Label | None, Allowed(_LABEL)] = None
    event_types: Annotated[
        tuple[Annotated[str, _text(event_type)], ...],
        _FilledList,
        Allowed("a list of at least one event type", each='"telephony.trunks.stateChange"'),
    ] = ("telephony.trunks.stateChange",)
    trunks: Annotated[
        tuple[_Id, ...],
        _List,
        Allowed("a list of ids of trunks", each="the id of a trunk in quotes"),
    ] = ()
    reason_codes: Annotated[
        tuple[Annotated[str, _text(reason_code)], ...],
        _FilledList,
        Allowed("a list of at least one reason", each='a text such as "NETWORK_ERROR"'),
    ] = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
    destination: Annotated[DestinationEntry, Allowed("a table with a type and a url")]


class Document(Section):
    instance: Annotated[InstanceEntry, Allowed("a table, begun with [instance]")] = InstanceEntry()
    storage: Annotated[StorageEntry, Allowed("a table, begun with [storage]")] = StorageEntry()
    api: Annotated[ApiEntry, Allowed("a table, begun with [api]")] = ApiEntry()
    sip: Annotated[SipEntry, Allowed("a table, begun with [sip]")] = SipEntry()
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
