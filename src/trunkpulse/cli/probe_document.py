"""The report of a baseline test as a JSON document, for other programs."""

from __future__ import annotations

from collections.abc import Sequence

from trunkpulse.cli.diagnosis import all_healthy, diagnose, in_short, verdict
from trunkpulse.cli.probe_advice import Recommendation, combined, recommend, trunk_toml
from trunkpulse.cli.probe_certificate import days_left, verification
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan, place
from trunkpulse.cli.probe_statistics import RoundTrips
from trunkpulse.cli.probe_trace import masked
from trunkpulse.config.wording import printable

__all__ = ["interrupted_document", "probe_document"]

_Object = dict[str, object]


def probe_document(plan: ProbePlan, servers: Sequence[ProbedServer], now_ms: int) -> _Object:
    """The whole report. Of a single server its facts stand at the top level as well."""
    attempts = [attempt for server in servers for attempt in server.attempts]
    advice = combined(recommend(server, plan) for server in servers)
    documents = [_server(server, plan, now_ms) for server in servers]
    document: _Object = {
        "target": str(plan.uri),
        "healthy": all_healthy(servers),
        "verdict": verdict(attempts).value,
        "diagnosis": list(
            dict.fromkeys(
                printable(finding.sentence)
                for server in servers
                for finding in diagnose(server, plan, now_ms)
            )
        ),
        "recommendedKeepalive": advice and _keepalive(advice),
        "recommendedTrunk": advice and trunk_toml(plan, advice),
    }
    if len(documents) == 1:
        document = {"target": document["target"], **documents[0], **document}
    return {**document, "servers": documents}


def interrupted_document(plan: ProbePlan, under_way: int) -> _Object:
    """The report of a test that was ended before any attempt had; so many were ``under_way``."""
    return {
        "target": str(plan.uri),
        "healthy": False,
        "verdict": "interrupted",
        "diagnosis": [in_short(under_way)],
        "recommendedKeepalive": None,
        "recommendedTrunk": None,
        "servers": [],
    }


def _server(server: ProbedServer, plan: ProbePlan, now_ms: int) -> _Object:
    trips = RoundTrips.of(server.attempts)
    findings = diagnose(server, plan, now_ms)
    far_side = server.far_side
    advice = recommend(server, plan)
    return {
        "address": place(server.address),
        "protocol": server.protocol.value,
        "priority": server.server.priority,
        "weight": server.server.weight,
        "source": place(server.local),
        "healthy": all(attempt.healthy for attempt in server.attempts),
        "verdict": verdict(server.attempts).value,
        "diagnosis": [printable(each.sentence) for each in findings],
        "findings": [
            {
                "code": each.code,
                "severity": each.severity.value,
                "sentence": printable(each.sentence),
            }
            for each in findings
        ],
        "sent": len(server.attempts),
        "answered": server.answered,
        "lossPercent": round(server.lost_percent, 1),
        "retransmissions": sum(attempt.retransmissions for attempt in server.attempts),
        "lateAnswers": len(server.late_seconds) + server.duplicates,
        "duplicateAnswers": server.duplicates,
        "rttMs": trips
        and {
            "min": _milliseconds(trips.least),
            "average": _milliseconds(trips.average),
            "p95": _milliseconds(trips.p95),
            "max": _milliseconds(trips.most),
            "measuredAttempts": trips.measured,
            "fromFirstSend": trips.from_first_send,
        },
        "jitterMs": trips and _milliseconds(trips.jitter),
        "connections": _connections(server),
        "certificate": _certificate(server, plan, now_ms),
        "farSide": {
            "software": far_side.software and printable(far_side.software),
            "allow": [printable(each) for each in far_side.allow],
            "accept": [printable(each) for each in far_side.accept],
            "supported": [printable(each) for each in far_side.supported],
            "contacts": [printable(each) for each in far_side.contacts],
        },
        "echo": None
        if server.echo is None
        else [
            {
                "name": printable(each.name),
                "sent": each.sent and printable(masked(each.sent)),
                "arrived": each.arrived and printable(masked(each.arrived)),
                "ordinary": each.ordinary,
            }
            for each in server.echo
        ],
        "recommendedKeepalive": advice and _keepalive(advice),
        "attempts": [_attempt(attempt) for attempt in server.attempts],
    }


def _keepalive(advice: Recommendation) -> _Object:
    return {
        "intervalSeconds": advice.interval_seconds,
        "timeoutSeconds": advice.timeout_seconds,
        "healthyResponses": list(advice.healthy_responses),
    }


def _connections(server: ProbedServer) -> _Object | None:
    if not server.protocol.reliable:
        return None
    opened, reused = server.connections
    times = [each.connect_seconds for each in server.attempts if each.connect_seconds is not None]
    return {
        "opened": opened,
        "reused": reused,
        "connectMs": _milliseconds(max(times, default=None)),
    }


def _certificate(server: ProbedServer, plan: ProbePlan, now_ms: int) -> _Object | None:
    certificate = server.certificate
    if certificate is None:
        return None
    problem = verification(server, plan)
    return {
        "subject": printable(certificate.subject),
        "names": [printable(name) for name in certificate.names],
        "issuer": printable(certificate.issuer),
        "notBefore": certificate.not_before_ms,
        "notAfter": certificate.not_after_ms,
        "daysLeft": days_left(certificate, now_ms),
        "verified": problem is None,
        "problem": problem and printable(problem),
        "tlsVersion": certificate.protocol,
        "cipher": certificate.cipher,
    }


def _attempt(attempt: ProbedAttempt) -> _Object:
    source = attempt.answered_from
    return {
        "number": attempt.number,
        "at": attempt.ended_ms,
        "healthy": attempt.healthy,
        "code": attempt.code,
        "reasonPhrase": printable(attempt.reason_phrase),
        "rttMs": _milliseconds(attempt.rtt_seconds),
        "retransmissions": attempt.retransmissions,
        "challenges": attempt.challenges,
        "connectMs": _milliseconds(attempt.connect_seconds),
        "provisionalMs": _milliseconds(attempt.provisional_seconds),
        "failure": attempt.failure,
        "detail": printable(attempt.detail) or None,
        "answeredFrom": source and place(source),
        "seenAs": attempt.seen_as,
        "software": attempt.software and printable(attempt.software),
        "retryAfter": attempt.retry_after and printable(attempt.retry_after),
        "droppedAnswers": attempt.dropped_answers,
    }


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
