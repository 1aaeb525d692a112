"""A shelf of the trunk index: a thousand trunks in order, and columns to search them by.

A column is one byte a trunk. To find the trunks of a state, or of a carrier, is to search for a
byte, which C does at some gigabytes a second; two conditions are two such masks and one AND of two
large numbers. A byte holds no carrier's name, though, only a checksum of it: what a shelf gives are
candidates, and whoever asks looks at each of them.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from zlib import crc32

from trunkpulse.access import Limits
from trunkpulse.adapters.http.api.substring import holds
from trunkpulse.model import Direction, TrunkState
from trunkpulse.recorder import TrunkRecord

__all__ = ["Column", "Condition", "Shelf", "Wanted", "state_code"]

FEW = 32
"""Candidates that are looked at one by one rather than all the text searched."""
_DIRECTIONS = {direction: code for code, direction in enumerate(Direction)}
_STATES = {state: code for code, state in enumerate(TrunkState)}
_EQUALS = tuple(bytes(byte == code for byte in range(256)) for code in range(256))
"""For each code: what a column is translated by to have 1 where the code is, and 0 elsewhere."""


class Column(IntEnum):
    """What a trunk can be found by."""

    STATE = 0
    CARRIER = 1
    REGION = 2
    DIRECTION = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """What a candidate has in one column: any of some codes."""

    column: Column
    codes: frozenset[int]
    marks: bytes
    """What the column is translated by to have 1 where any of the codes is, and 0 elsewhere."""

    @classmethod
    def one_of(cls, column: Column, codes: Iterable[int]) -> Condition:
        """Any of ``codes``."""
        wanted = frozenset(codes)
        if len(wanted) == 1:
            return cls(column, wanted, _EQUALS[next(iter(wanted))])
        return cls(column, wanted, bytes(byte in wanted for byte in range(256)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which trunks are asked for; what is None does not matter."""

    state: TrunkState | None = None
    carrier: str | None = None
    region: str | None = None
    direction: Direction | None = None
    part: str | None = None
    """Somewhere in the id or the name; casefolded."""
    limits: Limits | None = None
    """Of whoever asks."""

    def fits(self, record: TrunkRecord, own_region: str) -> bool:
        """True if the trunk is one that is asked for; ``own_region`` is this instance's."""
        trunk = record.trunk
        return (
            (self.state is None or record.state is self.state)
            and (self.carrier is None or trunk.carrier == self.carrier)
            and (self.region is None or (trunk.region or own_region) == self.region)
            and (self.direction is None or trunk.direction is self.direction)
            and (
                self.part is None
                or self.part in trunk.id.casefold()
                or self.part in trunk.name.casefold()
            )
            and (
                self.limits is None or self.limits.cover(trunk.region or own_region, trunk.carrier)
            )
        )

    def conditions(self) -> tuple[Condition, ...]:
        """What the candidates have in their columns."""
        wanted: list[Condition] = []
        if self.state is not None:
            wanted.append(Condition.one_of(Column.STATE, (state_code(self.state),)))
        if self.carrier is not None:
            wanted.append(Condition.one_of(Column.CARRIER, (_text_code(self.carrier),)))
        if self.region is not None:
            wanted.append(Condition.one_of(Column.REGION, (_text_code(self.region),)))
        if self.direction is not None:
            wanted.append(Condition.one_of(Column.DIRECTION, (_DIRECTIONS[self.direction],)))
        if self.limits is not None:
            limited = ((Column.REGION, self.limits.regions), (Column.CARRIER, self.limits.carriers))
            wanted += [
                Condition.one_of(column, map(_text_code, names))
                for column, names in limited
                if names is not None
            ]
        return tuple(wanted)


class Shelf:
    """See the module's opening. Its trunks are told apart by their place, from 0."""

    __slots__ = ("_columns", "_ends", "_own_region", "_text", "ids")

    def __init__(self, records: Sequence[TrunkRecord], own_region: str) -> None:
        """``records`` are in the order of their ids; ``own_region`` is this instance's."""
        # A tuple of texts is nothing to the garbage collector once it has seen it; lists of a
        # million ids would be gone through in each full collection.
        self.ids = tuple(record.trunk.id for record in records)
        self._own_region = own_region
        self._columns = tuple(
            bytearray(column)
            for column in zip(*(self._row(record) for record in records), strict=True)
        )
        self._text = b""
        """Ids and names, casefolded, once they are asked for; empty: not put together."""
        self._ends = array("I")
        """Where in the text the trunk of each place ends."""

    def __len__(self) -> int:
        return len(self.ids)

    def place_of(self, trunk_id: str) -> int | None:
        """Where the trunk stands; None if it is not here."""
        place = bisect_left(self.ids, trunk_id)
        return place if place < len(self.ids) and self.ids[place] == trunk_id else None

    def set_state(self, place: int, state: TrunkState) -> None:
        """The trunk at ``place`` has this state by now."""
        self._columns[Column.STATE][place] = state_code(state)

    def put(self, record: TrunkRecord) -> None:
        """Take in a trunk, or look anew at one that is here."""
        trunk_id = record.trunk.id
        place = bisect_left(self.ids, trunk_id)
        known = place < len(self.ids) and self.ids[place] == trunk_id
        if not known:
            self.ids = (*self.ids[:place], trunk_id, *self.ids[place:])
        for column, code in zip(self._columns, self._row(record), strict=True):
            column[place : place + known] = bytes((code,))
        self._text = b""

    def take_out(self, place: int) -> None:
        """The trunk at ``place`` is gone."""
        self.ids = self.ids[:place] + self.ids[place + 1 :]
        for column in self._columns:
            del column[place]
        self._text = b""

    def has_text(self) -> bool:
        """True if the text has been put together since the last trunk came or went."""
        return bool(self._text)

    def put_text_together(self, names: Iterable[str]) -> None:
        """Make ids and names searchable; ``names`` are those of the shelf's trunks, in order."""
        lines = [
            f"{trunk_id}\n{name}\n".casefold().encode()
            for trunk_id, name in zip(self.ids, names, strict=True)
        ]
        self._text, self._ends = b"".join(lines), array("I", accumulate(map(len, lines)))

    def can_meet(self, conditions: Iterable[Condition]) -> bool:
        """False if no trunk here can meet all of these."""
        return all(
            any(code in self._columns[each.column] for code in each.codes) for each in conditions
        )

    def reads(self, part: bytes) -> bool:
        """False if no trunk here has this in its text; needs ``put_text_together`` before."""
        return holds(self._text, part)

    def candidates(
        self, conditions: Sequence[Condition], part: bytes | None, start: int
    ) -> Iterator[int]:
        """Places from ``start`` on that may be of trunks that meet these and have this text.

        None that is asked for is missing. ``part`` needs ``put_text_together`` before.
        """
        mask = self._mask(conditions)
        if mask is None:
            return iter(()) if conditions else self._all(part, start)
        if part is None or mask.count(1, start) <= FEW:
            return self._marked(mask, part, start)
        return (place for place in self._holding(part, start) if mask[place])

    def _all(self, part: bytes | None, start: int) -> Iterator[int]:
        return iter(range(start, len(self.ids))) if part is None else self._holding(part, start)

    def _mask(self, conditions: Sequence[Condition]) -> bytes | None:
        """1 at each place that meets all conditions; None if there is none, or no condition."""
        if not self.can_meet(conditions):
            return None
        merged: int | None = None
        for each in conditions:
            marks = int.from_bytes(self._columns[each.column].translate(each.marks), "little")
            merged = marks if merged is None else merged & marks
        return None if not merged else merged.to_bytes(len(self.ids), "little")

    def _marked(self, mask: bytes, part: bytes | None, start: int) -> Iterator[int]:
        place = mask.find(1, start)
        while place >= 0:
            if part is None or self._holds(part, place):
                yield place
            place = mask.find(1, place + 1)

    def _holds(self, part: bytes, place: int) -> bool:
        return self._text.find(part, self._begin(place), self._ends[place]) >= 0

    def _holding(self, part: bytes, start: int) -> Iterator[int]:
        at = self._text.find(part, self._begin(start))
        while at >= 0:
            place = bisect_right(self._ends, at)
            yield place
            at = self._text.find(part, self._ends[place])

    def _begin(self, place: int) -> int:
        return self._ends[place - 1] if place else 0

    def _row(self, record: TrunkRecord) -> tuple[int, int, int, int]:
        """What goes into each column."""
        trunk = record.trunk
        return (
            state_code(record.state),
            _text_code(trunk.carrier or ""),
            _text_code(trunk.region or self._own_region),
            _DIRECTIONS[trunk.direction],
        )


def state_code(state: TrunkState) -> int:
    """What stands for a state in its column."""
    return _STATES[state]


def _text_code(text: str) -> int:
    return crc32(text.encode()) & 0xFF
