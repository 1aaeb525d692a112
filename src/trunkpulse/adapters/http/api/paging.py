"""Pages of long lists, and the cursors that lead from one to the next.

A cursor says where the last page ended, never how many entries were before it, so nothing is
skipped or shown twice when entries come and go in between. Clients treat it as opaque.
"""

from __future__ import annotations

import base64
import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from itertools import islice
from typing import Annotated, Generic, Protocol, TypeVar

from fastapi import Query
from starlette.responses import Response

from trunkpulse.adapters.http.api.problems import invalid

__all__ = [
    "Catalogue",
    "Cursor",
    "Limit",
    "Part",
    "Sort",
    "Sorting",
    "cursor_of",
    "id_of",
    "page_response",
    "position_of",
]


class Entry(Protocol):
    """Anything that has an id."""

    @property
    def id(self) -> str: ...


EntryT = TypeVar("EntryT", bound=Entry)

Limit = Annotated[int, Query(ge=1, le=1000, description="Entries per page.")]
Cursor = Annotated[
    str | None,
    Query(max_length=1024, description="nextCursor of the page before; absent: the first page."),
]

Part = Annotated[
    str | None, Query(max_length=256, description="Part of the id or name, in any case.")
]


class Sort(StrEnum):
    """In which order a list is given."""

    ID = "id"
    ID_DESCENDING = "-id"


Sorting = Annotated[Sort, Query(description="By id, upwards or downwards.")]

LARGEST_POSITION = 2**63 - 1
"""What a database takes for a number."""


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


def page_response(bodies: Iterable[str | bytes], next_cursor: str | None) -> Response:
    """A page of entries that are JSON already; bytes are UTF-8."""
    entities = b",".join(each.encode() if isinstance(each, str) else each for each in bodies)
    cursor = json.dumps(next_cursor).encode()
    return Response(
        b'{"entities":[' + entities + b'],"nextCursor":' + cursor + b"}",
        media_type="application/json",
    )


class Catalogue(Generic[EntryT]):
    """Routes or streams by id: put in order once for each configuration, not for each request."""

    def __init__(self, entries: Callable[[], Sequence[EntryT]]) -> None:
        """``entries`` gives the same object for as long as nothing has changed."""
        self._entries = entries
        self._known: Sequence[EntryT] | None = None
        self._by_id: dict[str, EntryT] = {}
        self._ids: list[str] = []

    def get(self, entry_id: str) -> EntryT | None:
        """The entry of this id; None if there is none."""
        self._follow()
        return self._by_id.get(entry_id)

    def page(
        self,
        cursor: str | None,
        limit: int,
        shown: Callable[[EntryT], bool] | None = None,
        sort: Sort = Sort.ID,
    ) -> tuple[list[EntryT], str | None]:
        """A page by id, of those that are ``shown``, and the cursor of the next one."""
        self._follow()
        after = None if cursor is None else id_of(cursor)
        if sort is Sort.ID:
            places = range(0 if after is None else bisect_right(self._ids, after), len(self._ids))
        else:
            before = len(self._ids) if after is None else bisect_left(self._ids, after)
            places = range(before - 1, -1, -1)
        entries = (self._by_id[self._ids[at]] for at in places)
        page = list(islice(filter(shown, entries) if shown else entries, limit + 1))
        more = len(page) > limit
        del page[limit:]
        return page, cursor_of(page[-1].id) if more else None

    def _follow(self) -> None:
        entries = self._entries()
        if entries is not self._known:
            self._known = entries
            self._by_id = {entry.id: entry for entry in entries}
            self._ids = sorted(self._by_id)
