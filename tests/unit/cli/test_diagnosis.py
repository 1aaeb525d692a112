from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from trunkpulse.cli.diagnosis import Verdict, all_healthy, diagnose, in_short, in_words, verdict
from trunkpulse.cli.probe_certificate import verification
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer
from trunkpulse.model import FailureKind, ProbeIdentity, TlsSettings, TransportProtocol
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.middlebox import Finding, Severity
from unit.cli.probed import (
    ANSWERED,
    NO_ROUTE,
    PLAIN,
    REFUSAL,
    SILENCE,
    answered,
    failed,
    plan,
    server,
)

TCP = TransportProtocol.TCP
ALICE = ProbeIdentity(credentials=Credentials("alice", "secret"))
EVIDENCE = Finding("call-id", Severity.FAULT, "The Call-ID came back.", "the Call-ID came back")
REWRITTEN = replace(SILENCE, dropped_answers=1, findings=(EVIDENCE,))
TRYING = replace(SILENCE, provisional_seconds=0.01)


def sentences(probed: ProbedServer, identity: ProbeIdentity = PLAIN) -> list[str]:
    return [each.sentence for each in diagnose(probed, plan(identity=identity), now_ms=0)]


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([answered(), answered(202)], Verdict.HEALTHY),
        ([answered(), SILENCE], Verdict.UNRELIABLE),
        ([answered(), answered(503)], Verdict.UNRELIABLE),
        ([answered(404), SILENCE], Verdict.REJECTED),
        ([SILENCE, SILENCE], Verdict.SILENT),
        ([SILENCE, REWRITTEN], Verdict.REWRITTEN),
        ([REFUSAL, REFUSAL, SILENCE], Verdict.REFUSED),
        ([NO_ROUTE], Verdict.UNREACHABLE),
        ([failed(FailureKind.TLS)], Verdict.UNSECURED),
        ([failed(FailureKind.RESET)], Verdict.BROKEN_OFF),
        ([failed(FailureKind.CONNECT_TIMEOUT)], Verdict.UNCONNECTED),
        ([failed(FailureKind.MALFORMED)], Verdict.GARBLED),
    ],
)
def test_the_verdict_follows_from_the_attempts(
    attempts: Sequence[ProbedAttempt], found: Verdict
) -> None:
    assert verdict(attempts) is found
    assert in_words(attempts).endswith(".")


def test_one_sick_server_is_enough_for_the_whole_to_be_sick() -> None:
    well, sick = server([answered()]), server([answered(), SILENCE])
    assert all_healthy([well, well])
    assert not all_healthy([well, sick])


def test_483_is_a_living_next_hop_if_the_probe_may_go_no_further() -> None:
    no_further = replace(answered(483), next_hop_only=True)
    assert verdict([no_further]) is Verdict.HEALTHY
    assert "the next hop is alive" in in_words([no_further])
    assert verdict([answered(483)]) is Verdict.REJECTED


@pytest.mark.parametrize(
    ("attempts", "fragments"),
    [
        ([answered()], []),
        ([SILENCE], ["There was no answer at all"]),
        ([answered(), SILENCE], ["No answer came in time (1 of 2 attempts)"]),
        ([REFUSAL], ["Nothing listens on 192.0.2.1:5060; check the port", "TCP or TLS instead"]),
        ([NO_ROUTE], ["gave the probe back: No route to host; check routes"]),
        ([answered(503)], ["503 Phrase: it is overloaded or under maintenance", "for 30 s,"]),
        ([answered(302)], ["it sends callers elsewhere"]),
        ([answered(403)], ["the carrier may want another From or Contact"]),
        ([answered(408)], ["the carrier may also want another From or Contact"]),
        ([answered(401)], ["it wants credentials", "--username"]),
        ([answered(481)], ["part of a call that it does not know"]),
        ([answered(500)], ["a fault of its own and says so, unlike one that is silent"]),
        ([answered(444), answered()], ["(1 of 2 attempts): it refuses the request"]),
        ([answered(603)], ["it declines everywhere"]),
        ([answered(resent=2), answered()], ["1 answered attempt of 2 had to be sent again"]),
        ([answered(rtt=0.8, resent=1)], ["Every answer took longer than 0.5 s"]),
        ([answered(rtt=3.0)], ["up to 3.0 s of the 4 s", "raise timeout_seconds"]),
        ([TRYING], ["It said that it is trying (1xx) but gave no final answer"]),
        (
            [replace(answered(rtt=3.9), provisional_seconds=0.01)],
            ["final answer takes up to 3.9 s", "timeout_seconds must be longer"],
        ),
        (
            [replace(ANSWERED, answered_from=("192.0.2.9", 5080))],
            ["Answers come from 192.0.2.9:5080 instead of 192.0.2.1:5060"],
        ),
        ([REWRITTEN], ["A SIP ALG or another middlebox", "the Call-ID came back"]),
    ],
)
def test_findings_name_the_trouble_and_what_to_do(
    attempts: Sequence[ProbedAttempt], fragments: Sequence[str]
) -> None:
    findings = sentences(server(attempts))
    assert bool(findings) == bool(fragments)
    assert all(any(fragment in finding for finding in findings) for fragment in fragments)
    assert all(finding.endswith(".") and finding[:1].isalnum() for finding in findings)
    assert len(findings) <= 1


def test_a_retry_after_that_is_no_number_is_told_as_it_came() -> None:
    strange = replace(answered(503), retry_after="tomorrow")
    (finding,) = sentences(server([strange]))
    assert "left alone for a while (Retry-After: tomorrow)" in finding


def test_the_weightiest_finding_comes_first() -> None:
    probed = server([answered(404), SILENCE, replace(ANSWERED, answered_from=("192.0.2.9", 1))])
    severities = [each.severity for each in diagnose(probed, plan(), now_ms=0)]
    assert severities == [Severity.FAULT, Severity.WARNING, Severity.WARNING]


@pytest.mark.parametrize(
    ("kind", "detail", "fragments"),
    [
        (
            FailureKind.RESET,
            "the connection broke before an answer came (Connection reset by peer)",
            ["The connection broke before an answer came (Connection", "may want TLS there"],
        ),
        (
            FailureKind.CONNECT_TIMEOUT,
            "no connection came about within the time of the attempt",
            ["No connection to 192.0.2.1:5060 came about in time; a firewall may drop"],
        ),
        (FailureKind.MALFORMED, "no Content-Length", ["is no SIP", "another service's"]),
        (FailureKind.TIMEOUT, "", ["The connection stands, but there was no answer"]),
        (FailureKind.REFUSED, "Connection refused", ["it wants UDP or TLS instead of TCP"]),
    ],
)
def test_failures_of_connections_are_told_apart(
    kind: FailureKind, detail: str, fragments: Sequence[str]
) -> None:
    (finding,) = sentences(server([failed(kind, detail)], TCP))
    assert all(fragment in finding for fragment in fragments)


@pytest.mark.parametrize(
    ("attempt", "fragment"),
    [
        (replace(answered(401), detail="the credentials were refused", challenges=1),
         "401 in spite of the credentials: the credentials were refused; check user name"),
        (answered(407), "407 in spite of the credentials; check user name"),
        (replace(answered(407), detail="no challenge that can be read"),
         "407: it asks for credentials but sends no usable Proxy-Authenticate; tell its operator"),
        (replace(answered(401), detail="only Basic is offered, which is not supported"),
         "but only Basic is offered, which is not supported; ask its operator to offer Digest"),
        (answered(200), "never asked for the credentials"),
    ],
)  # fmt: skip
def test_what_became_of_the_credentials_is_told(attempt: ProbedAttempt, fragment: str) -> None:
    (finding,) = sentences(server([attempt]), ALICE)
    assert fragment in finding
    assert "secret" not in finding


def test_credentials_that_were_asked_for_and_taken_are_no_news() -> None:
    taken = replace(ANSWERED, challenges=1)
    assert sentences(server([taken, ANSWERED]), ALICE) == []


def test_late_answers_say_how_long_the_timeout_must_be() -> None:
    probed = server([SILENCE, SILENCE])
    probed.late_seconds = [5.0, 6.2]
    findings = sentences(probed)
    assert any(
        "2 answers came too late, the slowest after 6.2 s" in each
        and "raise timeout_seconds above 6.2" in each
        for each in findings
    )
    probed.late_seconds = [33.0]
    assert any("no time-out may be that long" in each for each in sentences(probed))


def test_high_jitter_is_told_once_there_are_enough_round_trips() -> None:
    times = (0.02, 0.08, 0.02, 0.08)
    (finding,) = sentences(server([answered(rtt=time) for time in times]))
    assert "differ by 60 ms" in finding
    assert sentences(server([answered(rtt=time) for time in times[:3]])) == []
    assert sentences(server([answered(rtt=time / 10) for time in times])) == []


def test_answers_that_come_twice_without_need_are_told() -> None:
    probed = server([answered(), answered()])
    probed.duplicates = 2
    (finding,) = sentences(probed)
    assert "2 answers came more than once without need" in finding
    # Whoever is asked twice may answer twice.
    probed = server([answered(resent=1), answered()])
    probed.duplicates = 1
    assert not any("without need" in each for each in sentences(probed))


def test_connections_that_are_closed_after_each_answer_are_told() -> None:
    opened = replace(ANSWERED, connect_seconds=0.001)
    (finding,) = sentences(server([opened, opened], TCP))
    assert "No connection could be used twice" in finding
    assert sentences(server([opened, ANSWERED], TCP)) == []
    assert sentences(server([opened], TCP)) == []


@pytest.mark.parametrize(
    ("detail", "cert_file", "advice"),
    [
        ("tlsv13 alert certificate required", None, "give it with --cert-file"),
        ("tlsv1 alert unknown ca", "/our.pem", "does not trust the certificate /our.pem"),
        ("sslv3 alert bad certificate", "/our.pem", "does not trust the certificate /our.pem"),
        ("sslv3 alert handshake failure", "/our.pem", "may not trust the certificate /our.pem"),
    ],
)
def test_a_far_side_that_refuses_our_certificate_has_shown_a_good_one(
    detail: str, cert_file: str | None, advice: str
) -> None:
    identity = ProbeIdentity(tls=TlsSettings(cert_file=cert_file))
    refusal = failed(FailureKind.TLS, f"the TLS handshake failed ({detail})")
    probed = server([refusal], TransportProtocol.TLS)
    (finding,) = sentences(probed, identity)
    assert advice in finding
    assert (verification(probed, plan(identity=identity)) is None) is ("handshake" not in detail)


def test_a_connection_that_broke_off_is_told_once_and_with_our_certificate_if_it_has_one() -> None:
    closed = (
        "the far side closed the connection without an answer; it may want a client certificate"
    )
    probed = server([failed(FailureKind.RESET, closed), SILENCE], TransportProtocol.TLS)
    assert any(
        each.startswith(
            "The far side closed the connection without an answer (1 of 2 attempts); the far side"
            " may not know our address, may want a certificate of ours that it knows (--cert-file)"
        )
        for each in sentences(probed)
    )
    ours = ProbeIdentity(tls=TlsSettings(cert_file="/our.pem"))
    assert any("another certificate than /our.pem" in each for each in sentences(probed, ours))


def test_what_was_not_sent_yet_is_not_counted_as_unanswered() -> None:
    assert in_short(0) == "Interrupted; nothing was sent yet."
