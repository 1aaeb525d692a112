"""When the prober suspects itself instead of all the others.

If everything falls silent at once, the likeliest cause is on our side: a cable, a route, a
firewall. To condemn every trunk then is the worst answer there is. So before a target that was fine
is condemned for silence, the prober wants a sign that the network works, and any answer is one:

    a target falls silent, and nearly all attempts of the last seconds did
        -> ask around: one probe each to targets of other carriers (a *check*)
             -> somebody answers: it is the target's own trouble
             -> nearly nobody answers: ISOLATED, and the states of all trunks are held

The unit is the *party*: a carrier, or what a trunk without a named one leads to. Whatever one party
does, alone, never isolates us: ``minimum_carriers`` have to be silent, and at least
``failed_share`` of all that were asked. Parties at one and the same host count as one: whatever
they are called, one machine is enough to silence them all. Three kinds of evidence count:

========  ==============================================================  ===================
rule      what is seen                                                    held
========  ==============================================================  ===================
LINK      the interface is down, or no route; and nobody is heard         while it lasts
RESOLVER  the name servers are silent, a name is needed, nobody is heard  ``hold_seconds``
PEERS     a check found nearly all parties silent                         ``hold_seconds``
========  ==============================================================  ===================

LINK and RESOLVER need no second carrier. RESTORED comes with the first answers after which those of
the sample that are still to answer are no longer nearly all; or when the link, or the resolver, is
back for ``GRACE_SECONDS`` and too few parties are there to go on by their silence; or when the hold
has expired. After that only LINK counts for another ``hold_seconds``, unless a check finds
somebody.

Everything here is pure: moments are monotonic seconds, and the driver is ``probing.isolation``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from trunkpulse.health.signs import FORGET_SECONDS, MOST_PARTIES, WINDOW_SECONDS, Counts, Signs
from trunkpulse.model import IsolationPolicy, IsolationRule

__all__ = ["GRACE_SECONDS", "Finding", "Suspicion"]

GRACE_SECONDS: Final = 4.0
"""For how long somebody may answer once the link is back: a retransmission, and a little more."""
RESTART_SECONDS: Final = 2.0
"""The grace is so much longer after a start: nobody has been asked yet."""
LAST_CHANCE_SECONDS: Final = 60.0
"""So much of a hold is left after a restart at least: a machine's network comes up with it."""
DOWN_SECONDS: Final = 2.0
"""For how long the link has to be down before it is believed without a lost probe."""


class Finding(NamedTuple):
    """How the prober stands from now on, and why."""

    isolated: bool
    rule: IsolationRule
    problem: str
    silent: int
    asked: int
    """Parties."""
    failed: int
    answered: int
    """Attempts since the check began."""
    expired: bool = False


@dataclass(slots=True)
class _Check:
    began: float
    deadline: float
    pending: set[str]
    counts: Counts
    """What came of attempts since it began, and the silences that led to it."""
    looked: bool = False
    """True once the link was looked at for it."""
    resolver: bool = False
    """True if it began because a name was not found."""


@dataclass(slots=True)
class _Isolation:
    rule: IsolationRule
    held_from: float
    """Since when it rests on what ``hold_seconds`` bounds."""
    back: float | None = None
    """When the link, or the resolver, was first seen to be back; infinity: nobody was asked yet."""
    heard: dict[str, str] = field(default_factory=dict)
    """Parties that answered since, and where they are."""


class Suspicion:
    """See the module's opening. Bounded: it counts by party, never by target."""

    def __init__(self, policy: IsolationPolicy) -> None:
        self.policy = policy
        self._isolation: _Isolation | None = None
        self._check: _Check | None = None
        self._signs = Signs()
        self.sample: Mapping[str, str] = {}
        """The parties that are asked while we are isolated, and where they are."""
        self._last_answer = float("-inf")
        self._checked = float("-inf")
        """When the last check that found us connected ended."""
        self._spent_until = float("-inf")
        """Silence alone does not isolate us before then: a hold has expired."""
        self._link: str | None = None
        self._down_since = 0.0
        self._link_disproved = False
        """True while the link is said to be down, and answers come in over it."""
        self._resolver: str | None = None
        self._resolver_asked = False

    # --- what is seen ------------------------------------------------------------------------

    def answered(
        self, now: float, number: int, since: float | None = None, *, attempts: int | None = None
    ) -> None:
        """So many answers of whatever kind came in, none before ``since`` (None: ``now``).

        Each is a sign of life. ``attempts`` of them (None: all) were also those that an attempt
        waited for; late ones and repetitions are not.
        """
        if number:
            self._last_answer = max(self._last_answer, now if since is None else since)
            in_time = number if attempts is None else attempts
            self._count(now, Counts(answers=number, attempts=in_time))

    def silent(self, now: float, party: str, host: str | None = None) -> None:
        """An attempt at a target of ``party`` that was fine got no answer at all.

        ``host`` is where the target is; None: where nobody else is.
        """
        self._count(now, Counts(silences=1))
        self._signs.silent(now, party, host or party)
        if self._isolation is not None:
            self._isolation.heard.pop(party, None)
        if self._check is not None:
            self._check.pending.discard(party)

    def heard(self, now: float, party: str, host: str | None = None) -> None:
        """A target of ``party``, at ``host``, answered, whatever it said; it is counted apart."""
        self._signs.heard(now, party, host or party)
        isolation = self._isolation
        if isolation is not None and (
            party in isolation.heard or len(isolation.heard) < MOST_PARTIES
        ):
            isolation.heard[party] = host or party
        if self._check is not None:
            self._check.pending.discard(party)

    def link(self, now: float, problem: str | None) -> None:
        """The link was looked at, from the moment ``now`` on; None: it is there."""
        if problem is None:
            self._link_disproved = False
        elif self._link is None:
            self._down_since = now
        elif self._isolation is None and self._heard_over_it():
            self._link_disproved = True
        self._link = problem
        if self._check is not None and now >= self._check.began:
            self._check.looked = True

    def resolver(self, problem: str | None) -> None:
        """The name servers were asked; None: they answer."""
        self._resolver = problem
        self._resolver_asked = True

    # --- asking around -----------------------------------------------------------------------

    @property
    def isolated(self) -> bool:
        """True while states are held."""
        return self._isolation is not None

    @property
    def checking(self) -> bool:
        """True while it is not known yet whether others answer."""
        return self._check is not None

    def waits_for(self, party: str) -> bool:
        """True if ``party`` was asked in the check, and nothing came of it yet."""
        return self._check is not None and party in self._check.pending

    @property
    def needs_resolver(self) -> bool:
        """True while it matters whether the name servers answer."""
        if self._isolation is not None:
            return self._isolation.rule is IsolationRule.RESOLVER
        return self._check is not None and self._check.resolver

    @property
    def silent_parties(self) -> frozenset[str]:
        """Those that need not be asked: they have just been."""
        return self._signs.silent_parties

    def wants_check(self, now: float, every_seconds: float) -> bool:
        """True if nearly everything fails, and the last check is ``every_seconds`` old."""
        if self._isolation is not None or self._check is not None:
            return False
        if now - self._checked < every_seconds:
            return False
        self._signs.forget(now)
        answers, silences, _ = self._signs.counts()
        return silences > 0 and silences >= self.policy.failed_share * (silences + answers)

    def is_vouched_for(self, moment: float) -> bool:
        """True if somebody was heard after ``moment``, or a check has ended since."""
        return self._last_answer > moment or self._checked > moment

    def begin_check(
        self, now: float, asked: set[str], deadline: float, *, resolver: bool = False
    ) -> None:
        """These parties are asked for a sign of life until ``deadline``."""
        # What has just failed is part of what is checked.
        failed = Counts(silences=self._signs.counts().silences)
        self._check = _Check(now, deadline, set(asked), failed, resolver=resolver)
        self._resolver_asked = False

    # --- the verdict -------------------------------------------------------------------------

    def judge(self, now: float) -> Finding | None:
        """Where this leads, if that is news; also ends a check."""
        self._signs.forget(now)
        if self._isolation is not None:
            return self._judge_isolation(now, self._isolation)
        if self._link_is_down(now):
            return self._isolate(now, IsolationRule.LINK, self._link or "")
        return None if self._check is None else self._judge_check(now, self._check)

    def resume(self, now: float, held_seconds: float = 0.0) -> None:
        """We were isolated, for so long, when our last life ended; nobody can be asked yet."""
        held = min(held_seconds, max(0.0, self.policy.hold_seconds - LAST_CHANCE_SECONDS))
        self._isolation = _Isolation(IsolationRule.RESTART, now - held, back=float("inf"))

    def can_ask(self, now: float) -> None:
        """From now on it is known who there is to ask."""
        if self._isolation is not None and self._isolation.back == float("inf"):
            self._isolation.back = now + RESTART_SECONDS

    def release(self, now: float) -> Finding | None:
        """The rule is switched off: hold nothing any more."""
        if self._isolation is None:
            self._check = None
            return None
        return self._restore(now, self._isolation, "the rule was switched off")

    # --- inside ------------------------------------------------------------------------------

    def _heard_over_it(self) -> bool:
        return self._last_answer > self._down_since

    def _link_is_down(self, now: float) -> bool:
        if self._link is None or self._link_disproved or self._heard_over_it():
            return False
        lost = self._check is not None and self._signs.counts().silences > 0
        return lost or now - self._down_since >= DOWN_SECONDS

    def _judge_check(self, now: float, check: _Check) -> Finding | None:
        silent = self._signs.silent_hosts(check.began - WINDOW_SECONDS)
        heard = self._signs.heard_hosts(check.began)
        answers, silences, _ = check.counts
        hopeless = heard > 0 and not self._nearly_all(silent + len(check.pending), heard)
        waits = check.pending or not check.looked or (check.resolver and not self._resolver_asked)
        if waits and not hopeless and now < check.deadline:
            return None
        if not hopeless and now >= self._spent_until:
            nobody = not heard and self._last_answer < check.began - GRACE_SECONDS
            if check.resolver and self._resolver is not None and nobody:
                return self._isolate(now, IsolationRule.RESOLVER, self._resolver)
            enough = silences >= self.policy.failed_share * (silences + answers)
            if enough and self._nearly_all(silent, heard):
                problem = f"{silent} of {silent + heard} carriers that were asked gave no answer"
                return self._isolate(now, IsolationRule.PEERS, problem)
        if heard or answers:
            self._spent_until = float("-inf")
        self._checked = now
        self._check = None
        return None

    def _nearly_all(self, silent: int, heard: int) -> bool:
        enough = silent >= self.policy.minimum_carriers
        return enough and silent >= self.policy.failed_share * (silent + heard)

    def _judge_isolation(self, now: float, isolation: _Isolation) -> Finding | None:
        silent, heard = self._of_sample(now, isolation)
        waits = {host for party, host in self.sample.items() if party not in isolation.heard}
        if heard and not self._nearly_all(len(waits), heard):
            if self._link is not None:
                self._link_disproved = True
            return self._restore(now, isolation, "carriers answer again")
        if self._link is not None and not self._link_disproved:
            isolation.rule, isolation.back = IsolationRule.LINK, None
            isolation.held_from = now
            return None
        if isolation.rule is IsolationRule.RESOLVER and self._resolver is not None:
            isolation.back = None
        elif isolation.rule is not IsolationRule.PEERS:
            isolation.back = now if isolation.back is None else isolation.back
            if now - isolation.back >= GRACE_SECONDS:
                if not self._nearly_all(silent, heard):
                    return self._restore(now, isolation, "the way out is back")
                if isolation.rule is not IsolationRule.RESTART:
                    isolation.held_from = now
                isolation.rule = IsolationRule.PEERS
        waited = isolation.rule is not IsolationRule.RESTART  # else nobody had the time to answer
        if waited and now - isolation.held_from >= self.policy.hold_seconds:
            self._spent_until = now + self.policy.hold_seconds
            return self._restore(now, isolation, "states were held for long enough", expired=True)
        return None

    def _of_sample(self, now: float, isolation: _Isolation) -> tuple[int, int]:
        """How many that are asked were silent lately, and how many answered since."""
        silent = self._signs.silent_hosts(now - FORGET_SECONDS, self.sample)
        return silent, len(set(isolation.heard.values()))

    def _isolate(self, now: float, rule: IsolationRule, problem: str) -> Finding:
        finding = self._finding(now, rule, problem, isolated=True)
        self._isolation = _Isolation(rule, now)
        self.sample = {}
        self._check = None
        return finding

    def _restore(
        self, now: float, isolation: _Isolation, problem: str, *, expired: bool = False
    ) -> Finding:
        finding = self._finding(now, isolation.rule, problem, isolated=False, expired=expired)
        self._isolation = None
        self._check = None
        self._signs.clear()
        self._down_since = now
        return finding

    def _finding(
        self,
        now: float,
        rule: IsolationRule,
        problem: str,
        *,
        isolated: bool,
        expired: bool = False,
    ) -> Finding:
        check, isolation = self._check, self._isolation
        if isolation is None:
            silent = self._signs.silent_hosts(now - FORGET_SECONDS)
            heard = self._signs.heard_hosts(now if check is None else check.began)
        else:
            silent, heard = self._of_sample(now, isolation)
        counts = self._signs.counts() if check is None else check.counts
        failed, answered = counts.silences, counts.attempts
        return Finding(isolated, rule, problem, silent, silent + heard, failed, answered, expired)

    def _count(self, now: float, counts: Counts) -> None:
        self._signs.count(now, counts)
        if self._check is not None:
            self._check.counts = self._check.counts.plus(counts)
