"""The trunk that follows from a baseline test, ready to paste into a configuration file."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trunkpulse.cli.probe_facts import ProbedServer, ProbePlan
from trunkpulse.cli.probe_statistics import RoundTrips, p95, sent_at_seconds
from trunkpulse.model import ProbeIdentity, TlsSettings
from trunkpulse.sip.grammar import find_parameter, host_and_port
from trunkpulse.sip.middlebox import Severity
from trunkpulse.sip.status import ALIVE_CODES
from trunkpulse.sip.transaction import T1_SECONDS
from trunkpulse.sip.uri import SipUri

__all__ = ["ALIVE_CODES", "CHALLENGES", "Recommendation", "combined", "recommend", "trunk_toml"]

CHALLENGES: Final = frozenset({401, 407})

_INTERVAL_SECONDS: Final = 30.0
_RETRANSMISSIONS: Final = 3
"""So many packets in a row may get lost before an attempt fails for it."""
_LONGEST_TIMEOUT_SECONDS: Final = 32.0
_NO_ID_CHARACTERS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_BARE_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")
_LONGEST_HOST_IN_ID: Final = 110
"""An id has up to 128 characters, and a port and a transport may follow."""
_NOT_VERIFIED: Final = """\
# The certificate was not verified (--insecure). The service verifies it: if it is of a private
# authority, say which one with tls.ca_file; if it is for another name, with tls.server_name."""


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Settings that fit what was seen."""

    interval_seconds: float
    timeout_seconds: float
    healthy_responses: tuple[str, ...]
    enable_nat: bool = False
    """True if the far side sees us elsewhere than our Contact says."""

    def toml(self) -> str:
        """The keepalive settings, as the table of a trunk."""
        return (
            "[trunks.keepalive]\n"
            f"interval_seconds = {self.interval_seconds:g}\n"
            f"timeout_seconds = {self.timeout_seconds:g}\n"
            f"healthy_responses = {_toml(self.healthy_responses)}"
        )


def recommend(server: ProbedServer, plan: ProbePlan) -> Recommendation | None:
    """Settings under which this server counts as alive; None if it should not.

    A challenge shows life to somebody who was asked for the first time. To somebody who has given
    credentials it says that they are wrong: counted as healthy, it would hide just that.

    The time-out leaves room for three retransmissions and twice the usual round trip. Where every
    attempt was sent again, the round trip is taken from the last of these sends, or the waiting
    before it would count twice; the answers that were seen, late ones too, still fit into it.
    """
    attempts = server.attempts
    trips = RoundTrips.of(attempts)
    refusals = {attempt.code for attempt in attempts if attempt.code and not attempt.healthy}
    harmless = ALIVE_CODES if plan.identity.credentials is None else ALIVE_CODES - CHALLENGES
    if trips is None or not refusals <= harmless:
        return None
    trip, slowest = trips.p95, max((late + T1_SECONDS for late in server.late_seconds), default=0.0)
    if trips.from_first_send:
        trip = p95(
            sorted(
                max(0.0, each.rtt_seconds - sent_at_seconds(each.retransmissions))
                for each in attempts
                if each.rtt_seconds is not None
            )
        )
        slowest = max(slowest, trips.p95 + T1_SECONDS)
    needed = max(sent_at_seconds(_RETRANSMISSIONS) + 2 * trip, slowest)
    timeout = min(_LONGEST_TIMEOUT_SECONDS, math.ceil(needed * 2) / 2)
    responses = ("2xx", *(str(code) for code in sorted(filter(None, refusals))))
    nat = any(
        each.code in {"behind-nat", "nat-port"} and each.severity is Severity.WARNING
        for each in server.findings()
    )
    return Recommendation(_INTERVAL_SECONDS, timeout, responses, nat)


def combined(recommendations: Iterable[Recommendation | None]) -> Recommendation | None:
    """Settings under which all of these servers count as alive; those that cannot are left out."""
    alive = [each for each in recommendations if each is not None]
    if not alive:
        return None
    codes = {response for each in alive for response in each.healthy_responses}
    return Recommendation(
        _INTERVAL_SECONDS,
        max(each.timeout_seconds for each in alive),
        ("2xx", *sorted(codes - {"2xx"})),
        any(each.enable_nat for each in alive),
    )


def trunk_toml(plan: ProbePlan, recommendation: Recommendation) -> str:
    """A trunk that is probed as ``plan`` was, with the recommended settings.

    It verifies certificates even if ``plan`` does not: what lets a test pass is no setting to
    take into service unseen.
    """
    lines = [] if plan.identity.tls.verify else [_NOT_VERIFIED]
    lines += [
        "[[trunks]]",
        f"id = {_toml(_trunk_id(plan.uri))}",
        f"targets = [{_toml(str(plan.uri))}]",
        "",
        recommendation.toml(),
    ]
    advanced = [
        f"{key} = {_toml(value)}"
        for key, value in _advanced(plan, enable_nat=recommendation.enable_nat)
    ]
    if advanced:
        lines += ["", "[trunks.advanced]", *advanced]
    return "\n".join(lines)


def _trunk_id(uri: SipUri) -> str:
    """``192.0.2.1-5061``, ``ipv6-2001-db8-1``, ``sbc.example.com-tls``: what the URI says."""
    host = _NO_ID_CHARACTERS.sub("-", uri.host).strip("-._")[:_LONGEST_HOST_IN_ID]
    named = find_parameter(uri.parameters, "transport")
    parts = (
        "ipv6" if ":" in uri.host else "",
        host or "any",
        "" if uri.port is None else str(uri.port),
        (named or "").lower(),
    )
    return "-".join(filter(None, parts))


_Value = str | bool | int | tuple[str, ...] | dict[str, str]


def _advanced(plan: ProbePlan, *, enable_nat: bool) -> Iterator[tuple[str, _Value]]:
    identity = plan.identity
    for key, value in (
        ("from_uri", identity.from_uri),
        ("to_uri", identity.to_uri),
        ("contact_uri", identity.contact_uri),
        ("request_uri", identity.request_uri),
        ("outbound_proxy", identity.outbound_proxy),
    ):
        if value is not None:
            yield key, value
    if identity.headers:
        yield "headers", dict(identity.headers)
    if identity.max_forwards != ProbeIdentity().max_forwards:
        yield "max_forwards", identity.max_forwards
    if identity.source is not None:
        host, port = identity.source
        yield "source", host_and_port(host, port) if port else host
    if enable_nat or identity.enable_nat:
        yield "enable_nat", True
    if identity.credentials is not None:
        yield "username", identity.credentials.username
        yield "password", plan.password_from
    tls: dict[str, str] = dict(_tls(identity.tls))
    if tls:
        yield "tls", tls


def _tls(tls: TlsSettings) -> Iterator[tuple[str, str]]:
    for key in ("ca_file", "cert_file", "key_file", "server_name"):
        value: str | None = getattr(tls, key)
        if value is not None:
            yield key, value


def _toml(value: _Value | Sequence[str]) -> str:
    """A value as TOML writes it; JSON's texts and numbers are TOML's too."""
    if isinstance(value, dict):
        pairs = (f"{_key(key)} = {_toml(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    if isinstance(value, str | bool | int):
        return json.dumps(value, ensure_ascii=False)
    return f"[{', '.join(_toml(each) for each in value)}]"


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else _toml(name)
