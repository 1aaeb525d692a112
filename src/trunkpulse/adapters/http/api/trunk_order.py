"""In which order the list of trunks is given, and how far a page of it goes.

By id is how the index has them. By state is one such list after another, one for each state: a
column of the index finds the trunks of a state as fast as any. By name there is no order: it would
take a second index of all trunks, and ``q`` finds a name.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

from fastapi import Query

from trunkpulse.adapters.http.api.paging import cursor_of, id_of
from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.turns import Turns
from trunkpulse.model import TrunkState
from trunkpulse.recorder import TrunkRecord

__all__ = ["TrunkSort", "TrunkSorting", "ordered_page"]

_WORST_FIRST: Final = (
    TrunkState.DOWN,
    TrunkState.DEGRADED,
    TrunkState.UNKNOWN,
    TrunkState.AVAILABLE,
)


class TrunkSort(StrEnum):
    """In which order the trunks are given."""

    ID = "id"
    ID_DESCENDING = "-id"
    STATE = "state"
    STATE_DESCENDING = "-state"


TrunkSorting = Annotated[
    TrunkSort,
    Query(
        description="By id, or by state, the worst first (DOWN, DEGRADED, UNKNOWN, AVAILABLE) and "
        "then by id; with - the other way round."
    ),
]


async def ordered_page(
    index: TrunkIndex,
    wanted: Wanted,
    *,
    sort: TrunkSort,
    cursor: str | None,
    limit: int,
    turns: Turns,
) -> tuple[list[TrunkRecord], str | None]:
    """A page, and the cursor of the next one; raises a 422 Problem for what is no cursor."""
    downwards = sort in (TrunkSort.ID_DESCENDING, TrunkSort.STATE_DESCENDING)
    if sort in (TrunkSort.ID, TrunkSort.ID_DESCENDING):
        after = None if cursor is None else id_of(cursor)
        page, more = await index.page(
            wanted, after=after, limit=limit, turns=turns, downwards=downwards
        )
        return page, cursor_of(page[-1].trunk.id) if more else None
    states = _WORST_FIRST if wanted.state is None else (wanted.state,)
    first, after = (None, None) if cursor is None else _position(cursor)
    found: list[TrunkRecord] = []
    last = ""
    for state in reversed(states) if downwards else states:
        if first not in (None, state):
            continue
        first = None
        # Once the page is full, a page of none says whether there are more.
        page, more = await index.page(
            replace(wanted, state=state),
            after=after,
            limit=limit - len(found),
            turns=turns,
            downwards=downwards,
        )
        after = None
        if page:
            found += page
            last = f"{state.value} {page[-1].trunk.id}"
        if more:
            return found, cursor_of(last)
    return found, None


def _position(cursor: str) -> tuple[TrunkState, str]:
    """After which trunk of which state a page begins."""
    state, _, trunk_id = id_of(cursor).partition(" ")
    try:
        return TrunkState(state), trunk_id
    except ValueError:
        field = "query.cursor"
        raise invalid(
            field, f"{field} is not a cursor of this list in this order; start without one."
        ) from None
