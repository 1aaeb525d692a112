"""The lines of a table that somebody else wrote: no row of it takes more memory than it may.

A reader of CSV goes on until a quotation mark is closed, however many lines that takes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

__all__ = ["BoundedLines", "RowTooLong"]


class RowTooLong(Exception):
    """A row does not end where it should long have ended."""


class BoundedLines:
    """The lines of ``text``, as many as a row may have until ``taken`` begins anew."""

    def __init__(self, text: TextIO, most_characters: int) -> None:
        """A row has ``most_characters`` at most, with the empty lines before it."""
        self._text = text
        self._most = most_characters
        self.taken = 0
        """Characters so far; whoever has read a row to its end begins anew at 0."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._text.readline(self._most + 1)
        self.taken += len(line)
        if self.taken > self._most:
            raise RowTooLong
        if not line:
            raise StopIteration
        return line
