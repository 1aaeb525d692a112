from __future__ import annotations

import tomllib
from collections.abc import Sequence

import pytest

from trunkpulse.cli.baseline import ProbedAttempt
from trunkpulse.cli.diagnosis import RoundTrips, Verdict, diagnose, recommend, verdict
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address

FAR: Address = ("192.0.2.1", 5060)
LOCAL: Address = ("10.0.0.5", 40_000)


def answered(code: int = 200, rtt: float = 0.02, **more: object) -> ProbedAttempt:
    seen_as, source = more.get("seen_as"), more.get("source", FAR)
    assert seen_as is None or isinstance(seen_as, str)
    assert isinstance(source, tuple)
    resent = more.get("resent", 0)
    assert isinstance(resent, int)
    return ProbedAttempt(
        number=1,
        ended_ms=0,
        code=code,
        reason_phrase="Phrase",
        rtt_seconds=rtt,
        retransmissions=resent,
        seen_as=seen_as,
        answered_from=source,
        retry_after="30" if code == 503 else None,
    )


def failed(kind: FailureKind, detail: str = "no final answer within 4 s") -> ProbedAttempt:
    return ProbedAttempt(number=1, ended_ms=0, failure=kind, detail=detail)


SILENCE = failed(FailureKind.TIMEOUT)
REFUSAL = failed(FailureKind.REFUSED, "Connection refused")
NO_ROUTE = failed(FailureKind.UNREACHABLE, "No route to host")


@pytest.mark.parametrize(
    ("attempts", "found"),
    [
        ([answered(), answered(202)], Verdict.HEALTHY),
        ([answered(), SILENCE], Verdict.UNRELIABLE),
        ([answered(), answered(503)], Verdict.UNRELIABLE),
        ([answered(404), SILENCE], Verdict.REJECTED),
        ([SILENCE, SILENCE], Verdict.SILENT),
        ([REFUSAL, REFUSAL, SILENCE], Verdict.REFUSED),
        ([NO_ROUTE], Verdict.UNREACHABLE),
    ],
)
def test_the_verdict_follows_from_the_attempts(
    attempts: Sequence[ProbedAttempt], found: Verdict
) -> None:
    assert verdict(attempts) is found
    assert found.words.endswith(".")


@pytest.mark.parametrize(
    ("attempts", "fragments"),
    [
        ([answered()], []),
        ([SILENCE], ["There was no answer at all"]),
        ([answered(), SILENCE], ["No answer came in time (1 of 2 attempts)"]),
        ([REFUSAL], ["Nothing listens on 192.0.2.1:5060; check the port"]),
        ([NO_ROUTE], ["gave the probe back: No route to host; check routes"]),
        ([answered(503)], ["503 Phrase: it is overloaded or under maintenance", "for 30 s."]),
        ([answered(302)], ["it sends callers elsewhere"]),
        ([answered(444), answered()], ["(1 of 2 attempts): it refuses the request"]),
        ([answered(603)], ["it declines everywhere"]),
        ([answered(resent=2), answered()], ["1 answered attempt of 2 had to be sent again"]),
        ([answered(rtt=0.8, resent=1)], ["Every answer took longer than 0.5 s"]),
        ([answered(seen_as="203.0.113.9:7000")], ["from 203.0.113.9:7000, not 10.0.0.5:40000"]),
        ([answered(seen_as="10.0.0.5:40000")], []),
        ([answered(source=("192.0.2.9", 5080))], ["Answers come from 192.0.2.9:5080 instead"]),
    ],
)
def test_findings_name_the_trouble_and_what_to_do(
    attempts: Sequence[ProbedAttempt], fragments: Sequence[str]
) -> None:
    findings = diagnose(attempts, FAR, LOCAL)
    assert bool(findings) == bool(fragments)
    assert all(any(fragment in finding for finding in findings) for fragment in fragments)
    assert all(finding.endswith(".") and finding[:1].isalnum() for finding in findings)


def test_p95_is_the_nearest_rank() -> None:
    trips = RoundTrips.of([answered(rtt=number / 100) for number in range(1, 101)])
    assert trips is not None
    assert (trips.least, trips.p95, trips.most) == (0.01, 0.95, 1.0)
    assert trips.average == pytest.approx(0.505)
    assert RoundTrips.of([SILENCE]) is None


def test_the_round_trip_is_taken_from_attempts_that_were_sent_once() -> None:
    mixed = [answered(rtt=0.02), answered(rtt=0.52, resent=1), answered(rtt=0.04), SILENCE]
    trips = RoundTrips.of(mixed)
    assert trips is not None
    assert (trips.least, trips.most, trips.measured) == (0.02, 0.04, 2)
    assert not trips.from_first_send
    advice = recommend(mixed)
    assert advice is not None
    assert advice.timeout_seconds == 4.0


@pytest.mark.parametrize(
    ("rtt", "resent", "timeout"),
    [
        (0.52, 1, 4.0),  # one packet lost
        (1.53, 2, 4.0),
        (3.52, 3, 4.5),
        (3.0, 2, 6.5),  # a slow path: 1.5 s at the least after the last send
        (20.0, 7, 20.5),  # Timer E has reached T2: the seventh left after 19.5 s
    ],
)
def test_where_all_were_sent_again_the_waiting_is_not_counted_twice(
    rtt: float, resent: int, timeout: float
) -> None:
    attempts = [answered(rtt=rtt, resent=resent)] * 3
    trips = RoundTrips.of(attempts)
    assert trips is not None
    assert (trips.p95, trips.from_first_send) == (rtt, True)
    advice = recommend(attempts)
    assert advice is not None
    assert advice.timeout_seconds == timeout


@pytest.mark.parametrize(
    ("rtt", "timeout"), [(0.001, 4.0), (0.25, 4.0), (0.3, 4.5), (1.0, 5.5), (20.0, 32.0)]
)
def test_the_timeout_leaves_room_for_retransmissions_and_the_round_trip(
    rtt: float, timeout: float
) -> None:
    advice = recommend([answered(rtt=rtt)])
    assert advice is not None
    assert advice.timeout_seconds == timeout
    assert tomllib.loads(advice.toml()) == {
        "keepalive": {
            "interval_seconds": 30,
            "timeout_seconds": timeout,
            "healthy_responses": ["2xx"],
        }
    }


def test_a_refusal_that_shows_life_may_count_as_healthy_a_fault_never() -> None:
    alive = recommend([answered(405), answered(404), SILENCE])
    assert alive is not None
    assert alive.healthy_responses == ("2xx", "404", "405")
    assert recommend([answered(404), answered(503)]) is None
    assert recommend([SILENCE]) is None
