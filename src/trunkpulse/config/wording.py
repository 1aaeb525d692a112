"""How values, choices and keys look within a sentence for a person."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

__all__ = ["did_you_mean", "either", "key_path", "plain_number", "printable", "shown"]

_SHOWN_CHARACTERS = 60
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,60}")
_LONGEST_SHOWN_NUMBER = 10**18
_LONGEST_COMPARED = 60


def printable(text: str) -> str:
    """``text`` on one line, its control and half characters escaped."""
    return "".join(
        character if character.isprintable() else ascii(character)[1:-1] for character in text
    )


def shown(value: object) -> str:
    """A TOML value in few words: texts quoted and cut short, lists and tables only named."""
    match value:
        case str():
            short = value if len(value) <= _SHOWN_CHARACTERS else value[:_SHOWN_CHARACTERS] + "…"
            text = f'"{printable(short)}"'
        case bool():
            text = "true" if value else "false"
        case int() | float():
            # A hexadecimal number may be longer than Python is willing to write in decimals.
            text = "a number that long" if _is_long(value) else str(value)
        case dict():
            text = "a table"
        case list():
            text = f"a list of {len(value)}" if value else "an empty list"
        case None:
            text = "null"
        case _:
            text = "a date or time"
    return text


def _is_long(number: float) -> bool:
    return isinstance(number, int) and abs(number) >= _LONGEST_SHOWN_NUMBER


def plain_number(value: float) -> str:
    """``5`` for 5.0, which the file may have written as a whole number, and ``14.9`` for 14.9."""
    return str(int(value) if value.is_integer() else value)


def did_you_mean(text: str, choices: Iterable[str]) -> str | None:
    """The one of ``choices`` that ``text`` was probably meant to be; None if none is near."""
    near = difflib.get_close_matches(text[:_LONGEST_COMPARED].lower(), list(choices), n=1)
    return near[0] if near else None


def either(choices: Iterable[str]) -> str:
    """``"a", "b" or "c"``."""
    *others, last = (f'"{choice}"' for choice in choices)
    return f"{', '.join(others)} or {last}" if others else last


def key_path(location: Sequence[str | int]) -> str:
    """``trunks[2].keepalive.interval_seconds``; lists count from 0."""
    path = ""
    for part in location:
        if isinstance(part, int):
            path += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else shown(part)
            path += f".{key}" if path else key
    return path
