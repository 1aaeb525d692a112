"""What was heard lately, and what stayed silent: the signs that a suspicion of ourselves weighs.

Attempts are counted over a window of seconds, in slices of a tenth of one; parties are known one by
one, each with the host where it was met, so that several at one host can count as one. Both are
bounded, whatever there is to be probed. Moments are monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from typing import Final, NamedTuple

__all__ = ["FORGET_SECONDS", "MOST_PARTIES", "WINDOW_SECONDS", "Counts", "Signs"]

WINDOW_SECONDS: Final = 5.0
"""How far back attempts and answers are weighed against each other."""
FORGET_SECONDS: Final = 15.0
"""A party's silence that is older says nothing of now."""
MOST_PARTIES: Final = 256
_SLICE_SECONDS: Final = 0.1


class Counts(NamedTuple):
    """What came of attempts."""

    answers: int = 0
    """Of whatever kind, late ones and repetitions included."""
    silences: int = 0
    attempts: int = 0
    """Of those that were answered in time."""

    def plus(self, other: Counts) -> Counts:
        """Both together."""
        return Counts(
            self.answers + other.answers,
            self.silences + other.silences,
            self.attempts + other.attempts,
        )


class _Sign(NamedTuple):
    """When a party was last silent, or heard, and where."""

    at: float
    host: str


class Signs:
    """See the module's opening."""

    def __init__(self) -> None:
        self._slices: deque[tuple[float, Counts]] = deque()
        """When each began, and what it counted; the oldest first."""
        self._silent: dict[str, _Sign] = {}
        self._heard: dict[str, _Sign] = {}

    @property
    def silent_parties(self) -> frozenset[str]:
        """Those that were silent when they were last asked."""
        return frozenset(self._silent)

    def count(self, now: float, counts: Counts) -> None:
        """So much came of attempts just now."""
        began = now
        if self._slices and now - self._slices[-1][0] < _SLICE_SECONDS:
            began, before = self._slices.pop()
            counts = before.plus(counts)
        self._slices.append((began, counts))

    def silent(self, now: float, party: str, host: str) -> None:
        """This party gave no answer at ``host``."""
        if party in self._silent or len(self._silent) < MOST_PARTIES:
            self._silent[party] = _Sign(now, host)
        self._heard.pop(party, None)

    def heard(self, now: float, party: str, host: str) -> None:
        """This party answered from ``host``."""
        self._silent.pop(party, None)
        if party in self._heard or len(self._heard) < MOST_PARTIES:
            self._heard[party] = _Sign(now, host)

    def counts(self) -> Counts:
        """What came of the attempts of the window, as of the last ``forget``."""
        total = Counts()
        for _, counts in self._slices:
            total = total.plus(counts)
        return total

    def silent_hosts(self, since: float, among: Collection[str] = ()) -> int:
        """Where parties were silent since then; only those in ``among``, unless it is empty."""
        return len(
            {
                sign.host
                for party, sign in self._silent.items()
                if sign.at >= since and (not among or party in among)
            }
        )

    def heard_hosts(self, since: float) -> int:
        """Where parties were heard since then."""
        return len({sign.host for sign in self._heard.values() if sign.at >= since})

    def forget(self, now: float) -> None:
        """Drop what is too old to say anything."""
        while self._slices and self._slices[0][0] <= now - WINDOW_SECONDS:
            self._slices.popleft()
        for parties in (self._silent, self._heard):
            old = [party for party, sign in parties.items() if sign.at <= now - FORGET_SECONDS]
            for party in old:
                del parties[party]

    def clear(self) -> None:
        """Drop everything: what comes from now on is to count alone."""
        self._slices.clear()
        self._silent.clear()
        self._heard.clear()
