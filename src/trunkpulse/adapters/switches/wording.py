"""How the sentences about a switch are put together, whatever it speaks."""

from __future__ import annotations

import os

__all__ = ["plain", "reason_of"]

LONGEST_CHARACTERS = 120


def plain(text: str) -> str:
    """What a switch said, fit for a sentence: one line, printable, short, no full stop."""
    start = text[: 8 * LONGEST_CHARACTERS]  # somebody may have said megabytes
    line = " ".join("".join(char if char.isprintable() else " " for char in start).split())
    line = line.rstrip(".")
    return line if len(line) <= LONGEST_CHARACTERS else f"{line[: LONGEST_CHARACTERS - 1]}…"


def reason_of(error: BaseException) -> str:
    """What went wrong, in the operating system's words if it was the one to say so."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError):
            # asyncio puts the address where the system's text was; of errors of TLS and of names
            # it is the other way round, their numbers mean nothing to the system.
            if cause.errno and (isinstance(cause, ConnectionError) or type(cause) is OSError):
                return plain(os.strerror(cause.errno))
            if cause.strerror:
                return plain(cause.strerror)
        cause = cause.__cause__ or cause.__context__
    return plain(str(error)) or type(error).__name__
