"""A simulation on the screen: a sentence, then tables of what goes where."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trunkpulse.cli.document import Document
from trunkpulse.cli.output import Cell, amount, paint, print_line, print_table
from trunkpulse.cli.simulation_totals import OutlookTotals, Totals
from trunkpulse.routing.moves import REASONS

__all__ = ["print_totals"]

MOST_ROWS: Final = 20
"""Of each table; --json has them all."""

_UNREAD: Final = {
    "NUMBER": "what was dialled is neither a telephone number nor a short number of a route",
    "TIME": "the time can be read neither as ISO 8601 nor as seconds since the epoch",
    "DIRECTION": "the direction is neither inbound nor outbound nor both",
    "SECONDS": "the seconds are no number up to a week",
    "CELLS": "the row has too many cells, or one that is too long",
}


def print_totals(totals: Totals, passed_over: Sequence[str]) -> None:
    """Print what came of it; ``passed_over`` are columns of the log that were not read."""
    print_line(totals.summary())
    for each in sorted(totals.unused or ()):
        print_line(paint(f"{each} concerns no trunk of these calls.", "yellow"))
    for reason, calls, examples in totals.unread.largest():
        why = _UNREAD.get(reason, reason)
        shown = ", ".join(map(_unread_example, examples))
        print_line(paint(f"{amount(calls, 'call')} passed over: {why} ({shown}).", "yellow"))
    if passed_over:
        print_line(paint(f"Columns that are not read: {', '.join(passed_over)}.", "dim"))
    _print_trunks(totals)
    if totals.moves.calls:
        _print_moves(totals)
    _print_routes(totals)
    if (totals.supposed or totals.present).lost.calls:
        _print_lost(totals.supposed or totals.present)


def _print_trunks(totals: Totals) -> None:
    present, supposed = totals.present, totals.supposed
    now = present.peaks()
    trunk_ids = list(present.trunks | (supposed.trunks if supposed else {}))
    trunk_ids.sort(key=lambda each: (-present.trunks[each], each))
    headings = ["trunk", "calls"]
    if supposed is not None:
        headings += ["as supposed", "difference"]
    if now:
        headings.append("at once")
        headings += ["at once as supposed"] if supposed else []
    then = supposed.peaks() if supposed else {}
    rows: list[list[Cell]] = []
    for trunk_id in trunk_ids[:MOST_ROWS]:
        row: list[Cell] = [trunk_id, f"{present.trunks[trunk_id]:,}"]
        if supposed is not None:
            more = supposed.trunks[trunk_id] - present.trunks[trunk_id]
            row += [f"{supposed.trunks[trunk_id]:,}", f"{more:+,}" if more else "0"]
        if now:
            row.append(f"{now.get(trunk_id, 0):,}")
            row += [f"{then.get(trunk_id, 0):,}"] if supposed else []
        rows.append(row)
    print_line()
    print_table(headings, rows, none="No call finds a trunk.")
    _print_more(len(trunk_ids))
    for outlook, when in ((present, "now"), (supposed, "as supposed")):
        if outlook is not None and outlook.last_resort:
            count = amount(outlook.last_resort, "call")
            sentence = f"{count} {when} would go to a trunk that is not known to be up."
            print_line(paint(sentence, "yellow"))


def _print_moves(totals: Totals) -> None:
    moves = totals.moves.largest()
    print_line()
    print_table(
        ("from", "to", "calls", "such as"),
        (
            (_trunk(move.before), _trunk(move.after), f"{calls:,}", _texts(examples))
            for move, calls, examples in moves[:MOST_ROWS]
        ),
        none="",
    )
    _print_more(len(moves))


def _print_routes(totals: Totals) -> None:
    present, supposed = totals.present, totals.supposed
    headings = ["route", "calls", "lost", *(["lost as supposed"] if supposed else [])]
    print_line()
    print_table(
        headings,
        (
            [
                route_id,
                f"{calls:,}",
                f"{present.lost_of(route_id):,}",
                *([f"{supposed.lost_of(route_id):,}"] if supposed else []),
            ]
            for route_id, calls in present.routes.most_common(MOST_ROWS)
        ),
        none="No route has any of these numbers.",
    )
    _print_more(len(present.routes))


def _print_lost(outlook: OutlookTotals) -> None:
    lost = outlook.lost.largest()
    print_line()
    print_table(
        ("lost", "route", "because", "such as"),
        (
            (
                paint(f"{calls:,}", "bold red"),
                route_id or "-",
                REASONS.get(reason, reason),
                _texts(examples),
            )
            for (route_id, reason), calls, examples in lost[:MOST_ROWS]
        ),
        none="",
    )
    _print_more(len(lost))


def _print_more(there_are: int) -> None:
    if there_are > MOST_ROWS:
        print_line(paint(f"and {there_are - MOST_ROWS:,} more; --json has them all", "dim"))


def _trunk(trunk_id: str | None) -> Cell:
    return paint("lost", "bold red") if trunk_id is None else trunk_id


def _texts(examples: Sequence[object]) -> str:
    return ", ".join(map(str, examples))


def _unread_example(example: object) -> str:
    found = Document(example, "examples")
    return f"row {found.number('row'):.0f}: {found.text('text') or 'empty'}"
