"""Trunks as one JSON document, read one by one: a large one would keep probes waiting.

Either ``{"entities": […]}``, as an export and a list have it, or the list alone.

The decoder does not stop before a value ends. So each value is measured first, from bracket to
bracket: one that does not end soon, or has more in it than a trunk has, is not decoded at all.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from trunkpulse.provisioning.importing import Row

__all__ = ["json_rows"]

LONGEST_ELEMENT_CHARACTERS: Final = 64 * 1024
DEEPEST_ELEMENT: Final = 8
MOST_BRACKETS: Final = 512
"""That one element opens and closes: a trunk has a few objects, and a target each may be one."""
LONGEST_SPACE_CHARACTERS: Final = 64 * 1024
LONGEST_NUMBER_CHARACTERS: Final = 64

_SPACE = re.compile(rf"[ \t\r\n]{{0,{LONGEST_SPACE_CHARACTERS}}}+")
_TEXT = re.compile(r'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_TO_BRACKET = re.compile(r'(?:[^"\[\]{}]++|"(?:[^"\\]++|\\.)*+")*+[\[\]{}]', re.DOTALL)
_WORD = re.compile(rf"[-+.\w]{{0,{LONGEST_NUMBER_CHARACTERS + 1}}}+")
_HOW = 'it must be {"entities": […]} or a list of objects'


class _Unreadable(ValueError):
    """From here on nothing can be read."""


def json_rows(text: str) -> Iterator[Row]:
    """The trunks in the order in which they stand; what cannot be read says so."""
    reader = _Reader(text)
    try:
        yield from reader.rows()
    except _Unreadable as problem:
        yield Row(reader.line, {}, (("", f"The document is not what it should be: {problem}."),))


class _Reader:
    """Where in the text we are."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._counted = 0
        self.line = 1
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)

    def rows(self) -> Iterator[Row]:
        """Each element of the list."""
        if self._take("{"):
            yield from self._members()
        elif self._take("["):
            yield from self._elements()
        else:
            raise _Unreadable(_HOW)
        self._skip()
        if self._at < len(self._text):
            raise _Unreadable("something stands behind its end")

    def _members(self) -> Iterator[Row]:
        expected = ["entities", "nextCursor"]  # each once: nobody else may have a turn before them
        while not self._take("}"):
            name = self._value()
            if name not in expected:
                raise _Unreadable(_HOW)
            expected.remove(name)
            if not self._take(":"):
                raise _Unreadable("a colon is missing")
            if name == "nextCursor":
                self._value()
            elif self._take("["):
                yield from self._elements()
            else:
                raise _Unreadable(_HOW)
            if not self._take(",") and not self._next_is("}"):
                raise _Unreadable("a comma is missing")
        if "entities" in expected:
            raise _Unreadable(_HOW)

    def _elements(self) -> Iterator[Row]:
        if self._take("]"):
            return
        for number in itertools.count():
            self._skip()
            line, place, begin = self.line, f"entities[{number}]", self._at
            value = self._value()
            size = self._at - begin
            if isinstance(value, dict):
                yield Row(line, value, place=place, size=size)
            else:
                yield Row(line, {}, (("", "A trunk must be an object."),), place, size)
            if self._take("]"):
                return
            if not self._take(","):
                raise _Unreadable("a comma is missing")

    def _value(self) -> object:
        self._skip()
        self._measure()
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as problem:
            self._at = problem.pos
            self._skip()
            raise _Unreadable(problem.msg[:1].lower() + problem.msg[1:]) from None
        except (ValueError, RecursionError):
            raise _Unreadable("a number is too long, or lists are nested too deeply") from None
        return value

    def _measure(self) -> None:
        """Raises _Unreadable if what stands here is more than an element may be."""
        begin, end = self._at, self._at + LONGEST_ELEMENT_CHARACTERS
        first = self._text[begin : begin + 1]
        if first in ("[", "{"):
            self._measure_brackets(begin, end)
        elif first == '"':
            if end < len(self._text) and _TEXT.match(self._text, begin, end) is None:
                raise _too_long()
        else:
            word = _WORD.match(self._text, begin)
            if word is not None and word.end() - begin > LONGEST_NUMBER_CHARACTERS:
                raise _Unreadable("a number is too long")

    def _measure_brackets(self, begin: int, end: int) -> None:
        depth, at = 0, begin
        for _ in range(MOST_BRACKETS):
            found = _TO_BRACKET.match(self._text, at, end)
            if found is None:  # too far away, or not there: then it is soon found out what is wrong
                if end < len(self._text):
                    raise _too_long()
                return
            at = found.end()
            depth += 1 if self._text[at - 1] in "[{" else -1
            if depth == 0:
                return
            if depth > DEEPEST_ELEMENT:
                raise _Unreadable(
                    f"lists or objects are in more than {DEEPEST_ELEMENT - 1} others, "
                    "which no trunk needs"
                )
        raise _Unreadable(
            f"an element has more than {MOST_BRACKETS // 2} lists and objects, which no trunk needs"
        )

    def _take(self, mark: str) -> bool:
        if self._next_is(mark):
            self._at += 1
            return True
        return False

    def _next_is(self, mark: str) -> bool:
        self._skip()
        return self._text.startswith(mark, self._at)

    def _skip(self) -> None:
        space = _SPACE.match(self._text, self._at)
        assert space is not None
        if space.end() - self._at == LONGEST_SPACE_CHARACTERS:
            raise _Unreadable("there is nothing but white space for too long")
        self._at = space.end()
        self.line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at


def _too_long() -> _Unreadable:
    return _Unreadable(
        f"an element or a text does not end within {LONGEST_ELEMENT_CHARACTERS // 1024} KiB"
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
