"""Which telephone numbers a route serves: prefixes, ranges, patterns and short numbers.

All but short numbers are E.164 with its plus. A text stands for one of

- a prefix, ``+1555``: every number that begins so;
- a range, ``+15551230000-+15551239999``: the numbers from the first to the last;
- a pattern, ``+1[2-9]XXXXXXXXX``: one digit for each place, where ``X`` is any, ``Z`` is 1 to 9,
  ``N`` is 2 to 9, and brackets hold digits and spans of them. A full stop at the end stands for
  one or more further digits;
- a short number, ``112``: 2 to 6 digits, exactly as dialled.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

__all__ = ["NumberPattern", "NumberRange", "NumberRule", "ShortNumber", "parse_number_rule"]

_DIGITS = "0123456789"
_LETTERS = {"X": _DIGITS, "Z": _DIGITS[1:], "N": _DIGITS[2:]}
_MOST_DIGITS = 15
"""Of an E.164 number."""
_SHORT = re.compile(r"[0-9]{2,6}")
_PREFIX_OR_RANGE = re.compile(r"(\+[0-9]{1,15})(?:-(\+[0-9]{1,15}))?")
_PATTERN = re.compile(r"\+((?:[0-9XZN]|\[[0-9-]{1,30}\])+)(\.?)")
_ONLY_DIGITS = re.compile(r"\+[0-9]+")
_PLACE = re.compile(r"[0-9XZN]|\[([0-9-]+)\]")
_SPAN = re.compile(r"([0-9])(?:-([0-9]))?")


@dataclass(frozen=True, slots=True)
class NumberRange:
    """A prefix, or every number from ``first`` to ``last``."""

    first: str
    """Digits with a leading plus."""
    last: str | None = None
    """None: ``first`` is a prefix. Otherwise the same length as ``first``, inclusive."""

    def __str__(self) -> str:
        """As the file writes it."""
        return self.first if self.last is None else f"{self.first}-{self.last}"


@dataclass(frozen=True)
class NumberPattern:
    """Numbers of which each digit is one of some."""

    text: str
    """As the file writes it; must be one that ``parse_number_rule`` takes."""

    def __str__(self) -> str:
        """As the file writes it."""
        return self.text

    @cached_property
    def places(self) -> tuple[str, ...]:
        """The digits that may stand at each place, up to an open end."""
        return tuple(_places(self.text.removesuffix(".")))

    @property
    def is_open(self) -> bool:
        """True if one or more further digits follow."""
        return self.text.endswith(".")

    @property
    def width(self) -> int:
        """How many numbers of as many digits as there are places it takes."""
        return math.prod(map(len, self.places))


@dataclass(frozen=True, slots=True)
class ShortNumber:
    """A number that is only dialled, such as that of an emergency service."""

    digits: str
    """2 to 6, without a plus."""

    def __str__(self) -> str:
        """As the file writes it."""
        return self.digits


NumberRule = NumberRange | NumberPattern | ShortNumber


def parse_number_rule(text: str) -> NumberRule:
    """What ``text`` stands for; ``str`` gives it back.

    Raises ValueError, whose message is read after the key's name: "must be …".
    """
    if _SHORT.fullmatch(text):
        return ShortNumber(text)
    if found := _PREFIX_OR_RANGE.fullmatch(text):
        return _range(found[1], found[2])
    if _PATTERN.fullmatch(text) and not _ONLY_DIGITS.fullmatch(text):
        return _pattern(text)
    raise ValueError(
        'must be an E.164 prefix ("+" and 1 to 15 digits), a range such as '
        '"+15551230000-+15551239999", a pattern such as "+1[2-9]XXXXXXXXX" or a short number such '
        'as "112" (2 to 6 digits)'
    )


def _range(first: str, last: str | None) -> NumberRange:
    if last is not None and len(first) != len(last):
        raise ValueError("must be a range between numbers with equally many digits")
    if last is not None and first > last:
        raise ValueError("must be a range from the lower number to the higher")
    return NumberRange(first, last)


def _pattern(text: str) -> NumberPattern:
    pattern = NumberPattern(text)
    if not all(pattern.places):
        raise ValueError(
            "must hold digits and spans of them from the lower to the higher in brackets, such as "
            '"[2-9]" or "[135]"'
        )
    if len(pattern.places) + pattern.is_open > _MOST_DIGITS:
        raise ValueError(f"must be a pattern of at most {_MOST_DIGITS} digits")
    return pattern


def _places(text: str) -> Iterator[str]:
    for found in _PLACE.finditer(text):
        place = found[0]
        yield _among(found[1]) if found[1] else _LETTERS.get(place, place)


def _among(brackets: str) -> str:
    """The digits that ``2-9`` or ``135`` stands for, in order; none if it makes no sense."""
    found: set[str] = set()
    spans = list(_SPAN.finditer(brackets))
    for span in spans:
        first, last = span[1], span[2] or span[1]
        if first > last:
            return ""
        found.update(_DIGITS[int(first) : int(last) + 1])
    makes_sense = "".join(span[0] for span in spans) == brackets
    return "".join(sorted(found)) if makes_sense else ""
