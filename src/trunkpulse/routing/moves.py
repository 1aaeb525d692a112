"""What it amounts to that calls go elsewhere: where to, how many at once, and in a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

__all__ = ["REASONS", "Move", "in_words", "peak"]

_Key = TypeVar("_Key")

REASONS: Final[Mapping[str, str]] = {
    "NO_ROUTE": "no route has the number",
    "DIRECTION_MISMATCH": "no route of the number takes calls of this direction",
    "REGION_MISMATCH": "no route of the number serves the region",
    "OUT_OF_HOURS": "the route does not take calls at that hour",
    "NONE_AVAILABLE": "the route has no trunk left that may be tried",
}
"""Why a call is lost, by the code."""

_NAMED: Final = 3
"""A sentence that lists more than this is no longer read."""


class Move(NamedTuple):
    """Calls go from one trunk to another; None is no trunk: the call is lost."""

    before: str | None
    after: str | None


def peak(spans: Iterable[tuple[int, int]]) -> int:
    """How many of ``spans`` (begin, end) there are at once, at most.

    One that ends when another begins is over.
    """
    begins, ends = [], []
    for begin, end in spans:
        if end > begin:
            begins.append(begin)
            ends.append(end)
    begins.sort()
    ends.sort()
    over = most = 0
    for begun, begin in enumerate(begins, 1):
        while ends[over] <= begin:
            over += 1
        most = max(most, begun - over)
    return most


def in_words(
    calls: int,
    trunks: Mapping[str, int],
    lost: Mapping[str, int],
    moves: Mapping[Move, int] | None = None,
) -> str:
    """One sentence about ``calls`` calls.

    ``trunks`` says how many go where and ``lost`` how many are lost by reason, both at present;
    with ``moves``, which are what a supposition changes, ``lost`` is as is supposed.
    """
    if not calls:
        return "There is no call that could be read."
    of = f"{calls:,} call{'' if calls == 1 else 's'}"
    if moves is None:
        there = [f"{count:,} to {trunk_id}" for trunk_id, count in _largest(trunks)]
        goes = f"{_sum(trunks):,} of {of} find a trunk"
        return f"{goes}{f' ({_listed(there, len(trunks))})' if there else ''}; {_lost(lost)}."
    between = {move: n for move, n in moves.items() if None not in move}
    listed = [f"{n:,} from {move.before} to {move.after}" for move, n in _largest(between)]
    if len(between) == 1:
        parts = [listed[0].replace(" from ", f" of {of} move{_s(_sum(between))} from ", 1)]
    elif listed:
        parts = [f"{_sum(between):,} of {of} move: {_listed(listed, len(between))}"]
    else:
        parts = [f"none of {of} moves to another trunk"]
    if saved := sum(n for move, n in moves.items() if move.before is None):
        parts.append(f"{saved:,} that {_is(saved)} lost now find{_s(saved)} one")
    newly = sum(n for move, n in moves.items() if move.after is None)
    parts.append(_lost(lost, newly))
    sentence = "; ".join(parts)
    return f"{sentence[0].upper()}{sentence[1:]}."


def _lost(lost: Mapping[str, int], newly: int = 0) -> str:
    """How many are lost and why; ``newly`` of them by the supposition."""
    total = _sum(lost)
    if not total:
        return "none is lost"
    head = f"{total:,} {_is(total)} lost" + (" by this" if newly == total else "")
    tail = f", {newly:,} of them by this" if 0 < newly < total else ""
    why = [f"{n:,} because {REASONS.get(reason, reason)}" for reason, n in _largest(lost)]
    if len(why) > 1:
        return f"{head} ({_listed(why, len(lost))}){tail}"
    return f"{head} because {why[0].partition(' because ')[2]}{tail}"


def _largest(counts: Mapping[_Key, int]) -> list[tuple[_Key, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], str(each[0])))[:_NAMED]


def _listed(named: list[str], there_are: int) -> str:
    more = there_are - len(named)
    return ", ".join(named) + (f" and {more:,} more" if more else "")


def _sum(counts: Mapping[_Key, int]) -> int:
    return sum(counts.values())


def _is(count: int) -> str:
    return "is" if count == 1 else "are"


def _s(count: int) -> str:
    return "s" if count == 1 else ""
