"""Telephone numbers: what was dialled as E.164, and which of many ranges it falls into.

``normalise`` is lenient on purpose. It asks that a number *could* be E.164 (ITU-T E.164: at most
15 digits, no leading zero), never that a numbering plan lists it: plans lag behind what carriers
route, and a router that knows better than its carrier loses calls.

``NumberTable`` answers "which entry describes this number most closely?". The order is total:

1. A longer match beats a shorter one. A prefix is as long as its digits; a range of numbers is as
   long as its numbers, and takes only numbers of exactly that length.
2. Of equal length, fewer numbers beat more: the narrower of two ranges, and a complete number
   written as a prefix before any range around it.
3. Of equal width, the entry that comes first.

A lookup costs one dictionary probe per prefix length in use and, where there are ranges for
numbers of this length, one bisection: overlaps were cut into disjoint segments beforehand.
"""

from __future__ import annotations

import heapq
import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from urllib.parse import unquote

import phonenumbers

from trunkpulse.model import NumberRange

__all__ = ["EVERY_NUMBER", "BadNumber", "Match", "NumberTable", "normalise"]

V = TypeVar("V")

EVERY_NUMBER: Final = NumberRange("+")
"""The prefix of every E.164 number."""

_E164: Final = re.compile(r"\+[1-9][0-9]{6,14}")
_SCHEME: Final = re.compile(r"(?:sips?|tel):", re.IGNORECASE)
_VISUAL_SEPARATORS: Final = str.maketrans("", "", "-.() ")
"""RFC 3966 5.1.1, and the space that people type."""
_PHONE_CONTEXT: Final = re.compile(r";phone-context=(\+[0-9][0-9.()-]*)", re.IGNORECASE)
_LOCAL: Final = re.compile(r"[0-9]+")


class BadNumber(ValueError):
    """What was dialled has no E.164 form; the message says what to give instead. Not retryable."""


def normalise(dialled: str, country: str | None = None) -> str:
    """``dialled`` as E.164: a plus and 7 to 15 digits.

    Takes a number as people or PBXs write it, a SIP URI (its user part) or a tel URI (RFC 3966).
    A number without a plus is read as dialled in ``country`` (ISO 3166, such as "US"), or in the
    ``phone-context`` of the URI if that is a global prefix. Raises BadNumber.
    """
    if _E164.fullmatch(dialled):
        return dialled
    number, parameters = _subscriber(dialled)
    if number.startswith("+"):
        if _E164.fullmatch(number):
            return number
        raise BadNumber(
            f"{_shown(dialled)} is not a telephone number; "
            "give a plus and 7 to 15 digits, such as +15551230001."
        )
    if not _LOCAL.fullmatch(number):
        raise BadNumber(
            f"{_shown(dialled)} is not a telephone number; "
            "give it in E.164, such as +15551230001, or as a sip: or tel: URI of one."
        )
    if context := _PHONE_CONTEXT.search(parameters):
        return _national(f"tel:{number};phone-context={context[1]}", number, dialled, None)
    if country is None:
        raise BadNumber(
            f"{_shown(dialled)} does not say which country it is in; "
            "give it in E.164, such as +15551230001."
        )
    return _national(number, number, dialled, country.upper())


def _subscriber(dialled: str) -> tuple[str, str]:
    """The digits as dialled, without what only pleases the eye, and the parameters after them."""
    text = dialled.strip()
    if scheme := _SCHEME.match(text):
        text = text[scheme.end() :]
        if scheme[0].lower() != "tel:" and "@" not in text:
            return "", ""  # a SIP URI without a user part: an address, however many digits
    # The user part ends at the "@" or a password; its parameters precede it (RFC 3261 19.1.6).
    user = unquote(text.partition("@")[0].partition(":")[0])
    number, semicolon, parameters = user.partition(";")
    return number.translate(_VISUAL_SEPARATORS), semicolon + parameters


def _national(text: str, number: str, dialled: str, country: str | None) -> str:
    """``text`` in E.164 as the numbering plan of ``country`` (or its own context) reads it."""
    try:
        parsed = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException as error:
        if error.error_type == phonenumbers.NumberParseException.INVALID_COUNTRY_CODE:
            raise BadNumber(
                f"{_shown(dialled)} cannot be read with the default country "
                f"{_shown(country or '')}; give a two-letter code such as US."
            ) from error
        raise _without_e164_form(dialled) from error
    if phonenumbers.is_possible_number(parsed):
        e164 = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
        if _E164.fullmatch(e164):
            return e164
    # Many PBXs send 00 for "international" whatever the country's own prefix (011 in the US).
    if number.startswith("00") and _E164.fullmatch(f"+{number[2:]}"):
        return f"+{number[2:]}"
    raise _without_e164_form(dialled)


def _without_e164_form(dialled: str) -> BadNumber:
    return BadNumber(
        f"{_shown(dialled)} has no E.164 form (emergency and short numbers have none); "
        "leave it to the local switch or give the full number, such as +15551230001."
    )


def _shown(text: str) -> str:
    """``text`` in quotes, cut to a length that a message can bear."""
    return f'"{text}"' if len(text) <= 40 else f'"{text[:40]}…"'


@dataclass(frozen=True, slots=True)
class Match(Generic[V]):
    """The entry that describes a number most closely."""

    value: V
    rule: NumberRange
    order: int
    """The entry's place among all, from 0."""
    width: int
    """How many numbers of its own length the rule takes: 1 for a prefix."""


class NumberTable(Generic[V]):
    """An immutable index from prefixes and ranges of E.164 numbers to values."""

    def __init__(self, entries: Iterable[tuple[NumberRange, V]]) -> None:
        """Index ``entries``; what comes first wins where two describe a number equally well."""
        self._prefixes: dict[str, Match[V]] = {}
        ranges: dict[int, list[tuple[int, int, Match[V]]]] = {}
        for order, (rule, value) in enumerate(entries):
            if rule.last is None:
                self._prefixes.setdefault(rule.first, Match(value, rule, order, 1))
            else:
                first, last = int(rule.first), int(rule.last)
                match = Match(value, rule, order, last - first + 1)
                ranges.setdefault(len(rule.first), []).append((first, last, match))
        self._lengths = tuple(sorted({len(prefix) for prefix in self._prefixes}, reverse=True))
        self._segments = {length: _disjoint(found) for length, found in ranges.items()}

    def lookup(self, number: str) -> Match[V] | None:
        """The closest match of ``number`` (E.164 with its plus), or None."""
        length = len(number)
        prefixes = self._prefixes
        if length in self._segments:
            starts, matches = self._segments[length]
            if (ranged := matches[bisect_right(starts, int(number))]) is not None:
                exact = prefixes.get(number)
                if exact and (exact.width, exact.order) < (ranged.width, ranged.order):
                    return exact
                return ranged
        for prefix_length in self._lengths:
            if prefix_length <= length and (found := prefixes.get(number[:prefix_length])):
                return found
        return None


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
