"""The report of a baseline test as a person reads it, while it runs and at its end.

On a terminal a table of all servers stays below the attempts and is brought up to date with each
of them. Into a pipe there is one plain row for each attempt.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Final

from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trunkpulse.cli.diagnosis import Verdict, diagnose, in_short, in_words, verdict
from trunkpulse.cli.output import amount, paint, print_line, print_table
from trunkpulse.cli.probe_advice import combined, recommend, trunk_toml
from trunkpulse.cli.probe_certificate import days_left, verification
from trunkpulse.cli.probe_facts import ProbedAttempt, ProbedServer, ProbePlan, place
from trunkpulse.cli.probe_statistics import RoundTrips
from trunkpulse.cli.probe_trace import masked
from trunkpulse.config.wording import printable
from trunkpulse.ports import Server

__all__ = ["Progress", "print_interrupted", "print_summary", "print_unfinished", "servers_table"]

_ROW: Final = "{:>4}  {:<28}  {:>10}  {:>6}  "
_LONGEST_ANSWER: Final = 28


class Progress:
    """Tells of a test while it runs."""

    def __init__(self, plan: ProbePlan, *, live: bool) -> None:
        """``live``: a table may be redrawn, if there is a terminal to do so."""
        self._plan = plan
        self._servers: Sequence[ProbedServer] = ()
        self._width = 0
        console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        if live and console.is_terminal and not console.is_dumb_terminal:
            self._live = Live(console=console, auto_refresh=False)

    def started(self, servers: Sequence[ProbedServer]) -> None:
        """These will be probed."""
        self._servers = servers
        plan = self._plan
        attempts = amount(plan.count, "attempt")
        pace = f"{plan.timeout_seconds:g} s at most."
        if plan.count > 1:
            pace = f"{plan.interval_seconds:g} s apart, {plan.timeout_seconds:g} s for each."
        if len(servers) == 1:
            (only,) = servers
            over = f" over {only.protocol.value.upper()}" if only.protocol.reliable else ""
            print_line(
                f"Probing {plan.uri} at {place(only.address)}{over} from {place(only.local)}: "
                f"{attempts}, {pace}"
            )
        else:
            print_line(f"Probing {plan.uri} at {len(servers)} servers: {attempts} at each, {pace}")
            for each in servers:
                print_line(f"{each.place} from {place(each.local)}{_rank(each.server)}", indent=2)
            self._width = max(len(each.place) for each in servers) + 2
        print_line()
        head = "server".ljust(self._width) if self._width else ""
        row = _ROW.format("#", "answer", "rtt", "resent")
        print_line(paint(f"{head}{row}what happened", "bold"))
        if self._live is not None:
            self._live.start()

    def attempted(self, server: ProbedServer, attempt: ProbedAttempt) -> None:
        """One attempt has ended."""
        trip = "-" if attempt.rtt_seconds is None else f"{attempt.rtt_seconds * 1000:.1f} ms"
        answer = "-" if attempt.code is None else _answer(attempt)
        who = server.place.ljust(self._width) if self._width else ""
        line = Text(who + _ROW.format(attempt.number, answer, trip, attempt.retransmissions))
        line.append_text(_what_happened(attempt))
        if self._live is None:
            print_line(line)
            sys.stdout.flush()
        else:
            self._live.console.print(line, soft_wrap=True)
            self._live.update(servers_table(self._servers), refresh=True)

    def ended(self) -> None:
        """No more attempts; safe to repeat."""
        if self._live is not None:
            self._live.stop()


def servers_table(servers: Sequence[ProbedServer]) -> Table:
    """How each server has done so far."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    table.add_column("server", overflow="fold")
    for name in ("sent", "lost", "min", "avg", "p95", "max", "jitter"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("last answer", overflow="fold")
    for server in servers:
        trips = RoundTrips.of(server.attempts)
        times = (None,) * 5 if trips is None else (
            trips.least, trips.average, trips.p95, trips.most, trips.jitter
        )  # fmt: skip
        last = server.attempts[-1] if server.attempts else None
        table.add_row(
            server.place,
            str(len(server.attempts)),
            f"{server.lost_percent:.0f} %",
            *("-" if time is None else f"{time * 1000:.1f} ms" for time in times),
            Text("-") if last is None else _last_word(last),
        )
    return table


def _rank(server: Server) -> str:
    if not server.priority and not server.weight:
        return ""
    return f" (priority {server.priority}, weight {server.weight})"


def _answer(attempt: ProbedAttempt) -> str:
    answer = printable(f"{attempt.code} {attempt.reason_phrase}".rstrip())
    return answer if len(answer) <= _LONGEST_ANSWER else answer[: _LONGEST_ANSWER - 1] + "…"


def _last_word(attempt: ProbedAttempt) -> Text:
    if attempt.code is None:
        return paint(attempt.detail, "red")
    return paint(_answer(attempt), "green" if attempt.healthy else "yellow")


def _what_happened(attempt: ProbedAttempt) -> Text:
    if attempt.healthy:
        return paint("healthy", "green")
    if attempt.code is not None:
        return paint("answered, but not 2xx", "yellow")
    if attempt.dropped_answers:
        return paint(f"{attempt.detail} that fits; one came, changed on the way", "red")
    return paint(attempt.detail, "red")


# --- the end ------------------------------------------------------------------------------------


def print_summary(
    plan: ProbePlan, servers: Sequence[ProbedServer], left_out: Sequence[Server], now_ms: int
) -> None:
    """What the whole test comes to; every server has had at least one attempt."""
    for server in servers:
        print_line()
        if len(servers) > 1:
            print_line(paint(server.place, "bold"))
        for line in _facts(server, plan, now_ms):
            print_line(line)
        _print_echo(server)
        found = verdict(server.attempts)
        style = "bold green" if found is Verdict.HEALTHY else "bold red"
        print_line(paint(in_words(server.attempts), style))
        for finding in diagnose(server, plan, now_ms):
            print_line("- ", finding.sentence, indent=2)
    if left_out:
        places = ", ".join(f"{each.protocol}:{place(each.address)}" for each in left_out)
        print_line()
        print_line(f"Left out, being of another address family than the source: {places}.")
    if len(servers) > 1:
        print_line()
        print_line(_altogether(servers))
    _print_advice(plan, servers)


def print_interrupted(under_way: int) -> None:
    """What is known of a test that was ended before any attempt had."""
    print_line()
    print_line(in_short(under_way))


def print_unfinished(servers: Sequence[ProbedServer]) -> None:
    """Of which servers nothing is known, the test having been ended before they had an attempt."""
    places = ", ".join(server.place for server in servers if not server.attempts)
    if places:
        print_line()
        print_line(f"Interrupted; no attempt had ended yet at {places}.")


def _altogether(servers: Sequence[ProbedServer]) -> Text:
    healthy = sum(verdict(server.attempts) is Verdict.HEALTHY for server in servers)
    if healthy == len(servers):
        return paint(f"Healthy: so are all {healthy} servers.", "bold green")
    return paint(
        f"Not healthy: {healthy} of {len(servers)} servers {'is' if healthy == 1 else 'are'}.",
        "bold red",
    )


def _facts(server: ProbedServer, plan: ProbePlan, now_ms: int) -> Iterator[str]:
    sent, answered = len(server.attempts), server.answered
    trips = RoundTrips.of(server.attempts)
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
    yield f"{sent} sent, {answered} answered, {server.lost_percent:.0f} % lost{times}"
    if trips is not None and trips.jitter is not None:
        yield (
            f"Jitter {trips.jitter * 1000:.1f} ms (the mean difference between one round trip and"
            " the next)."
        )
    if server.protocol.reliable:
        opened, reused = server.connections
        again = f"{amount(reused, 'probe')} over an open one" if reused else "none used twice"
        if opened == 1 and not reused:
            again = "used once"
        yield (
            f"{amount(opened, 'connection')} opened, {again}."
            if opened or reused
            else "No connection was opened."
        )
    yield from _certificate(server, plan, now_ms)
    far_side = server.far_side
    if far_side.software:
        yield f"The far side calls itself {far_side.software}."
    for name, members in (
        ("Allow", far_side.allow),
        ("Accept", far_side.accept),
        ("Supported", far_side.supported),
        ("Contact", far_side.contacts),
    ):
        if members:
            yield f"{name}: {', '.join(members)}"


def _certificate(server: ProbedServer, plan: ProbePlan, now_ms: int) -> Iterator[str]:
    certificate = server.certificate
    if certificate is None:
        return
    if certificate.protocol:
        yield f"{certificate.protocol}, {certificate.cipher}."
    problem = verification(server, plan)
    names = ", ".join(certificate.names) or "no names"
    left = days_left(certificate, now_ms)
    lasts = f"{amount(left, 'day')} left" if left >= 0 else f"expired {amount(-left, 'day')} ago"
    yield (
        f"Certificate of {certificate.subject} for {names}, issued by {certificate.issuer},"
        f" {lasts}, {'verified' if problem is None else f'not verified ({problem})'}."
    )


def _print_echo(server: ProbedServer) -> None:
    if server.echo is None:
        return
    if not server.echo:
        print_line("It sent the request back: nothing of it was changed on the way there.")
        return
    print_line("It sent the request back, and this had been changed on the way there:")
    print_table(
        ("header", "sent", "arrived", "by"),
        (
            (
                each.name,
                "-" if each.sent is None else masked(each.sent),
                "-" if each.arrived is None else masked(each.arrived),
                "any proxy" if each.ordinary else paint("a middlebox", "red"),
            )
            for each in server.echo
        ),
        none="",
    )


def _print_advice(plan: ProbePlan, servers: Sequence[ProbedServer]) -> None:
    advice = combined(recommend(server, plan) for server in servers)
    if advice is None:
        return
    print_line()
    print_line("# Recommended for this endpoint, to paste into the configuration file:")
    print_line()
    for line in trunk_toml(plan, advice).splitlines():
        print_line(line)
