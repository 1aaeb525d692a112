"""``trunkpulse probe``: whether one endpoint answers, and if not, what is the matter."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import typer
from rich.text import Text

from trunkpulse.cli.baseline import (
    BaselineTest,
    Datagram,
    ProbedAttempt,
    ProbePlan,
    Undelivered,
    place,
)
from trunkpulse.cli.diagnosis import (
    Recommendation,
    RoundTrips,
    Verdict,
    diagnose,
    recommend,
    verdict,
)
from trunkpulse.cli.errors import CommandFailed, WrongUsage
from trunkpulse.cli.output import amount, clock_time, paint, print_json, print_line
from trunkpulse.config.values import extra_headers, probe_target, sip_uri, source_address
from trunkpulse.config.wording import printable, shown
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address, ResolutionFailed
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.uri import SipUri

__all__ = ["probe"]

ValueT = TypeVar("ValueT")

INTERRUPTED = 130
_SCHEMES = ("sip:", "sips:", "tel:")
_ROW = "{:>4}  {:<28}  {:>10}  {:>6}  "


def probe(
    uri: Annotated[str, typer.Argument(metavar="SIP-URI", help="sip:sbc.example.com:5060")],
    *,
    count: Annotated[
        int,
        typer.Option("--count", "-c", metavar="N", min=1, max=10_000, help="How many attempts."),
    ] = 5,
    interval: Annotated[
        float,
        typer.Option(
            "--interval",
            "-i",
            metavar="SECONDS",
            min=0.05,
            max=3600,
            help="Between attempts, start to start.",
        ),
    ] = 1.0,
    timeout: Annotated[
        float,
        typer.Option(
            "--timeout",
            "-t",
            metavar="SECONDS",
            min=0.1,
            max=32,
            help="What one attempt may take.",
        ),
    ] = 4.0,
    from_uri: Annotated[
        str | None, typer.Option("--from", metavar="URI", help="The From of the OPTIONS.")
    ] = None,
    contact: Annotated[
        str | None, typer.Option(metavar="URI", help="The Contact of the OPTIONS.")
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="One more header; may be repeated."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="IP[:PORT]", help="The local address to probe from.")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="Show every message, on stderr.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document instead of text.")
    ] = False,
) -> None:
    """Send OPTIONS to one endpoint over UDP; say whether it is healthy, and if not, why.

    Ends with 0 if every attempt was answered 2xx, otherwise with 1.
    """
    plan = ProbePlan(
        uri=SipUri.parse(_legal("The SIP-URI", _target_uri, uri)),
        count=count,
        interval_seconds=interval,
        timeout_seconds=timeout,
        from_uri=_legal("--from", sip_uri, from_uri) if from_uri else None,
        contact_uri=_legal("--contact", sip_uri, contact) if contact else None,
        headers=_headers(header or []),
        source=_legal("--source", source_address, source) if source else None,
    )
    report = _Report(plan, trace=trace, as_json=as_json)
    try:
        asyncio.run(report.fill())
    except ResolutionFailed as problem:
        raise CommandFailed(f"{problem}; check the spelling of the host and the DNS.") from problem
    except BrokenPipeError:
        raise  # whoever read our output has gone; the probe is not to blame
    except (OSError, SipError) as problem:
        text = problem.strerror if isinstance(problem, OSError) else str(problem)
        raise WrongUsage(f"The probe cannot be sent: {text or problem}.") from problem
    raise typer.Exit(report.close())


class _Report:
    """One run of the test, told as it happens and summed up at its end."""

    def __init__(self, plan: ProbePlan, *, trace: bool, as_json: bool) -> None:
        self._plan = plan
        self._as_json = as_json
        self._trace = trace
        self._far: Address = ("", 0)
        self._local: Address = ("", 0)
        self._attempts: list[ProbedAttempt] = []
        self._late_answers = 0
        self._interrupted = False

    async def fill(self) -> None:
        """Run the test; Ctrl-C ends it early and what is known so far is reported."""
        test = BaselineTest(
            self._plan,
            started=self._on_start,
            finished=self._on_attempt,
            wire=_print_sighting if self._trace else None,
        )

        def interrupt() -> None:
            self._interrupted = True
            test.stop()

        # Outside of the main thread nobody can press Ctrl-C, and it may not be listened for.
        with contextlib.suppress(ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupt)
        await test.run()
        self._attempts = test.attempts
        self._late_answers = test.late_answers

    def _on_start(self, far: Address, local: Address) -> None:
        self._far, self._local = far, local
        if self._as_json:
            return
        plan = self._plan
        print_line(
            f"Probing {plan.uri} at {place(far)} from {place(local)}: "
            f"{amount(plan.count, 'attempt')}, {plan.interval_seconds:g} s apart, "
            f"{plan.timeout_seconds:g} s for each."
        )
        print_line()
        print_line(paint(_ROW.format("#", "answer", "rtt", "resent") + "what happened", "bold"))

    def _on_attempt(self, attempt: ProbedAttempt) -> None:
        if self._as_json:
            return
        trip = "-" if attempt.rtt_seconds is None else f"{attempt.rtt_seconds * 1000:.1f} ms"
        answer = "-" if attempt.code is None else _answer(attempt)
        print_line(
            _ROW.format(attempt.number, answer, trip, attempt.retransmissions),
            _what_happened(attempt),
        )
        sys.stdout.flush()

    def close(self) -> int:
        """Print what it all comes to; returns the exit code."""
        if not self._attempts:
            return INTERRUPTED
        found = verdict(self._attempts)
        findings = diagnose(self._attempts, self._far, self._local)
        advice = recommend(self._attempts)
        if self._as_json:
            print_json(self._document(found, findings, advice))
        else:
            self._print_summary(found, findings, advice)
        if self._interrupted:
            return INTERRUPTED
        return 0 if found is Verdict.HEALTHY else 1

    def _print_summary(
        self, found: Verdict, findings: Sequence[str], advice: Recommendation | None
    ) -> None:
        sent, answered, lost = self._totals()
        print_line()
        trips = RoundTrips.of(self._attempts)
        times = ""
        if trips is not None:
            numbers = (trips.least, trips.average, trips.p95, trips.most)
            shown_times = " / ".join(f"{seconds * 1000:.1f}" for seconds in numbers)
            times = f", round trip min / avg / p95 / max: {shown_times} ms"
            if trips.from_first_send:
                times += ", measured from the first send because every attempt was sent again"
            elif trips.measured < answered:
                resent = amount(answered - trips.measured, "attempt that was", "attempts that were")
                times += f", without the {resent} sent again"
        print_line(f"{sent} sent, {answered} answered, {lost:.0f} % lost{times}")
        software = next((each.software for each in self._attempts if each.software), None)
        if software:
            print_line(f"The far side calls itself {software}.")
        print_line(paint(found.words, "bold green" if found is Verdict.HEALTHY else "bold red"))
        for finding in findings:
            print_line("- ", finding, indent=2)
        if advice is not None:
            print_line()
            print_line("Recommended settings for this endpoint:")
            print_line()
            for line in advice.toml().splitlines():
                print_line(line)

    def _totals(self) -> tuple[int, int, float]:
        sent = len(self._attempts)
        answered = sum(attempt.code is not None for attempt in self._attempts)
        return sent, answered, 100 * (sent - answered) / sent

    def _document(
        self, found: Verdict, findings: Sequence[str], advice: Recommendation | None
    ) -> dict[str, object]:
        sent, answered, lost = self._totals()
        trips = RoundTrips.of(self._attempts)
        return {
            "target": str(self._plan.uri),
            "address": place(self._far),
            "source": place(self._local),
            "healthy": found is Verdict.HEALTHY,
            "verdict": found.value,
            "diagnosis": list(findings),
            "sent": sent,
            "answered": answered,
            "lossPercent": round(lost, 1),
            "retransmissions": sum(attempt.retransmissions for attempt in self._attempts),
            "lateAnswers": self._late_answers,
            "rttMs": trips
            and {
                "min": _milliseconds(trips.least),
                "average": _milliseconds(trips.average),
                "p95": _milliseconds(trips.p95),
                "max": _milliseconds(trips.most),
                "measuredAttempts": trips.measured,
                "fromFirstSend": trips.from_first_send,
            },
            "recommendedKeepalive": advice
            and {
                "intervalSeconds": advice.interval_seconds,
                "timeoutSeconds": advice.timeout_seconds,
                "healthyResponses": list(advice.healthy_responses),
            },
            "attempts": [_attempt_document(attempt) for attempt in self._attempts],
        }


def _attempt_document(attempt: ProbedAttempt) -> dict[str, object]:
    trip, source = attempt.rtt_seconds, attempt.answered_from
    return {
        "number": attempt.number,
        "at": attempt.ended_ms,
        "healthy": attempt.healthy,
        "code": attempt.code,
        "reasonPhrase": printable(attempt.reason_phrase),
        "rttMs": None if trip is None else _milliseconds(trip),
        "retransmissions": attempt.retransmissions,
        "failure": attempt.failure,
        "detail": attempt.detail or None,
        "answeredFrom": source and place(source),
        "software": attempt.software and printable(attempt.software),
        "retryAfter": attempt.retry_after and printable(attempt.retry_after),
    }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _answer(attempt: ProbedAttempt) -> str:
    answer = printable(f"{attempt.code} {attempt.reason_phrase}".rstrip())
    return answer if len(answer) <= 28 else answer[:27] + "…"


def _what_happened(attempt: ProbedAttempt) -> Text:
    if attempt.healthy:
        return paint("healthy", "green")
    if attempt.code is not None:
        return paint("answered, but not 2xx", "yellow")
    return paint(attempt.detail, "red")


def _print_sighting(seen: Datagram | Undelivered) -> None:
    moment = f"{clock_time(seen.at_ms)}.{seen.at_ms % 1000:03}"
    peer = place(seen.peer)
    text = ""
    if isinstance(seen, Undelivered):
        heading = f"not delivered to {peer}: {seen.detail}"
        if seen.kind is FailureKind.REFUSED:
            heading = f"refused by {peer} ({_how_refused(seen.detail)})"
    else:
        direction = "sent to" if seen.sent else "received from"
        heading = f"{direction} {peer} ({amount(len(seen.data), 'byte')})"
        text = seen.data.decode("utf-8", "backslashreplace")
    for line in (f"--- {moment} {heading}", *text.splitlines()):
        sys.stderr.write(f"{printable(line)}\n")


def _how_refused(detail: str) -> str:
    """``ICMP port unreachable`` of ``Connection refused (ICMP port unreachable)``."""
    _, parenthesis, words = detail.partition(" (")
    return words.removesuffix(")") if parenthesis else detail


# --- the command line's values -----------------------------------------------------------------


def _legal(name: str, read: Callable[[str], ValueT], text: str) -> ValueT:
    """``text`` as ``read`` takes it; what is wrong with it is told with the option's name."""
    try:
        return read(text)
    except ValueError as problem:
        raise WrongUsage(f"{name} {problem}.") from problem


def _target_uri(text: str) -> str:
    """A target as ``probe_target`` takes it; an address alone is told what is missing."""
    try:
        return probe_target(text)
    except ValueError:
        if text.lower().startswith(_SCHEMES) or not _is_target(f"sip:{text}"):
            raise
        raise ValueError(f'must begin with "sip:"; write sip:{text}') from None


def _is_target(text: str) -> bool:
    try:
        probe_target(text)
    except ValueError:
        return False
    return True


def _headers(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    headers: dict[str, object] = {}
    for text in texts:
        name, colon, value = text.partition(":")
        if not colon:
            raise WrongUsage(f'--header must be written as "Name: value", not {shown(text)}.')
        headers[name.strip()] = value.strip()
    try:
        return extra_headers(headers)
    except ValueError as problem:
        raise WrongUsage(f"--header {problem}.") from problem
