"""Which event streams are told of a change.

A stream subscribes to reasons, and by default only to those of failures. That alone would tell
an operator that a trunk went down and never that it came back, so each stream is in debt:

* told of trouble on a trunk (DOWN or DEGRADED), it is *owed* the recovery;
* while it is owed, every improvement (DOWN to DEGRADED, anything to AVAILABLE) is told,
  whatever its ``reason_codes``;
* told that the trunk is AVAILABLE, it is owed nothing more.

UNKNOWN is no recovery: an enabled trunk that has not answered yet is no better than it was. So
an administrator may disable and enable a trunk in the middle of an outage, and a stream that
takes only failures hears of neither, but of the recovery that follows. A stream that is
disabled, or that no longer covers the trunk, is told nothing; what it is owed stays owed.

Everything here is pure; the owed pairs are kept by the store, in the commit of the change.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from heapq import merge

from trunkpulse.events.envelope import EVENT_TYPE
from trunkpulse.model import EventStream, StateChange, TrunkState

__all__ = ["EVERY_REASON", "StreamIndex", "Telling", "subscribers"]

EVERY_REASON = "*"
"""Among a stream's ``reason_codes``: no change is held back."""

_TROUBLE = frozenset({TrunkState.DOWN, TrunkState.DEGRADED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told of one change; the fields are those of ``ports.HealthCommit``."""

    tell: tuple[str, ...] = ()
    """Ids of the streams that get a delivery, in the order of the streams."""
    opened: tuple[str, ...] = ()
    """Those of ``tell`` that were owed nothing and are owed a recovery from now on."""
    closed: tuple[str, ...] = ()
    """Those of ``tell`` that were owed the recovery and hereby have it."""


def subscribers(
    change: StateChange, streams: Iterable[EventStream], owed: Container[tuple[str, str]]
) -> Telling:
    """Decide which of ``streams`` are told of ``change``.

    ``owed`` holds (stream id, trunk id) of every recovery still owed. Takes one look at each
    stream; `StreamIndex.covering` narrows ``streams`` where there are many.
    """
    in_trouble = change.state in _TROUBLE
    recovered = change.state is TrunkState.AVAILABLE
    improved = recovered or (
        change.previous_state is TrunkState.DOWN and change.state is TrunkState.DEGRADED
    )
    tell: list[str] = []
    opened: list[str] = []
    closed: list[str] = []
    for stream in streams:
        if not _covers(stream, change.trunk_id):
            continue
        is_owed = (stream.id, change.trunk_id) in owed
        if not (_wants(stream, change) or (improved and is_owed)):
            continue
        tell.append(stream.id)
        if in_trouble and not is_owed:
            opened.append(stream.id)
        elif recovered and is_owed:
            closed.append(stream.id)
    return Telling(tell=tuple(tell), opened=tuple(opened), closed=tuple(closed))


class StreamIndex:
    """Finds the streams that cover a trunk without a look at all the others.

    A carrier's outage changes thousands of trunks at once, and an installation may have a
    stream for each customer's trunks.
    """

    def __init__(self, streams: Iterable[EventStream]) -> None:
        self._everywhere: list[tuple[int, EventStream]] = []
        self._by_trunk: dict[str, list[tuple[int, EventStream]]] = {}
        for place, stream in enumerate(streams):
            if not stream.trunks:
                self._everywhere.append((place, stream))
            for trunk_id in dict.fromkeys(stream.trunks):
                self._by_trunk.setdefault(trunk_id, []).append((place, stream))

    def covering(self, trunk_id: str) -> list[EventStream]:
        """The streams whose trunk filter takes ``trunk_id``, in their given order."""
        own = self._by_trunk.get(trunk_id, [])
        return [stream for _, stream in merge(self._everywhere, own, key=lambda entry: entry[0])]


def _covers(stream: EventStream, trunk_id: str) -> bool:
    return (
        stream.enabled
        and EVENT_TYPE in stream.event_types
        and (not stream.trunks or trunk_id in stream.trunks)
    )


def _wants(stream: EventStream, change: StateChange) -> bool:
    return EVERY_REASON in stream.reason_codes or change.reason in stream.reason_codes
