"""Trunks as one JSON document, read one by one: a large one would keep probes waiting.

Either ``{"entities": […]}``, as an export and a list have it, or the list alone.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import NoReturn

from trunkpulse.provisioning.importing import Row

__all__ = ["json_rows"]

_SPACE = re.compile(r"[ \t\r\n]*")
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
        found = False
        while not self._take("}"):
            name = self._value()
            if not self._take(":"):
                raise _Unreadable("a colon is missing")
            if name == "entities" and not found:
                if not self._take("["):
                    raise _Unreadable(_HOW)
                found = True
                yield from self._elements()
            elif name == "nextCursor":
                self._value()
            else:
                raise _Unreadable(_HOW)
            if not self._take(",") and not self._next_is("}"):
                raise _Unreadable("a comma is missing")
        if not found:
            raise _Unreadable(_HOW)

    def _elements(self) -> Iterator[Row]:
        if self._take("]"):
            return
        for number in itertools.count():
            self._skip()
            line, place = self.line, f"entities[{number}]"
            value = self._value()
            if isinstance(value, dict):
                yield Row(line, value, place=place)
            else:
                yield Row(line, {}, (("", "A trunk must be an object."),), place)
            if self._take("]"):
                return
            if not self._take(","):
                raise _Unreadable("a comma is missing")

    def _value(self) -> object:
        self._skip()
        try:
            value, self._at = self._decoder.raw_decode(self._text, self._at)
        except json.JSONDecodeError as problem:
            self._at = problem.pos
            self._skip()
            raise _Unreadable(problem.msg[:1].lower() + problem.msg[1:]) from None
        except (ValueError, RecursionError):
            raise _Unreadable("a number is too long, or lists are nested too deeply") from None
        return value

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
        self._at = space.end()
        self.line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)
