"""Retry-After: for how long a far side asks to be left alone (RFC 3261 §20.33)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from trunkpulse.sip.errors import MalformedHeader, Ungrammatical, shown
from trunkpulse.sip.grammar import (
    BLANK,
    Parameters,
    check_line,
    check_parameters,
    check_range,
    find_parameter,
    matched,
    parse_number,
    parse_parameters,
    split_outside_quotes,
    write_parameters,
)

__all__ = ["RetryAfter"]

_LONGEST_SECONDS = 2**32 - 1
_HEAD = re.compile(r"([0-9]+)[ \t]*(.*)", re.DOTALL)
_COMMENT_PIECES = re.compile(r"\\(.)|[()]|[^\\()]++", re.DOTALL)
_NEEDS_ESCAPE = re.compile(r"([\\()])")


@dataclass(frozen=True, slots=True)
class RetryAfter:
    """``seconds (comment);parameters``; comes back from ``parse(str(x))`` unchanged."""

    seconds: int
    """From the moment that the answer came; 0 to 2**32 - 1."""
    comment: str | None = None
    """For a person, such as "I'm in a meeting"; without parentheses and backslashes."""
    parameters: Parameters = ()

    def __post_init__(self) -> None:
        try:
            check_range(self.seconds, "number of seconds", lowest=0, highest=_LONGEST_SECONDS)
            if self.comment is not None:
                check_line(self.comment, "comment")
            check_parameters(self.parameters)
        except Ungrammatical as problem:
            raise _malformed(str(self), problem) from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the header's value; raises ``MalformedHeader``, also for a date of HTTP's kind."""
        try:
            head = matched(_HEAD, text, "it does not begin with a number of seconds")
            seconds = parse_number(head[1], "number of seconds", lowest=0, highest=_LONGEST_SECONDS)
            comment, parameter_texts = _after_seconds(head[2])
            parameters = parse_parameters(parameter_texts)
        except Ungrammatical as problem:
            raise _malformed(text, problem) from None
        return cls(seconds, comment, parameters)

    def __str__(self) -> str:
        comment = ""
        if self.comment is not None:
            comment = " (" + _NEEDS_ESCAPE.sub(r"\\\1", self.comment) + ")"
        return f"{self.seconds}{comment}{write_parameters(self.parameters)}"

    @property
    def duration_seconds(self) -> int | None:
        """For how long the far side will then be there; None if it does not say, or no number."""
        try:
            return parse_number(
                find_parameter(self.parameters, "duration") or "",
                "duration",
                lowest=0,
                highest=_LONGEST_SECONDS,
            )
        except Ungrammatical:
            return None


def _malformed(text: str, problem: Ungrammatical) -> MalformedHeader:
    return MalformedHeader(f"Retry-After header {shown(text)} is malformed: {problem}")


def _after_seconds(text: str) -> tuple[str | None, list[str]]:
    """The comment, if there is one, and the texts of the parameters."""
    comment, rest = _comment(text) if text.startswith("(") else (None, text)
    before, *parameter_texts = split_outside_quotes(rest, ";")
    if before:
        raise Ungrammatical(f"{shown(before)} is neither a comment nor a parameter")
    return comment, parameter_texts


def _comment(text: str) -> tuple[str, str]:
    """What stands in the parentheses that ``text`` begins with, and what follows them.

    Comments nest (§25.1), and the inner parentheses are part of the text.
    """
    words: list[str] = []
    depth = 0
    for piece in _COMMENT_PIECES.finditer(text):
        depth += {"(": 1, ")": -1}.get(piece[0], 0)
        words.append(piece[1] or piece[0])
        if depth == 0:
            return "".join(words)[1:-1], text[piece.end() :].lstrip(BLANK)
    raise Ungrammatical("its comment is opened and never closed")
