"""Which event streams are told of a change.

A stream subscribes to reasons, and by default only to those of failures. That alone would tell
an operator that a trunk went down and never that it came back, so each stream is in debt:

* told of trouble on a trunk (DOWN or DEGRADED), it is *owed* the recovery;
* while it is owed, every improvement (DOWN to DEGRADED, anything to AVAILABLE) is told,
  whatever its filters say, also if they were changed after the trouble was told;
* told that the trunk is AVAILABLE, it is owed nothing more.

UNKNOWN is no recovery: an enabled trunk that has not answered yet is no better than it was. So
an administrator may disable and enable a trunk in the middle of an outage, and a stream that
takes only failures hears of neither, but of the recovery that follows.

A stream that is disabled takes nothing new. Of what it is owed it takes the end alone, AVAILABLE:
that waits for it, one for each trunk, and is delivered when the stream is enabled again. A stream
that is paused takes everything; it is delivered later.

Everything here is pure; the owed pairs are kept by the store, in the commit of the change.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import itemgetter

from trunkpulse.events.envelope import EVENT_TYPE
from trunkpulse.model import EventStream, StateChange, Trunk, TrunkState

__all__ = ["EVERY_REASON", "Owed", "StreamIndex", "Telling", "subscribers"]

EVERY_REASON = "*"
"""Among a stream's ``reason_codes``: no change is held back."""

_TROUBLE = frozenset({TrunkState.DOWN, TrunkState.DEGRADED})

_place = itemgetter(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """Who is told of one change; the fields are those of ``ports.HealthCommit``."""

    tell: tuple[str, ...] = ()
    """Ids of the streams that get a delivery, in the order of the streams."""
    opened: tuple[str, ...] = ()
    """Those of ``tell`` that were owed nothing and are owed a recovery from now on."""
    closed: tuple[str, ...] = ()
    """Those of ``tell`` that were owed the recovery and hereby have it."""


class Owed:
    """The recoveries that are still owed, by trunk; most trunks owe nobody anything."""

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        """``pairs`` are (stream id, trunk id)."""
        self._streams_of: dict[str, tuple[str, ...]] = {}
        for stream_id, trunk_id in pairs:
            self.open(trunk_id, (stream_id,))

    def to(self, trunk_id: str) -> tuple[str, ...]:
        """The ids of the streams that are owed the recovery of this trunk."""
        return self._streams_of.get(trunk_id, ())

    def open(self, trunk_id: str, stream_ids: Sequence[str]) -> None:
        """From now on these streams are owed the recovery of this trunk."""
        if stream_ids:
            self._streams_of[trunk_id] = tuple(dict.fromkeys((*self.to(trunk_id), *stream_ids)))

    def close(self, trunk_id: str, stream_ids: Sequence[str]) -> None:
        """These streams have the recovery of this trunk."""
        left = tuple(each for each in self.to(trunk_id) if each not in stream_ids)
        if left:
            self._streams_of[trunk_id] = left
        else:
            self._streams_of.pop(trunk_id, None)

    def trunks(self) -> list[str]:
        """The ids of the trunks whose recovery is owed to anybody."""
        return list(self._streams_of)


def subscribers(
    change: StateChange, trunk: Trunk, streams: Iterable[EventStream], owed: Container[str]
) -> Telling:
    """Decide which of ``streams`` are told of ``change``, which happened to ``trunk``.

    ``owed`` holds the ids of the streams that are owed the recovery of this trunk. Takes one look
    at each stream; `StreamIndex.candidates` narrows ``streams`` where there are many.
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
        is_owed = stream.id in owed
        follows = is_owed and (improved if stream.enabled else recovered)
        if not (follows or _takes(stream, change, trunk)):
            continue
        tell.append(stream.id)
        if in_trouble and not is_owed:
            opened.append(stream.id)
        elif recovered and is_owed:
            closed.append(stream.id)
    return Telling(tell=tuple(tell), opened=tuple(opened), closed=tuple(closed))


class StreamIndex:
    """Finds the streams that may be told of a trunk without a look at all the others.

    A carrier's outage changes thousands of trunks at once, and an installation may have a
    stream for each customer's trunks. So each stream is filed under the narrowest of its filters:
    trunks, else carriers, else regions.
    """

    def __init__(self, streams: Iterable[EventStream]) -> None:
        self._by_id: dict[str, tuple[int, EventStream]] = {}
        self._everywhere: list[tuple[int, EventStream]] = []
        self._by_trunk: dict[str, list[tuple[int, EventStream]]] = {}
        self._by_carrier: dict[str, list[tuple[int, EventStream]]] = {}
        self._by_region: dict[str, list[tuple[int, EventStream]]] = {}
        for place, stream in enumerate(streams):
            entry = self._by_id[stream.id] = (place, stream)
            if stream.enabled and EVENT_TYPE in stream.event_types:
                self._file(entry, stream)

    def _file(self, entry: tuple[int, EventStream], stream: EventStream) -> None:
        for values, found_by in (
            (stream.trunks, self._by_trunk),
            (stream.carriers, self._by_carrier),
            (stream.regions, self._by_region),
        ):
            if values:
                for value in dict.fromkeys(values):
                    found_by.setdefault(value, []).append(entry)
                return
        self._everywhere.append(entry)

    def candidates(
        self, change: StateChange, trunk: Trunk, owed: Sequence[str] = ()
    ) -> Iterator[EventStream]:
        """The streams that a change of ``trunk`` may concern, in their given order.

        They are those whose narrowest filter takes the trunk, and those that are ``owed`` its
        recovery.
        """
        lists = [self._everywhere] if self._everywhere else []
        for value, found_by in (
            (trunk.id, self._by_trunk),
            (trunk.carrier, self._by_carrier),
            (change.region, self._by_region),
        ):
            found = None if value is None else found_by.get(value)
            if found:
                lists.append(found)
        debts = [self._by_id[each] for each in owed if each in self._by_id]
        if len(lists) == 1 and not debts:
            return (stream for _, stream in lists[0])
        entries = {entry[0]: entry for entry in chain(*lists, debts)}
        return (stream for _, stream in sorted(entries.values(), key=_place))


def _takes(stream: EventStream, change: StateChange, trunk: Trunk) -> bool:
    return (
        stream.enabled
        and EVENT_TYPE in stream.event_types
        and (EVERY_REASON in stream.reason_codes or change.reason in stream.reason_codes)
        and (not stream.states or change.state in stream.states)
        and (not stream.trunks or trunk.id in stream.trunks)
        and (not stream.carriers or trunk.carrier in stream.carriers)
        and (not stream.regions or change.region in stream.regions)
        and (not stream.directions or trunk.direction in stream.directions)
    )
