"""Many trunks at once: all of them, or none and every reason why not.

A list may be 100,000 long. It is gone through some rows at a time, so that probes leave on time,
and only when the last row is in order is anything written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trunkpulse.config.trunk_documents import DocumentRefused, MadeTrunk
from trunkpulse.provisioning.keeping import KeptTrunk
from trunkpulse.provisioning.planning import Inspection, Planned
from trunkpulse.provisioning.refusals import Refused
from trunkpulse.provisioning.trunks import MadeTrunks

__all__ = ["MOST_ROWS", "Import", "ImportMode", "ImportRefused", "Imported", "Row", "RowProblem"]

MOST_ROWS = 100_000
MOST_PROBLEMS = 1000
"""That are told; the others are counted."""
ROWS_PER_TURN = 50
CHARACTERS_PER_TURN = 64 * 1024
"""Whichever comes first."""


class ImportMode(StrEnum):
    """What becomes of a row whose trunk is there already."""

    CREATE = "create"
    """It is a mistake."""
    UPSERT = "upsert"
    """The trunk is replaced by it."""


class Row(NamedTuple):
    """One trunk of a list."""

    line: int
    """Where it begins, from 1."""
    document: Mapping[str, object]
    problems: tuple[tuple[str, str], ...] = ()
    """(Member, sentence) for what could not even be read."""
    place: str = ""
    """What its members are within, such as ``entities[7]``."""
    size: int = 0
    """How many characters it was."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """One thing that is wrong."""

    line: int
    member: str
    """Which member or column; empty: the row as a whole."""
    sentence: str


class ImportRefused(Exception):
    """Nothing was imported."""

    def __init__(self, problems: Sequence[RowProblem], total: int) -> None:
        """``problems`` are the first ones of ``total``."""
        super().__init__(f"{total} problems")
        self.problems = problems
        self.total = total


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of it, or would."""

    created: int
    changed: int
    unchanged: int
    changes: Sequence[tuple[KeptTrunk | None, KeptTrunk]]
    """Before and after, of the first ones."""
    others: Sequence[KeptTrunk]
    """What the rest came to."""


class Import:
    """One list of trunks on its way in."""

    def __init__(self, trunks: MadeTrunks, inspection: Inspection, mode: ImportMode) -> None:
        self._trunks = trunks
        self._inspection = inspection
        self._mode = mode
        self._problems: list[RowProblem] = []
        self._total = 0
        self._lines: dict[str, int] = {}
        """Where each id stands."""
        self._before: dict[str, KeptTrunk | None] = {}
        self._unchanged = 0
        self._noted = 0

    async def run(self, rows: Iterator[Row], *, dry_run: bool, noted: int) -> Imported:
        """Bring all ``rows`` in; ``noted`` changes are given back with before and after.

        Raises ImportRefused, and what `MadeTrunks.bring_in` raises; then nothing has changed.
        """
        self._noted = noted

        async def plan() -> Sequence[Planned]:
            planned: list[Planned] = []
            rows_since = characters_since = 0
            for number, row in enumerate(rows, start=1):
                if number > MOST_ROWS:
                    self._add(row, "", f"There are more than {MOST_ROWS:,} rows; part them.")
                    break
                if (found := self._planned(row)) is not None:
                    planned.append(found)
                rows_since, characters_since = rows_since + 1, characters_since + row.size
                # To find mistakes takes a hundred times as long as to find none.
                spent = rows_since >= ROWS_PER_TURN or characters_since >= CHARACTERS_PER_TURN
                if spent or found is None:
                    rows_since = characters_since = 0
                    await asyncio.sleep(0)
            if self._total:
                raise ImportRefused(self._problems, self._total)
            return planned

        changed = await self._trunks.bring_in(plan, dry_run=dry_run)
        created = sum(each.revision == 1 for each in changed)
        return Imported(
            created=created,
            changed=len(changed) - created,
            unchanged=self._unchanged,
            changes=[(self._before[each.id], each) for each in changed[:noted]],
            others=changed[noted:],
        )

    def _planned(self, row: Row) -> Planned | None:
        """What is to be there for this row; None if there are problems, which are noted then."""
        for member, sentence in row.problems:
            self._add(row, member, sentence)
        if row.problems:
            return None
        trunk_id = str(row.document.get("id"))
        before = self._trunks.get(trunk_id)
        if (problem := self._of_id(trunk_id, row.line, before)) is not None:
            self._add(row, "id", problem)
            return None
        try:
            made = self._made(row.document, before)
        except DocumentRefused as refused:
            for member, sentence in refused.problems:
                self._add(row, member, sentence)
        except Refused as refused:
            self._add(row, "", str(refused))
        else:
            enables = before is None or (
                row.document.get("enabled") is True and self._trunks.is_disabled(trunk_id)
            )
            changes = enables or before is None or before.made != made
            self._unchanged += not changes
            if changes and len(self._before) < self._noted:
                self._before[trunk_id] = before
            return Planned(made, before, changes, enables)
        return None

    def _of_id(self, trunk_id: str, line: int, before: KeptTrunk | None) -> str | None:
        """What is wrong with the id; None: nothing."""
        if (first := self._lines.get(trunk_id)) is not None:
            return f"id must be unique, but line {first} has the same."
        self._lines[trunk_id] = line
        if before is not None and self._mode is ImportMode.UPSERT:
            return None
        return self._trunks.taken(trunk_id)

    def _made(self, document: Mapping[str, object], before: KeptTrunk | None) -> MadeTrunk:
        if before is not None:
            self._trunks.check_changeable(before.id, self._inspection)
        made = self._trunks.documents.listed(document, None if before is None else before.made)
        self._inspection.wanted(made.trunk)
        return made

    def _add(self, row: Row, member: str, sentence: str) -> None:
        self._total += 1
        if len(self._problems) < MOST_PROBLEMS:
            place = ".".join(filter(None, (row.place, member)))
            self._problems.append(RowProblem(row.line, place, sentence))
