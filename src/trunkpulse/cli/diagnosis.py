"""What a baseline test means: a verdict, what to look at, and the settings that follow.

Pure: attempts in, words out. The words are for somebody who is connecting a carrier and does not
know yet whether the fault is the firewall's, the carrier's or their own.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trunkpulse.cli.baseline import ProbedAttempt, place
from trunkpulse.cli.output import amount
from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from trunkpulse.sip.transaction import T1_SECONDS, T2_SECONDS

__all__ = ["Recommendation", "RoundTrips", "Verdict", "diagnose", "recommend", "verdict"]

ALIVE_CODES: Final = frozenset({401, 403, 404, 405, 407, 415, 420, 481, 488, 501})
"""Refusals of the OPTIONS itself: whoever sends one is up, and may well take calls."""

_INTERVAL_SECONDS: Final = 30.0
_RETRANSMISSIONS: Final = 3
"""So many packets in a row may get lost before an attempt fails for it."""
_LONGEST_TIMEOUT_SECONDS: Final = 32.0


class Verdict(StrEnum):
    """What a baseline test came to."""

    HEALTHY = "healthy"
    UNRELIABLE = "unreliable"
    REJECTED = "rejected"
    SILENT = "silent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"

    @property
    def words(self) -> str:
        """One plain sentence."""
        return _WORDS[self]


_WORDS: Final = {
    Verdict.HEALTHY: "Healthy: every attempt was answered 2xx.",
    Verdict.UNRELIABLE: "Unreliable: some attempts were answered 2xx, others were not.",
    Verdict.REJECTED: "Not healthy: it answers, but never 2xx.",
    Verdict.SILENT: "Not healthy: nothing ever came back.",
    Verdict.REFUSED: "Not healthy: the port is closed.",
    Verdict.UNREACHABLE: "Not healthy: the network does not get there.",
}

_CODES: Final = {
    401: "it wants credentials; the answer still shows that it is alive",
    403: "it refuses this sender: it may want another From or Contact (--from, --contact), or it"
    " does not know the address that the probe comes from (--source)",
    404: "it does not know the user or host of this URI; many carriers answer OPTIONS so while"
    " calls work, then 404 may count as healthy",
    405: "it does not take OPTIONS; the answer still shows that it is alive",
    407: "a proxy wants credentials; the answer still shows that it is alive",
    408: "something on the way got no answer from the endpoint behind it; some carriers also say"
    " this to a From or Contact that they do not know (--from, --contact)",
    480: "the user of this URI is not registered or not available there",
    481: "it takes the OPTIONS for part of a call that it does not know; the answer still shows"
    " that it is alive",
    483: "the request goes round in circles between proxies; check the carrier's routing",
    486: "it is busy; it is alive, but it would not take a call now",
    501: "it does not implement OPTIONS; the answer still shows that it is alive",
    502: "the next hop behind it answers badly; ask the carrier about its upstream",
    503: "it is overloaded or under maintenance; no calls should go there now",
    504: "the next hop behind it does not answer; ask the carrier about its upstream",
}

_CLASSES: Final = {
    3: "it sends callers elsewhere; probe the Contact that it names (--trace shows it)",
    4: "it refuses the request; --trace shows what it says",
    5: "it has a fault of its own; ask the carrier",
    6: "it declines everywhere for this URI; ask the carrier which URI to use",
}


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Round-trip times of the answered attempts, in seconds.

    An answer does not say which transmission it answers. So only attempts that were sent once are
    measured, as long as there are any (Karn and Partridge, 1987); what the loss of a packet cost
    is no property of the path.
    """

    least: float
    average: float
    p95: float
    """95 % took no longer (nearest rank)."""
    most: float
    measured: int
    """How many attempts these times are made of."""
    from_first_send: bool
    """True if every answered attempt was sent again: the times then hold that waiting too."""

    @classmethod
    def of(cls, attempts: Sequence[ProbedAttempt]) -> RoundTrips | None:
        """None if nothing was answered."""
        answered = [each for each in attempts if each.rtt_seconds is not None]
        sent_once = [each for each in answered if not each.retransmissions]
        measured = sent_once or answered
        times = sorted(each.rtt_seconds or 0.0 for each in measured)
        if not times:
            return None
        average = sum(times) / len(times)
        return cls(times[0], average, _p95(times), times[-1], len(times), not sent_once)


def _p95(ascending: Sequence[float]) -> float:
    return ascending[math.ceil(0.95 * len(ascending)) - 1]


def _sent_at_seconds(retransmissions: int) -> float:
    """When the last of so many retransmissions leaves (Timer E, RFC 3261 section 17.1.2.2)."""
    return sum(min(T1_SECONDS * 2.0**number, T2_SECONDS) for number in range(retransmissions))


def verdict(attempts: Sequence[ProbedAttempt]) -> Verdict:
    """What these attempts, at least one, come to."""
    healthy = sum(attempt.healthy for attempt in attempts)
    if healthy:
        return Verdict.HEALTHY if healthy == len(attempts) else Verdict.UNRELIABLE
    if any(attempt.code is not None for attempt in attempts):
        return Verdict.REJECTED
    kinds = Counter(attempt.failure for attempt in attempts)
    return {
        FailureKind.REFUSED: Verdict.REFUSED,
        FailureKind.UNREACHABLE: Verdict.UNREACHABLE,
    }.get(kinds.most_common(1)[0][0] or FailureKind.TIMEOUT, Verdict.SILENT)


def diagnose(attempts: Sequence[ProbedAttempt], far: Address, local: Address) -> list[str]:
    """What was noticed and what to do about it, one sentence each, the weightiest first."""
    return [
        *_on_failures(attempts, far),
        *_on_codes(attempts),
        *_on_losses(attempts),
        *_on_addresses(attempts, far, local),
    ]


def _on_failures(attempts: Sequence[ProbedAttempt], far: Address) -> Iterator[str]:
    kinds = Counter(attempt.failure for attempt in attempts if attempt.failure)
    for kind, count in kinds.most_common():
        share = "" if count == len(attempts) else f" ({count} of {len(attempts)} attempts)"
        detail = next(attempt.detail for attempt in attempts if attempt.failure is kind)
        if kind is FailureKind.REFUSED:
            yield (
                f"Nothing listens on {place(far)}{share}; check the port, whether the far side"
                " runs, and whether it wants TCP or TLS instead of UDP."
            )
        elif kind is not FailureKind.TIMEOUT:
            yield f"The network gave the probe back{share}: {detail}; check routes and firewalls."
        elif count == len(attempts):
            yield (
                "There was no answer at all: a firewall may drop the probe or its answer, the"
                " address or port may be wrong, or the carrier may ignore OPTIONS from sources"
                " that it does not know; ask it to allow the address that the probe comes from."
            )
        else:
            yield (
                f"No answer came in time{share}; calls would fail now and then too, so look for"
                " packet loss or an overloaded far side."
            )


def _on_codes(attempts: Sequence[ProbedAttempt]) -> Iterator[str]:
    codes = Counter(attempt.code for attempt in attempts if attempt.code and not attempt.healthy)
    for code, count in codes.most_common():
        first = next(attempt for attempt in attempts if attempt.code == code)
        share = "" if count == len(attempts) else f" ({count} of {len(attempts)} attempts)"
        answer = f"{code} {first.reason_phrase}".rstrip()
        meaning = _CODES.get(code) or _CLASSES.get(code // 100, "--trace shows what it says")
        wait = f"; it asks to be left alone for {first.retry_after} s" if first.retry_after else ""
        yield f"It answers {answer}{share}: {meaning}{wait}."


def _on_losses(attempts: Sequence[ProbedAttempt]) -> Iterator[str]:
    answered = [attempt for attempt in attempts if attempt.rtt_seconds is not None]
    if answered and all((attempt.rtt_seconds or 0.0) > T1_SECONDS for attempt in answered):
        yield (
            f"Every answer took longer than {T1_SECONDS:g} s, and each probe was sent again by"
            " then: the path or the far side is slow, or packets get lost."
        )
        return
    resent = sum(attempt.retransmissions > 0 for attempt in answered)
    if resent:
        yield (
            f"{amount(resent, 'answered attempt')} of {len(answered)} had to be sent again first:"
            " packets get lost or answers are late."
        )


def _on_addresses(attempts: Sequence[ProbedAttempt], far: Address, local: Address) -> Iterator[str]:
    seen = next((attempt.seen_as for attempt in attempts if attempt.seen_as), None)
    if seen is not None and seen != place(local):
        yield (
            f"The far side sees the probe come from {seen}, not {place(local)}: there is a NAT"
            " in between, and the carrier has to allow that address."
        )
    others = {
        place(attempt.answered_from)
        for attempt in attempts
        if attempt.answered_from and attempt.answered_from[:2] != far[:2]
    }
    if others:
        yield (
            f"Answers come from {', '.join(sorted(others))} instead of {place(far)}; a firewall"
            " that tracks connections will drop them."
        )


@dataclass(frozen=True, slots=True)
class Recommendation:
    """Keepalive settings that fit what the endpoint showed."""

    interval_seconds: float
    timeout_seconds: float
    healthy_responses: tuple[str, ...]

    def toml(self) -> str:
        """Ready to paste into a configuration file."""
        responses = ", ".join(f'"{response}"' for response in self.healthy_responses)
        return (
            "[keepalive]\n"
            f"interval_seconds = {self.interval_seconds:g}\n"
            f"timeout_seconds = {self.timeout_seconds:g}\n"
            f"healthy_responses = [{responses}]"
        )


def recommend(attempts: Sequence[ProbedAttempt]) -> Recommendation | None:
    """Settings under which this endpoint counts as alive; None if it should not.

    The time-out leaves room for three retransmissions and twice the usual round trip. Where every
    attempt was sent again, the round trip is taken from the last of these sends, or the waiting
    before it would count twice; the answers that were seen still fit into the time-out.
    """
    trips = RoundTrips.of(attempts)
    refusals = {attempt.code for attempt in attempts if attempt.code and not attempt.healthy}
    if trips is None or not refusals <= ALIVE_CODES:
        return None
    trip, slowest = trips.p95, 0.0
    if trips.from_first_send:
        trip = _p95(
            sorted(
                max(0.0, each.rtt_seconds - _sent_at_seconds(each.retransmissions))
                for each in attempts
                if each.rtt_seconds is not None
            )
        )
        slowest = trips.p95 + T1_SECONDS
    needed = max(_sent_at_seconds(_RETRANSMISSIONS) + 2 * trip, slowest)
    timeout = min(_LONGEST_TIMEOUT_SECONDS, math.ceil(needed * 2) / 2)
    responses = ("2xx", *(str(code) for code in sorted(filter(None, refusals))))
    return Recommendation(_INTERVAL_SECONDS, timeout, responses)
