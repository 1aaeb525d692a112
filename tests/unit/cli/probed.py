"""Attempts and servers as a baseline test would have found them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan
from trunkpulse.model import FailureKind, ProbeIdentity, TransportProtocol
from trunkpulse.ports import Address, Server
from trunkpulse.sip.uri import SipUri

FAR: Address = ("192.0.2.1", 5060)
LOCAL: Address = ("10.0.0.5", 40_000)

PLAIN = ProbeIdentity()
ANSWERED = ProbedAttempt(
    number=1,
    ended_ms=0,
    code=200,
    reason_phrase="Phrase",
    rtt_seconds=0.02,
    answered_from=FAR,
)


def answered(code: int = 200, rtt: float = 0.02, resent: int = 0) -> ProbedAttempt:
    return replace(
        ANSWERED,
        code=code,
        rtt_seconds=rtt,
        retransmissions=resent,
        retry_after="30" if code == 503 else None,
    )


def failed(kind: FailureKind, detail: str = "no final answer within 4 s") -> ProbedAttempt:
    return ProbedAttempt(number=1, ended_ms=0, failure=kind, detail=detail)


SILENCE = failed(FailureKind.TIMEOUT)
REFUSAL = failed(FailureKind.REFUSED, "Connection refused")
NO_ROUTE = failed(FailureKind.UNREACHABLE, "No route to host")


def server(
    attempts: Sequence[ProbedAttempt], protocol: TransportProtocol = TransportProtocol.UDP
) -> ProbedServer:
    return ProbedServer(server=Server(protocol, FAR), local=LOCAL, attempts=list(attempts))


def plan(
    uri: str = "sip:sbc.example.com", identity: ProbeIdentity = PLAIN, *, timeout: float = 4
) -> ProbePlan:
    return ProbePlan(
        uri=SipUri.parse(uri),
        count=5,
        interval_seconds=1,
        timeout_seconds=timeout,
        identity=identity,
    )
