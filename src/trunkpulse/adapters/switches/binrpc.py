"""BINRPC, the binary protocol of Kamailio's ctl module: questions and answers as bytes.

    packet:  0xA1 | kind, width of length, width of cookie | length | cookie | records
    record:  more?, size, type | length, if there is more | value

An answer has the cookie of its question. Numbers are big-endian and as short as can be. A text
ends in a zero byte, which its length counts. A struct is a run of pairs between two marks, in which
one name may stand several times, so it becomes a list of pairs and not a dictionary. (Kamailio,
src/modules/ctl/binrpc.h.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, TypeAlias

from trunkpulse.adapters.switches.conversation import Incomprehensible

__all__ = ["MOST_BYTES", "Packet", "PacketFraming", "Reading", "Value", "question", "values_of"]

MOST_BYTES: Final = 8 * 1024 * 1024
"""Of one answer."""
RECORDS_PER_TURN: Final = 500
"""Read before whoever reads has anything else done."""
_START: Final = 0xA1
_REPLY, _FAULT = 1, 3
_INT, _STR, _DOUBLE, _STRUCT, _ARRAY, _AVP, _BYTES = range(7)
_DEEPEST: Final = 16

Value: TypeAlias = "int | float | str | list[Value] | list[tuple[str, Value]]"
"""A struct is a list of pairs, an array a list of values."""


class Packet(NamedTuple):
    """An answer."""

    cookie: int
    fault: bool
    """True: its values are a code and a sentence."""
    data: bytes
    """The whole packet."""
    at: int
    """Where its records begin in ``data``."""


def question(cookie: int, method: str, *params: str | int) -> bytes:
    """The packet that calls ``method``."""
    body = _text(method) + b"".join(
        _number(each) if isinstance(each, int) else _text(each) for each in params
    )
    length, mark = _shortest(len(body)) or b"\0", _shortest(cookie) or b"\0"
    return bytes([_START, (len(length) - 1) << 2 | (len(mark) - 1)]) + length + mark + body


def _shortest(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _number(number: int) -> bytes:
    value = _shortest(number & 0xFFFFFFFF)
    return bytes([len(value) << 4 | _INT]) + value


def _text(text: str) -> bytes:
    value = text.encode() + b"\0"
    if len(value) < 8:
        return bytes([len(value) << 4 | _STR]) + value
    length = _shortest(len(value))
    return bytes([(len(length) | 8) << 4 | _STR]) + length + value


class PacketFraming:
    """Cuts a stream into answers."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[Packet]:
        """The answers that ``data`` completes; raises Incomprehensible."""
        self._data += data
        packets: list[Packet] = []
        while (end := self._end()) is not None:
            packet = bytes(self._data[:end])
            del self._data[:end]
            packets.append(_packet(packet))
        return packets

    def _end(self) -> int | None:
        """Where the first packet ends; None if that has not come yet."""
        data = self._data
        if data and data[0] != _START:
            raise Incomprehensible("something that is no BINRPC")
        if len(data) < 2:
            return None
        width, mark = _widths(data[1])
        head = 2 + width + mark
        if len(data) < head:
            return None
        length = int.from_bytes(data[2 : 2 + width], "big")
        if length > MOST_BYTES:
            raise Incomprehensible(f"more than {MOST_BYTES // 1024**2} MiB")
        return head + length if len(data) >= head + length else None


def _widths(flags: int) -> tuple[int, int]:
    return ((flags >> 2) & 3) + 1, (flags & 3) + 1


def values_of(packet: Packet) -> list[Value]:
    """Its records, read: a second's work of the largest one. Raises Incomprehensible."""
    reading = Reading(packet)
    for _ in reading:
        pass
    return reading.values


def _packet(data: bytes) -> Packet:
    """A whole packet, its records not read yet."""
    kind = data[1] >> 4
    if kind not in {_REPLY, _FAULT}:
        raise Incomprehensible("a BINRPC packet that is no answer")
    width, mark = _widths(data[1])
    cookie = int.from_bytes(data[2 + width : 2 + width + mark], "big")
    return Packet(cookie, kind == _FAULT, data, 2 + width + mark)


class Reading:
    """Reads the records of one packet, as many in one go as take a millisecond.

    To iterate over it is to read, and raises Incomprehensible; ``values`` are there at the end.
    """

    def __init__(self, packet: Packet) -> None:
        self.values: list[Value] = []
        self._data = packet.data
        self._at = packet.at

    def __iter__(self) -> Iterator[None]:
        open_ones: list[tuple[int, list[Any]]] = []
        """Structs and arrays that have not ended, the innermost last; what is in them so far."""
        number = 0
        while self._at < len(self._data) or open_ones:
            number += 1
            if number % RECORDS_PER_TURN == 0:
                yield
            outer: int | None = None
            members: list[Any] = self.values
            if open_ones:
                outer, members = open_ones[-1]
            kind, size, ends = self._head()
            if outer is not None and kind == outer and ends:
                open_ones.pop()
                continue
            name, kind, size = self._member(outer, kind, size, ends=ends)
            value: list[Any] | float | str = (
                [] if kind in {_STRUCT, _ARRAY} else self._scalar(kind, size)
            )
            members.append(value if name is None else (name, value))
            if isinstance(value, list):
                if len(open_ones) >= _DEEPEST:
                    raise Incomprehensible("BINRPC records that are nested too deeply")
                open_ones.append((kind, value))

    def _member(
        self, outer: int | None, kind: int, size: int, *, ends: bool
    ) -> tuple[str | None, int, int]:
        """Name, type and size of what is in ``outer``; only in a struct there are names."""
        if outer != _STRUCT:
            if ends:
                raise Incomprehensible("a BINRPC array that does not end")
            return None, kind, size
        if kind != _AVP:
            raise Incomprehensible("a BINRPC struct without names")
        name = _text_of(self._take(size))
        kind, size, ends = self._head()
        if ends or kind == _AVP:
            raise Incomprehensible("a BINRPC name without a value")
        return name, kind, size

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise Incomprehensible("a BINRPC record that is cut off")
        self._at += count
        return taken

    def _head(self) -> tuple[int, int, bool]:
        """Type, size of the value, and whether it is the mark at the end of a struct or array."""
        byte = self._take(1)[0]
        kind, size, more = byte & 0xF, (byte >> 4) & 7, bool(byte & 0x80)
        if kind in {_STRUCT, _ARRAY}:
            return kind, 0, more
        if more:
            size = int.from_bytes(self._take(size), "big")
        return kind, size, False

    def _scalar(self, kind: int, size: int) -> int | float | str:
        content = self._take(size)
        if kind in {_STR, _BYTES}:
            return _text_of(content) if kind == _STR else content.decode(errors="replace")
        if kind in {_INT, _DOUBLE}:
            # Four bytes are a C int; a double is one of thousandths.
            number = int.from_bytes(content, "big", signed=size == 4)
            return number if kind == _INT else number / 1000
        raise Incomprehensible("a BINRPC record of unknown type")


def _text_of(content: bytes) -> str:
    return content.removesuffix(b"\0").decode(errors="replace")
