"""What a replay came to, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from trunkpulse.health.explain import span
from trunkpulse.health.replay import TrunkChange, down_seconds
from trunkpulse.model import TrunkState

__all__ = ["Past", "in_words"]


class Past(NamedTuple):
    """What became of a trunk in some span of time."""

    began: TrunkState
    changes: Sequence[TrunkChange]

    @property
    def state(self) -> TrunkState:
        """At the end."""
        return self.changes[-1].state if self.changes else self.began


def in_words(name: str, present: Past, replayed: Past, start: float, end: float) -> str:
    """One sentence: ``replayed`` beside ``present``; moments are wall-clock seconds."""
    head = f"In the last {span(int((end - start) * 1000))} {name}"
    outages, others = _outages(present, start, end), _outages(replayed, start, end)
    really, then = _often(outages), _often(others)
    if outages == others == (0, 0):
        sentence = f"{head} would never have been DOWN, nor was it"
    elif outages == others:
        sentence = f"{head} would have been DOWN just as it was, {really}"
    elif not others[0]:
        sentence = f"{head} would never have been DOWN, instead of {really}"
    else:
        sentence = f"{head} would have been DOWN {then} instead of {really}"
    if replayed.state is present.state:
        return f"{sentence}; it would be {replayed.state} now, as it is."
    return f"{sentence}; it would be {replayed.state} now instead of {present.state}."


def _outages(past: Past, start: float, end: float) -> tuple[int, int]:
    """How often it went DOWN, and for how many milliseconds it was."""
    times = sum(change.state is TrunkState.DOWN for change in past.changes)
    times += past.began is TrunkState.DOWN
    return times, int(down_seconds(past.began, past.changes, start, end) * 1000)


def _often(outages: tuple[int, int]) -> str:
    times, milliseconds = outages
    if not times:
        return "never"
    often = "once" if times == 1 else f"{times:,} times"
    return f"{often} ({span(milliseconds)}{'' if times == 1 else ' in all'})"
