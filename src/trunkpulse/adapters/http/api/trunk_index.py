"""All trunks in the order of their ids, to be paged through by filter without looking at each.

The order is a row of shelves (``shelf``), so that a trunk that comes, goes or changes is a matter
of one shelf. The index watches the board: a change of state is one byte, written at once. Which
trunks there are, and what they are called, is noted and made good when somebody asks next; after
many changes, as at the start, all is built anew. Everything long is done in turns (``turns``).

It is built ahead of whoever asks first (``prepare``), ids and names to search included: of a
million trunks that takes some seconds, which nobody shall wait for. The index takes 17 bytes a
trunk, and what ids and names take.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile

from trunkpulse.adapters.http.api.shelf import Condition, Shelf, Wanted
from trunkpulse.adapters.turns import Turns
from trunkpulse.board import Board
from trunkpulse.model import TrunkState
from trunkpulse.recorder import TrunkRecord

__all__ = ["TrunkIndex"]

SHELF = 1024
"""Trunks on a shelf that is filled in one go; one that grows to twice as many is parted."""
SAMPLES = 8
"""Ids per shelf that are sorted beforehand to know what goes where."""
REBUILD_SHARE = 0.25
"""With so much of the index out of date it is built anew."""
REBUILD_LEAST = 4 * SHELF
RECORDS_PER_STEP = 256
FREEZE_FROM = 50_000
"""Trunks from which on a full garbage collection over all of them would make probes late."""


class TrunkIndex:
    """See the module's opening; the board's watcher."""

    def __init__(
        self, records: Callable[[], Mapping[str, TrunkRecord]], board: Board, own_region: str
    ) -> None:
        """``own_region`` is where trunks are that do not say."""
        self._records = records
        self._own_region = own_region
        self._shelves: list[Shelf] = []
        self._heads: list[str] = []
        """For each shelf an id that none of its trunks is before, and all of the shelf before."""
        self._stale = True
        """True while the shelves are of no use and have to be built anew."""
        self._building = False
        self._has_texts = False
        """True once all shelves had their texts; those that change since are seen to one by one."""
        self._late: dict[str, None] = {}
        """Trunks to be looked at anew before anybody is answered, in order of arrival."""
        self._mending = asyncio.Lock()
        board.watch(self)

    # --- what happens (BoardWatcher) ---------------------------------------------------------

    def moved(self, trunk_id: str, state: TrunkState) -> None:
        """A trunk's state is another by now."""
        if self._building:
            self._late[trunk_id] = None
        elif not self._stale and self._shelves:
            shelf = self._shelves[self._at(trunk_id)]
            place = shelf.place_of(trunk_id)
            if place is not None:  # otherwise it is late, and its state will be read then
                shelf.set_state(place, state)

    def listed(self, trunk_id: str) -> None:
        """A trunk has come, gone, or may be called something else."""
        if self._building:
            self._late[trunk_id] = None
        elif not self._stale:
            self._late[trunk_id] = None
            indexed = len(self._shelves) * SHELF
            if len(self._late) > max(REBUILD_LEAST, indexed * REBUILD_SHARE):
                self._stale = True
                self._late = {}

    # --- what is asked ------------------------------------------------------------------------

    async def prepare(self, turns: Turns) -> None:
        """Have all that is there ready; who asks meanwhile waits for what is left of it."""
        await turns.take()
        await self._mend(turns)
        await self._put_texts_together(turns)

    async def page(
        self,
        wanted: Wanted,
        *,
        after: str | None,
        limit: int,
        turns: Turns,
        downwards: bool = False,
    ) -> tuple[list[TrunkRecord], bool]:
        """At most ``limit`` trunks by id, those beyond ``after``; and whether there are more.

        ``downwards``: from the last id to the first one.
        """
        await self._mend(turns)
        conditions = wanted.conditions()
        part = None if wanted.part is None else wanted.part.encode()
        if part is not None and not self._has_texts:
            await self._put_texts_together(turns)
            await self._mend(turns)
        found: list[TrunkRecord] = []
        at = self._start(after, downwards=downwards)
        while 0 <= at < len(self._shelves):
            shelf = self._shelves[at]
            if shelf.can_meet(conditions) and (part is None or self._reads(shelf, part)):
                records = self._records()
                places = _beyond(after, shelf, conditions, part, downwards=downwards)
                for place in places:
                    record = records.get(shelf.ids[place])
                    if record is None or not wanted.fits(record, self._own_region):
                        continue
                    if len(found) == limit:
                        return found, True
                    found.append(record)
            after = shelf.ids[0 if downwards else -1]
            # Trunks may come and go while others have their turn, and shelves with them.
            if await turns.give_way():
                at = self._start(after, downwards=downwards)
            else:
                at += -1 if downwards else 1
        return found, False

    def _start(self, after: str | None, *, downwards: bool) -> int:
        """The first shelf that may have trunks beyond ``after``, where there is one."""
        if downwards:
            return (len(self._heads) if after is None else bisect_left(self._heads, after)) - 1
        return 0 if after is None else self._first_beyond(after)

    async def _put_texts_together(self, turns: Turns) -> None:
        at = 0
        while at < len(self._shelves):
            shelf = self._shelves[at]
            self._have_text(shelf)
            last = shelf.ids[-1]
            at = self._first_beyond(last) if await turns.give_way() else at + 1
        self._has_texts = True

    def _reads(self, shelf: Shelf, part: bytes) -> bool:
        self._have_text(shelf)
        return shelf.reads(part)

    def _have_text(self, shelf: Shelf) -> None:
        if not shelf.has_text():
            records = self._records()
            shelf.put_text_together(
                "" if (record := records.get(each)) is None else record.trunk.name
                for each in shelf.ids
            )

    # --- keeping it true ------------------------------------------------------------------------

    async def _mend(self, turns: Turns) -> None:
        """Have the shelves hold what there is; whoever comes meanwhile waits for it."""
        while self._stale or self._late:
            async with self._mending:
                if self._stale:
                    await self._build(turns)
                else:
                    await self._catch_up(turns)

    async def _build(self, turns: Turns) -> None:
        """Fill new shelves: each trunk goes into a box by a sample of ids, each box is sorted."""
        self._building, self._late = True, {}
        ids = list(self._records())  # the one step over all: 10 ms for a million
        try:
            with _collector_paused(freeze=len(ids) >= FREEZE_FROM):
                sample = sorted(ids[:: max(1, SHELF // SAMPLES)])
                bounds = sample[SAMPLES::SAMPLES]
                boxes: list[list[str]] = [[] for _ in range(len(bounds) + 1)]
                while ids:
                    for trunk_id in ids[-RECORDS_PER_STEP:]:
                        boxes[bisect_right(bounds, trunk_id)].append(trunk_id)
                    del ids[-RECORDS_PER_STEP:]
                    await turns.give_way()
                self._shelves = await self._filled(boxes, turns)
                self._has_texts = False
                self._heads = [shelf.ids[0] for shelf in self._shelves]
                self._stale = False
        finally:
            self._building = False

    async def _filled(self, boxes: list[list[str]], turns: Turns) -> list[Shelf]:
        shelves: list[Shelf] = []
        for box in boxes:
            box.sort()
            for start in range(0, len(box), SHELF):
                records = self._records()
                some = [records[each] for each in box[start : start + SHELF] if each in records]
                if some:
                    shelves.append(Shelf(some, self._own_region))
                await turns.give_way()
            box.clear()
        return shelves

    async def _catch_up(self, turns: Turns) -> None:
        while self._late:
            trunk_id = next(iter(self._late))
            del self._late[trunk_id]
            record = self._records().get(trunk_id)
            if record is None:
                self._take_out(trunk_id)
            else:
                self._put(record)
            await turns.give_way()

    def _put(self, record: TrunkRecord) -> None:
        if not self._shelves:
            self._insert(0, [record])
            return
        at = self._at(record.trunk.id)
        shelf = self._shelves[at]
        shelf.put(record)
        self._heads[at] = min(self._heads[at], record.trunk.id)
        if len(shelf) > 2 * SHELF:
            records = self._records()
            kept = [records[each] for each in shelf.ids if each in records]
            del self._shelves[at], self._heads[at]
            self._insert(at, kept[len(kept) // 2 :])
            self._insert(at, kept[: len(kept) // 2])

    def _insert(self, at: int, records: Sequence[TrunkRecord]) -> None:
        if records:
            self._shelves.insert(at, Shelf(records, self._own_region))
            self._heads.insert(at, records[0].trunk.id)

    def _take_out(self, trunk_id: str) -> None:
        if not self._shelves:
            return
        at = self._at(trunk_id)
        shelf = self._shelves[at]
        place = shelf.place_of(trunk_id)
        if place is None:
            return  # it came and went before anybody asked
        shelf.take_out(place)
        if not len(shelf):
            del self._shelves[at], self._heads[at]

    def _first_beyond(self, trunk_id: str) -> int:
        """The first shelf that has trunks after this one."""
        at = bisect_right(self._heads, trunk_id)
        return at - 1 if at and self._shelves[at - 1].ids[-1] > trunk_id else at

    def _at(self, trunk_id: str) -> int:
        """Which shelf the trunk is on, or would be."""
        return max(0, bisect_right(self._heads, trunk_id) - 1)


def _beyond(
    after: str | None,
    shelf: Shelf,
    conditions: Sequence[Condition],
    part: bytes | None,
    *,
    downwards: bool,
) -> Iterator[int]:
    """The candidates of a shelf in the order that is asked for."""
    if not downwards:
        start = 0 if after is None else bisect_right(shelf.ids, after)
        return shelf.candidates(conditions, part, start)
    end = len(shelf) if after is None else bisect_left(shelf.ids, after)
    places = takewhile(lambda place: place < end, shelf.candidates(conditions, part, 0))
    return reversed(list(places))


@contextlib.contextmanager
def _collector_paused(*, freeze: bool) -> Iterator[None]:
    """Keep the garbage collector from going through lists of a million ids while they grow.

    ``freeze``: what was made stays, so it need not look at it later either.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if freeze:
            gc.freeze()
        if was_enabled:
            gc.enable()
