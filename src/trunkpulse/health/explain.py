"""Why a trunk is in its state, in sentences that a person can act on at 3 a.m.

Three sentences, each with one job: the *summary* says what is wrong (or that nothing is) and who
said so, the *rule* says which settings decided it, *next* says what happens now and when. They
are made of what is known at this moment and of nothing else; no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkpulse.model import (
    AttemptEvidence,
    FailureKind,
    IsolationEvidence,
    KeepalivePolicy,
    Reason,
    TargetState,
    Trunk,
    TrunkState,
    TrunkStatus,
)

__all__ = ["Explanation", "TargetView", "explain", "span"]

NAMED_TARGETS = 3
"""A sentence that lists more targets than this is no longer read."""

HEARD_LATELY_MS = 300_000
"""What a far side sent longer ago proves nothing about the path of today."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetView:
    """What is known of one target at the moment of the question."""

    evidence: AttemptEvidence
    successes: int = 0
    """Consecutive successes while AVAILABLE is being confirmed."""
    next_in_seconds: float | None = None
    """Until the next attempt; None while one is under way or the target rests."""
    resting: bool = False
    """True if it is not being probed."""
    last_heard_ms: int | None = None
    """When its address last sent us an OPTIONS; None if it is not known to have."""
    calls: int = 0
    """That are up over it."""
    proved_ms: int | None = None
    """When calls last proved it alive; None: not lately."""
    paused: bool = False
    """True while they spare it keepalives."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Three sentences; see the module's opening."""

    summary: str
    rule: str
    next: str


def explain(
    trunk: Trunk,
    status: TrunkStatus,
    targets: Sequence[TargetView],
    *,
    admin_enabled: bool,
    now_ms: int,
    delayed: str | None = None,
    isolation: IsolationEvidence | None = None,
) -> Explanation:
    """Say why ``trunk`` has this status; ``now_ms`` is milliseconds since the epoch.

    ``delayed`` says which cap makes its probes wait, as a sentence without a full stop;
    ``isolation`` why the prober holds the states of trunks, if it does.
    """
    if not (trunk.enabled and admin_enabled):
        return _disabled(trunk, status, admin_enabled=admin_enabled, now_ms=now_ms)
    if status.reason is Reason.LICENSE_ISSUE:
        return Explanation(
            f"{_head(trunk, status, now_ms)} because the licence of this installation does not "
            "cover talk; this is not an outage.",
            "Without the entitlement talk no trunk takes calls, and none is probed.",
            "Nothing happens until the licence covers talk again; probing then starts at once.",
        )
    if not trunk.keepalive.enabled:
        return Explanation(
            f"{trunk.name} is {status.state} because keepalives are switched off for it, "
            "so nothing is known of its health.",
            "keepalive.enabled is false: no probes are sent and the state is not judged.",
            "Nothing happens until keepalives are switched on; "
            "calls are routed over it as a last resort.",
        )
    coming = _next(trunk, targets, capped=delayed is not None) + _pausing(targets, now_ms)
    if delayed is not None:
        coming += f" {delayed[0].upper()}{delayed[1:]}."
    if isolation is not None:
        coming += (
            f" The prober has been isolated for {span(now_ms - isolation.since_ms)}"
            f" ({isolation.problem}): states are held, and failures do not count."
        )
    return Explanation(_summary(trunk, status, targets, now_ms), _rule(trunk, targets), coming)


def _disabled(
    trunk: Trunk, status: TrunkStatus, *, admin_enabled: bool, now_ms: int
) -> Explanation:
    if not trunk.enabled:
        by = f"the configuration ({trunk.managed_by})" if trunk.managed_by else "its configuration"
        remedy = f"Set enabled = true for {trunk.id} there to put it back in service."
    else:
        by = "an administrator"
        remedy = f"Enable {trunk.id} to put it back in service; probing then starts at once."
    if not trunk.enabled and not admin_enabled:
        remedy += " An administrator has disabled it too, so it must also be enabled by hand."
    return Explanation(
        f"{_head(trunk, status, now_ms)} because it was disabled by {by}; this is not an outage.",
        "A disabled trunk takes no calls and is not probed.",
        remedy,
    )


def _summary(trunk: Trunk, status: TrunkStatus, targets: Sequence[TargetView], now_ms: int) -> str:
    head = _head(trunk, status, now_ms)
    down = [each for each in targets if each.evidence.state is TargetState.DOWN]
    failing = [
        each
        for each in targets
        if each.evidence.state is not TargetState.DOWN and each.evidence.failed_attempts
    ]
    available = sum(each.evidence.state is TargetState.AVAILABLE for each in targets)
    healthy = f"{_of(available, len(targets))} healthy"
    if status.state is TrunkState.AVAILABLE:
        if not failing:
            return f"{head}: {healthy}."
        many = f"{_of(len(failing), len(targets))} failing; " if len(targets) > 1 else ""
        return f"{head}, but in doubt: {many}{_listed(failing, now_ms)}."
    if status.state is TrunkState.UNKNOWN:
        probed = any(each.evidence.at_ms is not None for each in targets)
        return f"{head}: {_undecided(status, [*down, *failing], now_ms, probed=probed)}."
    if not down:
        return f"{head}: {healthy}, {trunk.min_available_targets} needed."
    if len(targets) == 1:
        return f"{head}: {_listed(down, now_ms)}."
    counts = f"{_of(len(down), len(targets))} down, {trunk.min_available_targets} needed"
    return f"{head}: {counts}; {_listed(down, now_ms)}."


def _undecided(
    status: TrunkStatus, suspects: Sequence[TargetView], now_ms: int, *, probed: bool
) -> str:
    if suspects:
        return f"not yet decided; {_listed(suspects, now_ms)}"
    if status.reason is Reason.ADMIN_ENABLED:
        return "it was put back in service and is being probed anew"
    if status.reason is Reason.LICENSE_RESTORED:
        return "the licence covers it again and it is being probed anew"
    if not probed:
        return "it has not been probed yet"
    return "too few attempts have been made to decide"


def _listed(targets: Sequence[TargetView], now_ms: int) -> str:
    """Each target with what was seen of it, the first few by name."""
    shown = "; ".join(_seen(each, now_ms) for each in targets[:NAMED_TARGETS])
    more = len(targets) - NAMED_TARGETS
    return f"{shown}; and {more} more" if more > 0 else shown


def _seen(target: TargetView, now_ms: int) -> str:
    evidence = target.evidence
    answered = (
        "has never answered well"
        if evidence.last_success_ms is None
        else f"last answered well {span(now_ms - evidence.last_success_ms)} ago"
    )
    return f"{_who(evidence)} {_symptom(evidence)} and {answered}{_asked_us(target, now_ms)}"


def _asked_us(target: TargetView, now_ms: int) -> str:
    """What it means that a target which does not answer has asked us since it last did."""
    heard_ms, evidence = target.last_heard_ms, target.evidence
    if heard_ms is None or evidence.failure not in _SILENT or now_ms - heard_ms > HEARD_LATELY_MS:
        return ""
    if evidence.last_success_ms is not None and heard_ms <= evidence.last_success_ms:
        return ""
    ago = span(now_ms - heard_ms)
    return f", but it sent us an OPTIONS {ago} ago, so the path towards us works"


_SILENT = frozenset({FailureKind.TIMEOUT, FailureKind.CONNECT_TIMEOUT})


def _symptom(evidence: AttemptEvidence) -> str:
    if evidence.failure is None:
        return "answers again" if evidence.state is TargetState.DOWN else "answers"
    if evidence.failure is FailureKind.TIMEOUT:
        return "does not answer"
    if evidence.failure is FailureKind.UNHEALTHY_RESPONSE:
        return _unhealthy(evidence)
    detail = f" ({evidence.detail})" if evidence.detail else ""
    wording = {
        FailureKind.REFUSED: "refuses",
        FailureKind.UNREACHABLE: "cannot be reached",
        FailureKind.RESET: "breaks the connection",
        FailureKind.CONNECT_TIMEOUT: "takes no connection",
        FailureKind.TLS: "has no secure connection to offer",
        FailureKind.MALFORMED: "sends what is no SIP",
        FailureKind.DNS: "cannot be found in the DNS",
    }
    return wording[evidence.failure] + detail


def _who(evidence: AttemptEvidence) -> str:
    """The target's URI, and behind a name the address that it leads to."""
    if evidence.address is None:
        return evidence.target
    host = evidence.address.partition(":")[2].rpartition(":")[0]
    if host in evidence.target:
        return evidence.target
    return f"{evidence.target} ({evidence.address})"


def _unhealthy(evidence: AttemptEvidence) -> str:
    """What came instead of a healthy answer, and what it may mean."""
    if evidence.maintenance_until_ms is not None and evidence.at_ms is not None:
        asked = span(evidence.maintenance_until_ms - evidence.at_ms)
        return (
            f"answers {evidence.code} and says that it is in maintenance (no probe for {asked}, as"
            " its Retry-After asks)"
        )
    plain = f"answered {evidence.code}"
    detail = evidence.detail
    if detail is None or detail == plain or detail.startswith(f"{plain} ("):
        return f"answers {evidence.code}, which does not count as healthy,"
    return f"answers {evidence.code} ({detail.removeprefix(f'{plain}: ')})"


def _rule(trunk: Trunk, targets: Sequence[TargetView]) -> str:
    """The settings that decide, and how far the target nearest to a change has come."""
    policy = trunk.keepalive
    parts: list[str] = []
    standing = [each for each in targets if each.evidence.state is not TargetState.DOWN]
    if standing:
        worst = max(each.evidence.failed_attempts for each in standing)
        parts.append(f"DOWN after {_failures(policy.max_failed_attempts)} ({worst} so far)")
    if any(each.evidence.maintenance_until_ms is not None for each in targets):
        parts.append("one answer is enough if its Retry-After outlasts the confirmation")
    rising = [each for each in targets if each.evidence.state is not TargetState.AVAILABLE]
    if rising:
        best = max(each.successes for each in rising)
        parts.append(
            f"AVAILABLE after {_successes(policy.min_successful_attempts)} ({best} so far)"
        )
    healthy = ", ".join(policy.healthy_responses)
    parts.append(f"an attempt may take {policy.timeout_seconds:g} s and succeeds with {healthy}")
    if len(targets) > 1:
        parts.append(
            f"the trunk is DOWN when fewer than {trunk.min_available_targets} of its "
            f"{len(targets)} targets can be available"
        )
    return "; ".join(parts) + "."


def _next(trunk: Trunk, targets: Sequence[TargetView], *, capped: bool) -> str:
    awake = [each for each in targets if not each.resting]
    if not awake:
        return "It has no target that is being probed."
    due = [each.next_in_seconds for each in awake if each.next_in_seconds is not None]
    if len(due) < len(awake):
        when = "A probe is under way"
    else:
        # It asks its cap for a place when it is due, and may have to wait for that.
        goes = "is due" if capped else "leaves"
        when = f"The next probe {goes} in {span(int(min(due) * 1000))}"
    outlook = _outlook(trunk.keepalive, awake)
    return f"{when}; {outlook}." if outlook else f"{when}."


def _pausing(targets: Sequence[TargetView], now_ms: int) -> str:
    """That calls take the place of keepalives, as a sentence of its own; empty if they do not."""
    paused = [each for each in targets if each.paused and each.proved_ms is not None]
    if not paused:
        return ""
    calls = sum(each.calls for each in paused)
    are = "1 call is" if calls == 1 else f"{calls} calls are"
    of = "" if len(paused) == len(targets) else f" of {_of(len(paused), len(targets))}"
    proved_ms = max(each.proved_ms for each in paused if each.proved_ms is not None)
    return f" Keepalives{of} pause while {are} up (last proof {span(now_ms - proved_ms)} ago)."


def _outlook(policy: KeepalivePolicy, targets: Sequence[TargetView]) -> str:
    """What the coming attempts would bring, for the target nearest to a change."""
    rising = [each for each in targets if each.evidence.state is TargetState.DOWN]
    falling = [
        each
        for each in targets
        if each.evidence.failed_attempts and each.evidence.state is not TargetState.DOWN
    ]
    undecided = [each for each in targets if each.evidence.state is TargetState.UNKNOWN]
    if falling:
        nearest = max(falling, key=lambda each: each.evidence.failed_attempts)
        left = max(1, policy.max_failed_attempts - nearest.evidence.failed_attempts)
        return f"{_more(left, 'failure')} in a row would make {_who(nearest.evidence)} DOWN"
    if rising or undecided:
        nearest = max(rising or undecided, key=lambda each: each.successes)
        left = max(1, policy.min_successful_attempts - nearest.successes)
        return f"{_more(left, 'success')} in a row would make {_who(nearest.evidence)} AVAILABLE"
    return ""


def _head(trunk: Trunk, status: TrunkStatus, now_ms: int) -> str:
    if status.since_ms is None:
        return f"{trunk.name} is {status.state}"
    return f"{trunk.name} has been {status.state} for {span(now_ms - status.since_ms)}"


def _of(count: int, total: int) -> str:
    return f"{count} of {total} {'target' if total == 1 else 'targets'}"


def _failures(count: int) -> str:
    return "1 failure" if count == 1 else f"{count} consecutive failures"


def _successes(count: int) -> str:
    return "1 success" if count == 1 else f"{count} consecutive successes"


def _more(count: int, what: str) -> str:
    if count == 1:
        return f"1 more {what}"
    return f"{count} more {what}{'es' if what.endswith('s') else 's'}"


def span(milliseconds: int) -> str:
    """A duration for a person: its largest unit, and the next one where that matters."""
    seconds = max(0, milliseconds) // 1000
    if seconds < 1:
        return "less than 1 s"
    if seconds < 120:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 120:
        return f"{minutes} min" + (f" {seconds} s" if seconds and minutes < 10 else "")
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h" + (f" {minutes} min" if minutes else "")
    return f"{hours // 24} days"
