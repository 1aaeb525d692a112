"""What a baseline test means: a verdict, and what was noticed with what to do about it.

Pure: attempts in, words out. The words are for somebody who is connecting a carrier and does not
know yet whether the fault is the firewall's, the carrier's or their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

from trunkpulse.adapters.network.obstacles import SHAKING_HANDS
from trunkpulse.cli.output import amount
from trunkpulse.cli.probe_advice import ALIVE_CODES, CHALLENGES
from trunkpulse.cli.probe_certificate import on_certificate, on_tls_failure
from trunkpulse.cli.probe_codes import CODE_CLASSES, CODES
from trunkpulse.cli.probe_credentials import on_credentials
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan, place, share_of
from trunkpulse.cli.probe_statistics import RoundTrips
from trunkpulse.model import FailureKind, TransportProtocol
from trunkpulse.sip.errors import MalformedHeader
from trunkpulse.sip.middlebox import Finding, Severity, sip_alg
from trunkpulse.sip.retry_after import RetryAfter
from trunkpulse.sip.transaction import T1_SECONDS

__all__ = ["Verdict", "all_healthy", "diagnose", "in_short", "in_words", "verdict"]

_LONGEST_TIMEOUT_SECONDS: Final = 32.0
_HIGH_JITTER_SECONDS: Final = 0.03
"""What is commonly asked of a line that carries speech."""
_JITTER_NEEDS: Final = 4
"""So many round trips before their jitter means anything."""


class Verdict(StrEnum):
    """What a baseline test came to."""

    HEALTHY = "healthy"
    UNRELIABLE = "unreliable"
    REJECTED = "rejected"
    REWRITTEN = "rewritten"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    UNCONNECTED = "unconnected"
    BROKEN_OFF = "broken_off"
    UNSECURED = "unsecured"
    GARBLED = "garbled"


_WORDS: Final = {
    Verdict.HEALTHY: "Healthy: every attempt was answered 2xx.",
    Verdict.UNRELIABLE: "Unreliable: some attempts were answered 2xx, others were not.",
    Verdict.REJECTED: "Not healthy: it answers, but never 2xx.",
    Verdict.REWRITTEN: "Not healthy: answers come, but changed on the way so that none fits.",
    Verdict.SILENT: "Not healthy: nothing ever came back.",
    Verdict.REFUSED: "Not healthy: the port is closed.",
    Verdict.UNREACHABLE: "Not healthy: the network does not get there.",
    Verdict.UNCONNECTED: "Not healthy: no connection could be made.",
    Verdict.BROKEN_OFF: "Not healthy: the connection ends before an answer comes.",
    Verdict.UNSECURED: "Not healthy: no secure connection could be made.",
    Verdict.GARBLED: "Not healthy: what comes back is no SIP.",
}
_OF_FAILURES: Final = {
    FailureKind.REFUSED: Verdict.REFUSED,
    FailureKind.UNREACHABLE: Verdict.UNREACHABLE,
    FailureKind.CONNECT_TIMEOUT: Verdict.UNCONNECTED,
    FailureKind.RESET: Verdict.BROKEN_OFF,
    FailureKind.TLS: Verdict.UNSECURED,
    FailureKind.MALFORMED: Verdict.GARBLED,
}
_ORDER: Final = (Severity.FAULT, Severity.WARNING, Severity.NOTE)


def verdict(attempts: Sequence[ProbedAttempt]) -> Verdict:
    """What these attempts, at least one, come to."""
    healthy = sum(attempt.healthy for attempt in attempts)
    if healthy:
        return Verdict.HEALTHY if healthy == len(attempts) else Verdict.UNRELIABLE
    if any(attempt.code is not None for attempt in attempts):
        return Verdict.REJECTED
    if any(attempt.dropped_answers for attempt in attempts):
        return Verdict.REWRITTEN
    kinds = Counter(
        FailureKind.TLS if _hung_in_handshake(attempt) else attempt.failure for attempt in attempts
    )
    return _OF_FAILURES.get(kinds.most_common(1)[0][0] or FailureKind.TIMEOUT, Verdict.SILENT)


def _hung_in_handshake(attempt: ProbedAttempt) -> bool:
    """True if a connection stood, but the far side did not go on to secure it."""
    return attempt.failure is FailureKind.CONNECT_TIMEOUT and attempt.detail.startswith(
        SHAKING_HANDS
    )


def all_healthy(servers: Sequence[ProbedServer]) -> bool:
    """True if every attempt at every server was answered well; each has had at least one."""
    return all(verdict(server.attempts) is Verdict.HEALTHY for server in servers)


def in_words(attempts: Sequence[ProbedAttempt]) -> str:
    """The verdict on these attempts, at least one, as a plain sentence."""
    found = verdict(attempts)
    if found is Verdict.HEALTHY and any(attempt.code == 483 for attempt in attempts):
        return "Healthy: the next hop is alive, it answered every probe that may go no further."
    return _WORDS[found]


def in_short(under_way: int) -> str:
    """A test that was ended before any attempt had; so many had been sent, to one server each."""
    if not under_way:
        return "Interrupted; nothing was sent yet."
    return f"Interrupted; {under_way} sent, none answered yet."


def diagnose(probed: ProbedServer, plan: ProbePlan, now_ms: int) -> list[Finding]:
    """What was noticed and what to do about it, the weightiest first."""
    seen = probed.findings()
    alg = sip_alg(seen)
    findings = [
        *([alg] if alg else []),
        *_on_failures(probed, plan),
        *_on_codes(probed.attempts, plan),
        *on_credentials(probed.attempts, plan),
        *_on_times(probed, plan),
        *_on_losses(probed),
        *_on_sources(probed),
        *_on_connections(probed),
        *on_certificate(probed, plan, now_ms),
        *(each for each in seen if each.evidence is None),
    ]
    return sorted(findings, key=lambda each: _ORDER.index(each.severity))


def _on_failures(probed: ProbedServer, plan: ProbePlan) -> Iterator[Finding]:
    attempts, tls = probed.attempts, plan.identity.tls
    for kind, count in probed.failures().most_common():
        share = share_of(count, attempts)
        detail = next(attempt.detail for attempt in attempts if attempt.failure is kind)
        if kind is FailureKind.TLS:
            yield on_tls_failure(detail, share, tls)
        elif kind is FailureKind.TIMEOUT:
            yield from _on_silence(probed, count)
        elif any(map(_hung_in_handshake, attempts)) and kind is FailureKind.CONNECT_TIMEOUT:
            yield Finding(
                "tls-not-answered",
                Severity.FAULT,
                f"The connection to {place(probed.address)} stands{share}, but {SHAKING_HANDS}: the"
                " port may not speak TLS, so try ;transport=tcp, or name the port of TLS, usually"
                " 5061.",
            )
        else:
            sentence = _NETWORK.get(kind, "The network gave the probe back{share}: {detail}; check"
                                    " routes and firewalls.")  # fmt: skip
            others = [each.value.upper() for each in TransportProtocol if each != probed.protocol]
            yield Finding(
                kind.value.replace("_", "-"),
                Severity.FAULT,
                sentence.format(
                    where=place(probed.address),
                    share=share,
                    detail=detail,
                    Detail=detail[:1].upper() + detail[1:].removesuffix(_MAY_WANT_CERTIFICATE),
                    others=" or ".join(others),
                    ours=probed.protocol.value.upper(),
                    wanted=_WANTED[probed.protocol]
                    if tls.cert_file is None
                    else f"another certificate than {tls.cert_file}",
                ),
            )


_NETWORK: Final = {
    FailureKind.REFUSED: "Nothing listens on {where}{share}; check the port, whether the far side"
    " runs, and whether it wants {others} instead of {ours}.",
    FailureKind.CONNECT_TIMEOUT: "No connection to {where} came about in time{share}; a"
    " firewall may drop what we send, or the address or port may be wrong.",
    FailureKind.RESET: "{Detail}{share}; the far side may not know our address, may want {wanted},"
    " or a firewall cuts connections.",
    FailureKind.MALFORMED: "What came over the connection is no SIP{share}: {detail}; the port may"
    " be another service's, or speak TLS.",
    FailureKind.DNS: "The name could not be resolved{share}: {detail}; check the spelling of the"
    " host and the DNS.",
}


_MAY_WANT_CERTIFICATE: Final = "; it may want a client certificate"
"""The transport guesses so as well; the advice says how to give it one."""
_WANTED: Final = {
    TransportProtocol.UDP: "another transport",
    TransportProtocol.TCP: "TLS there",
    TransportProtocol.TLS: "a certificate of ours that it knows (--cert-file)",
}


def _on_silence(probed: ProbedServer, count: int) -> Iterator[Finding]:
    attempts = probed.attempts
    silent = [attempt for attempt in attempts if attempt.failure is FailureKind.TIMEOUT]
    if any(attempt.dropped_answers for attempt in silent):
        return  # what came is told instead
    if any(attempt.provisional_seconds is not None for attempt in silent):
        yield Finding(
            "never-final",
            Severity.FAULT,
            f"It said that it is trying (1xx) but gave no final answer in time"
            f"{share_of(count, attempts)}: it is there, what it asks in turn is slow or gone; ask"
            " the carrier about its upstream, and try a longer --timeout.",
        )
    elif count < len(attempts):
        yield Finding(
            "lost",
            Severity.FAULT,
            f"No answer came in time{share_of(count, attempts)}; calls would fail now and then too,"
            " so look for packet loss or an overloaded far side.",
        )
    elif probed.protocol.reliable:
        yield Finding(
            "silent",
            Severity.FAULT,
            "The connection stands, but there was no answer at all: the far side may ignore OPTIONS"
            " from sources that it does not know; ask it to allow the address that the probe comes"
            " from.",
        )
    else:
        yield Finding(
            "silent",
            Severity.FAULT,
            "There was no answer at all: a firewall may drop the probe or its answer, the"
            " address or port may be wrong, or the carrier may ignore OPTIONS from sources"
            " that it does not know; ask it to allow the address that the probe comes from.",
        )


def _on_codes(attempts: Sequence[ProbedAttempt], plan: ProbePlan) -> Iterator[Finding]:
    codes = Counter(attempt.code for attempt in attempts if attempt.code and not attempt.healthy)
    for code, count in codes.most_common():
        if code in CHALLENGES and plan.identity.credentials is not None:
            continue
        first = next(attempt for attempt in attempts if attempt.code == code)
        answer = f"{code} {first.reason_phrase}".rstrip()
        meaning = CODES.get(code) or CODE_CLASSES.get(code // 100, "--trace shows what it says")
        if code in CHALLENGES:
            meaning += "; give them with --username, or count this answer as healthy"
        yield Finding(
            f"answers-{code}",
            Severity.WARNING if code in ALIVE_CODES else Severity.FAULT,
            f"It answers {answer}{share_of(count, attempts)}: {meaning}{_wait(first)}.",
        )


def _wait(attempt: ProbedAttempt) -> str:
    if not attempt.retry_after:
        return ""
    try:
        seconds = RetryAfter.parse(attempt.retry_after).seconds
    except MalformedHeader:
        return f"; it asks to be left alone for a while (Retry-After: {attempt.retry_after})"
    return f"; it asks to be left alone for {seconds} s, in which the service does not probe it"


def _on_times(probed: ProbedServer, plan: ProbePlan) -> Iterator[Finding]:
    if probed.late_seconds:
        slowest = max(probed.late_seconds)
        advice = f"raise timeout_seconds above {slowest:.1f}, and --timeout to see more"
        if slowest >= _LONGEST_TIMEOUT_SECONDS:
            advice = "no time-out may be that long, so ask the carrier"
        yield Finding(
            "late",
            Severity.FAULT,
            f"{amount(len(probed.late_seconds), 'answer')} came too late, the slowest after"
            f" {slowest:.1f} s, while an attempt may take {plan.timeout_seconds:g} s: {advice}.",
        )
    slow = [
        attempt
        for attempt in probed.attempts
        if attempt.provisional_seconds is not None
        and attempt.rtt_seconds is not None
        and attempt.rtt_seconds > T1_SECONDS
    ]
    if slow:
        longest = max(attempt.rtt_seconds or 0.0 for attempt in slow)
        yield Finding(
            "slow-upstream",
            Severity.WARNING,
            f"It says at once that it is trying (1xx), but its final answer takes up to"
            f" {longest:.1f} s: what it asks in turn is slow. timeout_seconds must be longer.",
        )
    trips = RoundTrips.of(probed.attempts)
    if trips is None:
        return
    if trips.most > plan.timeout_seconds / 2 and not slow:
        yield Finding(
            "slow",
            Severity.WARNING,
            f"Answers take up to {trips.most:.1f} s of the {plan.timeout_seconds:g} s that an"
            " attempt may take: raise timeout_seconds, or a busy hour looks like an outage.",
        )
    jitter = trips.jitter
    if jitter is not None and trips.measured >= _JITTER_NEEDS and jitter > _HIGH_JITTER_SECONDS:
        yield Finding(
            "jitter",
            Severity.WARNING,
            f"The jitter is high: round trips differ by {jitter * 1000:.0f} ms from one to the"
            f" next, and speech suffers from {_HIGH_JITTER_SECONDS * 1000:.0f} ms on; look for a"
            " busy line or a busy far side.",
        )


def _on_losses(probed: ProbedServer) -> Iterator[Finding]:
    attempts = probed.attempts
    answered = [attempt for attempt in attempts if attempt.rtt_seconds is not None]
    resent = sum(attempt.retransmissions > 0 for attempt in answered)
    if resent and all((attempt.rtt_seconds or 0.0) > T1_SECONDS for attempt in answered):
        yield Finding(
            "all-sent-again",
            Severity.WARNING,
            f"Every answer took longer than {T1_SECONDS:g} s, and each probe was sent again by"
            " then: the path or the far side is slow, or packets get lost.",
        )
    elif resent:
        yield Finding(
            "sent-again",
            Severity.WARNING,
            f"{amount(resent, 'answered attempt')} of {len(answered)} had to be sent again first:"
            " packets get lost or answers are late.",
        )
    if probed.duplicates > sum(attempt.retransmissions for attempt in attempts):
        yield Finding(
            "duplicates",
            Severity.NOTE,
            f"{amount(probed.duplicates, 'answer')} came more than once without need: two paths,"
            " or two nodes that answer for one address.",
        )


def _on_sources(probed: ProbedServer) -> Iterator[Finding]:
    others = {
        place(attempt.answered_from)
        for attempt in probed.attempts
        if attempt.answered_from and attempt.answered_from[:2] != probed.address[:2]
    }
    if others:
        yield Finding(
            "answered-elsewhere",
            Severity.WARNING,
            f"Answers come from {', '.join(sorted(others))} instead of {place(probed.address)}; a"
            " firewall that tracks connections will drop them.",
        )


def _on_connections(probed: ProbedServer) -> Iterator[Finding]:
    opened, reused = probed.connections
    if opened > 1 and not reused and probed.answered > 1:
        yield Finding(
            "not-reused",
            Severity.NOTE,
            "No connection could be used twice, for the far side closes them after each answer; it"
            " is probed all the same, but every probe costs it a new connection.",
        )
