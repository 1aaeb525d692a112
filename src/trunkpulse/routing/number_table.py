"""Which of many rules describes a number most closely.

The order is total:

1. A longer match beats a shorter one. A prefix is as long as its digits, a pattern with an open end
   as the places before it. A range, a closed pattern and a short number are as long as the number
   that they take.
2. Of equal length, fewer numbers beat more: the narrower of two ranges or patterns, and a complete
   number written as a prefix before any range around it.
3. Of equal width, the entry that comes first.

A lookup costs one dictionary probe for each length of prefix in use and, where there are ranges for
numbers of this length, one bisection: overlaps were cut into disjoint segments beforehand. Patterns
stand by the digits that they begin with, so that only few are looked at, and each of these costs
one operation on whole numbers: a number is a bit for each place and digit, a pattern the bits that
it allows, and there is one more bit at each place for the end.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import takewhile
from typing import Final, Generic, TypeVar

from trunkpulse.model import NumberPattern, NumberRange, NumberRule, ShortNumber

__all__ = ["EVERY_NUMBER", "Match", "NumberTable"]

V = TypeVar("V")

EVERY_NUMBER: Final = NumberRange("+")
"""The prefix of every E.164 number."""

_PLACE_BITS: Final = 11
"""Of one place: each digit, and the end of the number."""
_END: Final = 1 << 10
_ANY_DIGIT: Final = _END - 1
_LONGEST: Final = 15
_BITS: Final = [
    {str(digit): 1 << (_PLACE_BITS * place + digit) for digit in range(10)}
    for place in range(_LONGEST)
]


@dataclass(frozen=True, slots=True)
class Match(Generic[V]):
    """The entry that describes a number most closely."""

    value: V
    rule: NumberRule
    order: int
    """The entry's place among all, from 0."""
    width: int
    """How many numbers of its own length the rule takes: 1 for a prefix."""
    length: int
    """How much of a number the rule describes, with the plus."""

    @property
    def remoteness(self) -> tuple[int, int, int]:
        """Of two matches of one number the closer one has less."""
        return -self.length, self.width, self.order


class NumberTable(Generic[V]):
    """An immutable index from rules to values."""

    def __init__(self, entries: Iterable[tuple[NumberRule, V]]) -> None:
        """Index ``entries``; what comes first wins where two describe a number equally well."""
        self._whole: dict[str, Match[V]] = {}
        """Prefixes with their plus, and short numbers."""
        ranges: dict[int, list[tuple[int, int, Match[V]]]] = {}
        patterns: list[tuple[NumberPattern, Match[V]]] = []
        for order, (rule, value) in enumerate(entries):
            match rule:
                case ShortNumber(digits):
                    self._whole.setdefault(digits, Match(value, rule, order, 1, len(digits)))
                case NumberPattern():
                    length = 1 + len(rule.places)
                    patterns.append((rule, Match(value, rule, order, rule.width, length)))
                case NumberRange(prefix, None):
                    self._whole.setdefault(prefix, Match(value, rule, order, 1, len(prefix)))
                case NumberRange(first, str(last)):
                    edges = int(first), int(last)
                    match_ = Match(value, rule, order, edges[1] - edges[0] + 1, len(first))
                    ranges.setdefault(len(first), []).append((*edges, match_))
        prefixes = {len(each) for each in self._whole if each.startswith("+")}
        self._lengths = tuple(sorted(prefixes, reverse=True))
        self._segments = {length: _disjoint(found) for length, found in ranges.items()}
        self._patterns = _Patterns(patterns) if patterns else None
        self._in_order = sorted(self._whole)

    def lookup(self, number: str) -> Match[V] | None:
        """The closest match of ``number``, or None.

        It is E.164 with its plus, or a short number as dialled, which only its own rule takes.
        """
        whole = self._whole
        length = len(number)
        if number[:1] != "+":
            return whole.get(number)
        best = None if self._patterns is None else self._patterns.lookup(number)
        if length in self._segments:
            starts, matches = self._segments[length]
            if (ranged := matches[bisect_right(starts, int(number))]) is not None:
                best = _closer(best, ranged)
                exact = whole.get(number)
                return best if exact is None else _closer(best, exact)
        for prefix_length in self._lengths:
            if prefix_length <= length and (found := whole.get(number[:prefix_length])):
                return found if best is None else _closer(best, found)
        return best

    def has_longer(self, beginning: str) -> bool:
        """Whether more digits after ``beginning`` can make a number that an entry takes.

        It is the first digits of an E.164 number with its plus, or of a short number.
        """
        if _has_longer(self._in_order, beginning):
            return True
        if not beginning.startswith("+") or len(beginning) > _LONGEST:
            return False
        if any(beginning[:length] in self._whole for length in self._lengths):
            return True
        if any(map(partial(self._has_range, beginning), self._segments)):
            return True
        return self._patterns is not None and self._patterns.has_longer(beginning)

    def _has_range(self, beginning: str, length: int) -> bool:
        """Whether a range of numbers so long, with their plus, has one that begins so."""
        if length <= len(beginning):
            return False
        starts, matches = self._segments[length]
        more = length - len(beginning)
        at = bisect_right(starts, int(beginning + "0" * more))
        # After a gap there is always a range.
        return matches[at] is not None or (
            at < len(starts) and starts[at] <= int(beginning + "9" * more)
        )


def _closer(one: Match[V] | None, other: Match[V]) -> Match[V]:
    return other if one is None or other.remoteness < one.remoteness else one


class _Patterns(Generic[V]):
    """Patterns by the digits that they begin with."""

    def __init__(self, patterns: Iterable[tuple[NumberPattern, Match[V]]]) -> None:
        self._by_beginning: dict[str, list[tuple[int, Match[V]]]] = {}
        for pattern, match in patterns:
            beginning = "+" + "".join(takewhile(lambda place: len(place) == 1, pattern.places))
            self._by_beginning.setdefault(beginning, []).append((_allowed(pattern), match))
        for found in self._by_beginning.values():
            found.sort(key=lambda entry: entry[1].remoteness)
        self._in_order = sorted(self._by_beginning)
        self._lengths = tuple(sorted({len(beginning) for beginning in self._by_beginning}))

    def lookup(self, number: str) -> Match[V] | None:
        """The closest match of an E.164 number."""
        bits = 0
        best: Match[V] | None = None
        for length in self._lengths:
            found = self._by_beginning.get(number[:length])
            if found is None:
                continue
            if not bits:
                bits = _bits_of(number[1:])
            for allowed, match in found:
                if bits & allowed == bits:
                    best = _closer(best, match)
                    break
        return best

    def has_longer(self, beginning: str) -> bool:
        """Whether a pattern takes longer numbers that begin so."""
        if _has_longer(self._in_order, beginning):
            return True
        next_place = _PLACE_BITS * (len(beginning) - 1)
        bits = _bits_of(beginning[1:]) ^ (_END << next_place)
        return any(
            bits & allowed == bits and (allowed >> next_place) & _ANY_DIGIT
            for length in self._lengths
            if length <= len(beginning)
            for allowed, _ in self._by_beginning.get(beginning[:length], ())
        )


def _has_longer(texts: Sequence[str], beginning: str) -> bool:
    """Whether one of these, which are in order, goes on after ``beginning``."""
    after = bisect_right(texts, beginning)
    return after < len(texts) and texts[after].startswith(beginning)


def _bits_of(digits: str) -> int:
    """A bit for each place; none fits what is longer than E.164 allows."""
    bits = _END << (_PLACE_BITS * len(digits))
    for of_digit, digit in zip(_BITS, digits, strict=False):
        bits |= of_digit[digit]
    return bits


def _allowed(pattern: NumberPattern) -> int:
    """The bits that a number may have which the pattern takes."""
    bits = 0
    for of_digit, place in zip(_BITS, pattern.places, strict=False):
        for digit in place:
            bits |= of_digit[digit]
    places = len(pattern.places)
    if not pattern.is_open:
        return bits | _END << (_PLACE_BITS * places)
    bits |= _ANY_DIGIT << (_PLACE_BITS * places)
    rest = _PLACE_BITS * (places + 1)
    return bits | ((1 << (_PLACE_BITS * (_LONGEST + 1))) - (1 << rest))


def _disjoint(
    ranges: list[tuple[int, int, Match[V]]],
) -> tuple[list[int], list[Match[V] | None]]:
    """Overlapping ranges as disjoint segments, each with the closest of the ranges over it.

    The match of a number is ``matches[bisect_right(starts, number)]``: one more match than
    starts, because before the first start there is none.
    """
    by_first = sorted(ranges, key=lambda item: item[0])
    starts = sorted({edge for first, last, _ in ranges for edge in (first, last + 1)})
    matches: list[Match[V] | None] = [None]
    open_ranges: list[tuple[int, int, int, Match[V]]] = []
    """A heap with the closest on top; those that have ended leave once they get there."""
    upcoming = 0
    for start in starts:
        while upcoming < len(by_first) and by_first[upcoming][0] == start:
            _, last, match = by_first[upcoming]
            heapq.heappush(open_ranges, (match.width, match.order, last, match))
            upcoming += 1
        while open_ranges and open_ranges[0][2] < start:
            heapq.heappop(open_ranges)
        matches.append(open_ranges[0][3] if open_ranges else None)
    return starts, matches
