"""What is remembered of a target's attempts, packed: a quarter of what the objects would take.

Whoever has failed once is remembered, and after some weeks that may be every target. A run of like
attempts is a row of numbers, those that there are, and a phrase:

    at, code, kind of failure, times, which others follow | rtt, quiet until, first at | phrase
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from trunkpulse.model import FailureKind
from trunkpulse.probing.attempt import Attempt

__all__ = ["NOTHING", "packed", "unpacked"]

NOTHING: Final = b""
"""No attempt at all."""

_HEAD: Final = struct.Struct("<dHBIBH")
_NUMBER: Final = struct.Struct("<d")
_RTT, _QUIET, _FIRST, _UNCOUNTED, _PHRASE = 1, 2, 4, 8, 16
_KINDS: Final = (None, *FailureKind)
_KIND_NUMBERS: Final = {kind: number for number, kind in enumerate(_KINDS)}
_MOST_TIMES: Final = 2**32 - 1
_LONGEST_PHRASE: Final = 2**14 - 1
"""Characters; each is four bytes at most."""


def packed(attempts: Iterable[Attempt]) -> bytes:
    """``attempts`` as bytes; a phrase of more than 16,383 characters is cut."""
    return b"".join(map(_packed, attempts))


def unpacked(data: bytes) -> tuple[Attempt, ...]:
    """What ``packed`` was given."""
    return tuple(_unpacked(data)) if data else ()


def _packed(attempt: Attempt) -> bytes:
    present = 0
    numbers = b""
    for mark, number in (
        (_RTT, attempt.rtt_seconds),
        (_QUIET, attempt.quiet_until),
        (_FIRST, attempt.first_at),
    ):
        if number is not None:
            present |= mark
            numbers += _NUMBER.pack(number)
    phrase = b""
    if attempt.detail is not None:
        present |= _PHRASE
        phrase = attempt.detail[:_LONGEST_PHRASE].encode(errors="surrogatepass")
    times = attempt.times
    if times is None:
        present |= _UNCOUNTED
        times = 0
    head = _HEAD.pack(
        attempt.at,
        attempt.code or 0,
        _KIND_NUMBERS[attempt.failure],
        min(times, _MOST_TIMES),
        present,
        len(phrase),
    )
    return head + numbers + phrase


def _unpacked(data: bytes) -> Iterator[Attempt]:
    place = 0

    def number(mark: int) -> float | None:
        nonlocal place
        if not present & mark:
            return None
        (value,) = _NUMBER.unpack_from(data, place)
        place += _NUMBER.size
        return float(value)

    while place < len(data):
        at, code, kind, times, present, length = _HEAD.unpack_from(data, place)
        place += _HEAD.size
        rtt, quiet, first = number(_RTT), number(_QUIET), number(_FIRST)
        phrase = data[place : place + length]
        place += length
        yield Attempt(
            at,
            code or None,
            _KINDS[kind],
            phrase.decode(errors="surrogatepass") if present & _PHRASE else None,
            rtt,
            quiet,
            first,
            None if present & _UNCOUNTED else times,
        )
