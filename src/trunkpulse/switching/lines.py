"""How the entries of a switch stood when they were last read, put together for people."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple

from trunkpulse.ports import Entry
from trunkpulse.switching.report import Line
from trunkpulse.switching.troubles import Troubles
from trunkpulse.switching.wanted import Verdict
from trunkpulse.switching.wishes import ENTRIES_PER_TURN, NO_WISH, Wish

__all__ = ["Counts", "counted", "drawn_up"]

_NEVER: Final = (0, None)


async def drawn_up(
    entries: Sequence[Entry],
    wishes: Mapping[str, Wish],
    wanted: Mapping[str, bool | None],
    *,
    kept: Collection[str],
    drifted: Mapping[str, tuple[int, int]],
    troubles: Troubles,
) -> tuple[Line, ...]:
    """A line for each entry; ``drifted`` says by key how often one drifted, and when last (ms)."""
    lines: list[Line] = []
    for number, entry in enumerate(entries, 1):
        if number % ENTRIES_PER_TURN == 0:
            await asyncio.sleep(0)
        wish = wishes.get(entry.key, NO_WISH)
        drifts, drifted_ms = drifted.get(entry.key, _NEVER)
        lines.append(
            Line(
                key=entry.key,
                uri=entry.uri,
                group=entry.group,
                trunks=wish.trunks,
                wanted=wanted.get(entry.key),
                has=entry.up,
                held=entry.held,
                kept=entry.key in kept,
                drifts=drifts,
                drifted_ms=drifted_ms,
                problem=troubles.problem(entry.key),
                unproven=wish.verdict is Verdict.UNPROVEN,
            )
        )
    return tuple(lines)


class Counts(NamedTuple):
    """How many lines there are of each kind."""

    unmatched: int
    differing: int
    unproven: int


async def counted(lines: Sequence[Line]) -> Counts:
    """``lines`` by kind; one may be of several."""
    unmatched = differing = unproven = 0
    for number, line in enumerate(lines, 1):
        if number % ENTRIES_PER_TURN == 0:
            await asyncio.sleep(0)
        unmatched += not line.trunks
        differing += line.differs
        unproven += line.unproven
    return Counts(unmatched, differing, unproven)
