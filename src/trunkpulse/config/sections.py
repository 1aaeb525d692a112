"""The sections of one instance: who it is, where it listens and keeps things, how it goes about it.

What it probes, routes and tells is in ``schema``.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from trunkpulse.config.caps import FEWEST_PER_SECOND, MOST_PER_SECOND, carrier_caps
from trunkpulse.config.kinds import ID, PEM, SWITCH, Agent, Id, List, Path
from trunkpulse.config.section import Allowed, Section, secret_of, text_of
from trunkpulse.config.settings import (
    ApiSettings,
    IpNetwork,
    ListenAddress,
    NumbersSettings,
    OutboundSettings,
    SipListen,
    SipSettings,
)
from trunkpulse.config.values import (
    api_address,
    network,
    sip_listen,
    sqlite_path,
)
from trunkpulse.config.web_values import (
    host_name,
    proxy_network,
    scrape_token,
    service_url,
    web_origin,
)
from trunkpulse.model import (
    IsolationPolicy,
)

__all__ = [
    "ApiEntry",
    "IdentityEntry",
    "InstanceEntry",
    "IsolationEntry",
    "MetricsEntry",
    "NumbersEntry",
    "OutboundEntry",
    "PacingEntry",
    "ServerTlsEntry",
    "SipEntry",
    "StorageEntry",
]

_ISOLATION = IsolationPolicy()
Few = Field(strict=False, max_length=64)


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


class InstanceEntry(Section):
    id: Annotated[Id | None, Allowed(ID)] = None
    region: Annotated[Id, Allowed(ID)] = "default"


class StorageEntry(Section):
    url: Annotated[
        str | None, text_of(sqlite_path), Allowed('a text such as "sqlite:///PATH"', secret=True)
    ] = None


class IdentityEntry(Section):
    cert_file: Annotated[Path, Allowed(PEM)]
    key_file: Annotated[Path | None, Allowed(PEM)] = None


class ServerTlsEntry(IdentityEntry):
    ca_file: Annotated[Path | None, Allowed(PEM)] = None


class ApiEntry(Section):
    listen: Annotated[
        ListenAddress, text_of(api_address), Allowed('a text such as "127.0.0.1:8080"')
    ] = ApiSettings().listen
    public_url: Annotated[
        str | None, text_of(service_url), Allowed('a text such as "https://trunkpulse.example.com"')
    ] = None
    token_lifetime_seconds: Annotated[
        int, Field(ge=60, le=3600), Allowed("a whole number of seconds from 60 to 3600")
    ] = ApiSettings().token_lifetime_seconds
    requests_per_second: Annotated[
        float, Field(ge=1, le=100_000), Allowed("a number of requests a second from 1 to 100000")
    ] = ApiSettings().requests_per_second
    burst: Annotated[
        int, Field(ge=1, le=1_000_000), Allowed("a whole number of requests from 1 to 1000000")
    ] = ApiSettings().burst
    tls: Annotated[
        IdentityEntry | None,
        Allowed('a table such as { cert_file = "me.pem", key_file = "me.key" }'),
    ] = None
    hosts: Annotated[
        tuple[Annotated[str, text_of(host_name)], ...],
        Few,
        Allowed("a list of up to 64 names", each='a text such as "trunkpulse.example.com"'),
    ] = ApiSettings().hosts
    trusted_proxies: Annotated[
        tuple[Annotated[IpNetwork, text_of(proxy_network)], ...],
        Few,
        Allowed("a list of up to 64 IP networks", each='a text such as "10.20.0.0/16"'),
    ] = ApiSettings().trusted_proxies
    allowed_origins: Annotated[
        tuple[Annotated[str, text_of(web_origin)], ...],
        Few,
        Allowed("a list of up to 64 origins", each='a text such as "https://noc.example.com"'),
    ] = ApiSettings().allowed_origins


class MetricsEntry(Section):
    per_trunk: Annotated[
        bool | Literal["auto"], PlainValidator(_per_trunk), Allowed('"auto", true or false')
    ] = "auto"
    token: Annotated[
        str | None, secret_of(scrape_token), Allowed('a text such as "env:NAME"', secret=True)
    ] = None


class SipEntry(Section):
    listen: Annotated[
        tuple[Annotated[SipListen, text_of(sip_listen)], ...],
        List,
        Allowed("a list of addresses", each='a text such as "udp:127.0.0.1:5080"'),
    ] = SipSettings().listen
    tls: Annotated[
        ServerTlsEntry | None,
        Allowed('a table such as { cert_file = "me.pem", key_file = "me.key" }'),
    ] = None
    allow: Annotated[
        tuple[Annotated[IpNetwork, text_of(network)], ...],
        List,
        Allowed("a list of IP networks", each='a text such as "127.0.0.0/8"'),
    ] = SipSettings().allow
    user_agent: Annotated[Agent, Allowed("a text of 1 to 128 printable ASCII characters")] = (
        SipSettings().user_agent
    )
    calls_per_second: Annotated[
        float, Field(ge=1, le=1_000_000), Allowed("a number of calls a second from 1 to 1000000")
    ] = SipSettings().calls_per_second
    redirect_code: Annotated[Literal[300, 302], Allowed("300 or 302")] = 302


class IsolationEntry(Section):
    enabled: Annotated[bool, Allowed(SWITCH)] = _ISOLATION.enabled
    failed_share: Annotated[
        float, Field(ge=0.5, le=1), Allowed("a share of the carriers from 0.5 to 1")
    ] = _ISOLATION.failed_share
    minimum_carriers: Annotated[int, Field(ge=2, le=16), Allowed("a whole number from 2 to 16")] = (
        _ISOLATION.minimum_carriers
    )
    hold_seconds: Annotated[
        float, Field(ge=1, le=86400), Allowed("a number of seconds from 1 to 86400")
    ] = _ISOLATION.hold_seconds


class OutboundEntry(Section):
    allow: Annotated[
        tuple[Annotated[IpNetwork, text_of(network)], ...],
        List,
        Allowed("a list of IP networks", each='a text such as "10.20.0.0/16"'),
    ] = OutboundSettings().allow


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
