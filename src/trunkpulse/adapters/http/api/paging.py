"""Pages of long lists, and the cursors that lead from one to the next.

A cursor says where the last page ended, never how many entries were before it, so nothing is
skipped or shown twice when entries come and go in between. Clients treat it as opaque.
"""

from __future__ import annotations

import asyncio
import base64
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, TypeVar

from fastapi import Query

from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.recorder import TrunkRecord

__all__ = ["Cursor", "Limit", "TrunkIndex", "cursor_of", "id_of", "page_by_id", "position_of"]

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries per page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=1024, description="nextCursor of the page before; absent: the first page."),
]

LARGEST_POSITION = 2**63 - 1
"""What a database takes for a number."""
RECORDS_PER_TURN = 2000
"""Looked at before the event loop may do anything else: probes must leave on time."""


def cursor_of(entry_id: str) -> str:
    """The cursor of a page that ends with the entry of this id."""
    return base64.urlsafe_b64encode(entry_id.encode()).decode("ascii").rstrip("=")


def id_of(cursor: str, *, field: str = "query.cursor") -> str:
    """The id that ``cursor_of`` made ``cursor`` of; raises a 422 Problem for anything else."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise invalid(field, f"{field} is not a cursor of this list; start without one.") from None


def position_of(cursor: str, *, field: str) -> int:
    """The position in the event log that ``cursor`` stands for; raises a 422 Problem."""
    if cursor.isascii() and cursor.isdigit() and len(cursor) <= 19:
        position = int(cursor)
        if position <= LARGEST_POSITION:
            return position
    raise invalid(field, f"{field} is not a cursor of the event log; start without one.")


def page_by_id(
    entries: Mapping[str, T], cursor: str | None, limit: int
) -> tuple[list[T], str | None]:
    """A page of a short list, by id, and the cursor of the next page."""
    ids = sorted(entries)
    start = 0 if cursor is None else bisect_right(ids, id_of(cursor))
    page = ids[start : start + limit]
    more = start + limit < len(ids)
    return [entries[each] for each in page], cursor_of(page[-1]) if more else None


class TrunkIndex:
    """The ids of all trunks in order, sorted again only when trunks came or went."""

    def __init__(self, records: Callable[[], Mapping[str, TrunkRecord]]) -> None:
        self._records = records
        self._known: list[str] = []
        self._sorted: Sequence[str] = ()

    def ids(self) -> Sequence[str]:
        """All ids in order; not changed later."""
        # Comparing the keys costs a millisecond for 100,000 trunks: the strings are the same.
        current = list(self._records())
        if current != self._known:
            self._known = current
            self._sorted = tuple(sorted(current))
        return self._sorted

    async def page(
        self, cursor: str | None, limit: int, wanted: Callable[[TrunkRecord], bool] | None
    ) -> tuple[list[TrunkRecord], str | None]:
        """At most ``limit`` trunks by id that are ``wanted``, and the cursor of the next page."""
        ids = self.ids()
        place = 0 if cursor is None else bisect_right(ids, id_of(cursor))
        found: list[TrunkRecord] = []
        while place < len(ids):
            records = self._records()
            for trunk_id in ids[place : place + RECORDS_PER_TURN]:
                record = records.get(trunk_id)
                if record is None or (wanted is not None and not wanted(record)):
                    continue
                if len(found) == limit:
                    return found, cursor_of(found[-1].trunk.id)
                found.append(record)
            place += RECORDS_PER_TURN
            await asyncio.sleep(0)
        return found, None
