"""Ways to spoil a message, all drawn from one seeded generator: a seed repeats its run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from fuzz.corpus import LINES, TELLING

__all__ = ["mutated"]

_Choice = TypeVar("_Choice")

_NUMBERS: Final = (
    *(b"0", b"-1", b"00000000000000000001", b"255", b"65535", b"65536", b"2147483647"),
    *(b"2147483648", b"4294967296", b"18446744073709551616", b"9" * 100, b"9" * 5000, b"1e9"),
    *("٣".encode(), b"0x10", b"+5", b"5.0", b" 7 "),
)
_DIGITS: Final = re.compile(rb"[0-9]+")
_LINE_BREAKS: Final = (b"\n", b"\r", b"\r\r\n", b"\n\r", b"\r\n ", b"\r\n\t", b"\r\n\r\n", b"")
_NESTS: Final = (
    (b"(", b")"),
    (b'"', b'"'),
    (b"<", b">"),
    (b"[", b"]"),
    (b'\\"', b""),
    (b"\\", b""),
)
_DEPTHS: Final = (1, 2, 3, 17, 900)


def _flip_a_bit(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    if data:
        data[int(chance.random() * len(data))] ^= 1 << int(chance.random() * 8)


def _truncate(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    del data[_place(data, chance) :]


def _cut_a_piece(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = _place(data, chance)
    del data[start : start + 1 + int(chance.random() * 12)]


def _splice(data: bytearray, chance: Random, corpus: Sequence[bytes]) -> None:
    other = _one_of(corpus, chance)
    data[_place(data, chance) :] = other[_place(other, chance) :]


def _repeat_a_piece(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = _place(data, chance)
    piece = data[start : start + 1 + int(chance.random() * 40)]
    data[start:start] = piece * (300 if chance.random() < 0.02 else 1 + int(chance.random() * 4))


def _repeat_a_line(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    lines = data.split(b"\n")
    lines.insert(1 + int(chance.random() * len(lines)), _one_of(lines, chance))
    data[:] = b"\n".join(lines)


def _add_a_header(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = data.find(b"\n", _place(data, chance))
    data[start + 1 : start + 1] = _one_of(LINES, chance) + b"\r\n"


def _lose_a_line(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = data.find(b"\n", _place(data, chance))
    end = data.find(b"\n", start + 1)
    if 0 <= start < end:
        del data[start:end]


def _play_with_line_breaks(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = data.find(b"\r\n", _place(data, chance))
    if chance.random() < 0.1:
        data[:] = data.replace(b"\r\n", b"\n")
    elif start >= 0:
        data[start : start + 2] = _one_of(_LINE_BREAKS, chance)


def _change_a_number(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    number = _DIGITS.search(data, _place(data, chance))
    if number is not None:
        data[number.start() : number.end()] = _one_of(_NUMBERS, chance)


def _nest(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    opening, closing = _one_of(_NESTS, chance)
    depth = _one_of(_DEPTHS, chance)
    start = _place(data, chance)
    end = start + int(chance.random() * 20)
    data[end:end] = closing * depth
    data[start:start] = opening * depth


def _change_case(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = _place(data, chance)
    data[start : start + 10] = data[start : start + 10].swapcase()


def _insert_random_bytes(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = _place(data, chance)
    data[start:start] = chance.randbytes(1 + int(chance.random() * 4))


def _insert_what_is_telling(data: bytearray, chance: Random, _: Sequence[bytes]) -> None:
    start = _place(data, chance)
    data[start:start] = _one_of(TELLING, chance)


def _place(data: bytes | bytearray, chance: Random) -> int:
    # randrange costs as much as the rest of a mutation, and there are millions.
    return int(chance.random() * (len(data) + 1))


def _one_of(choices: Sequence[_Choice], chance: Random) -> _Choice:
    return choices[int(chance.random() * len(choices))]


_WAYS: Final = (
    _flip_a_bit,
    _truncate,
    _cut_a_piece,
    _splice,
    _repeat_a_piece,
    _repeat_a_line,
    _add_a_header,
    _lose_a_line,
    _play_with_line_breaks,
    _change_a_number,
    _nest,
    _change_case,
    _insert_random_bytes,
    _insert_what_is_telling,
)
_TIMES: Final = (1, 1, 1, 2, 2, 4)


def mutated(corpus: Sequence[bytes], chance: Random) -> bytes:
    """One of ``corpus``, spoilt in one to four ways."""
    data = bytearray(_one_of(corpus, chance))
    for _ in range(_one_of(_TIMES, chance)):
        _one_of(_WAYS, chance)(data, chance, corpus)
    return bytes(data)
