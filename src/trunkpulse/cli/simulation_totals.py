"""What the pieces of a simulation come to together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from trunkpulse.cli.document import Document, UnexpectedAnswer
from trunkpulse.routing.call_log import Call, Unread
from trunkpulse.routing.moves import Move, in_words, peak

__all__ = ["Groups", "OutlookTotals", "Totals"]

MOST_EXAMPLES: Final = 3

KeyT = TypeVar("KeyT")


class Groups(Generic[KeyT]):
    """Calls that fared alike, with the first few examples."""

    def __init__(self) -> None:
        self.calls: Counter[KeyT] = Counter()
        self.examples: dict[KeyT, list[object]] = {}

    def add(self, key: KeyT, document: Document) -> None:
        """What one piece says of them."""
        self.calls[key] += int(document.number("calls"))
        examples = document.members.get("examples")
        known = self.examples.setdefault(key, [])
        known += examples if isinstance(examples, list) else []
        del known[MOST_EXAMPLES:]

    def largest(self) -> list[tuple[KeyT, int, list[object]]]:
        """Each with how many there are and the examples, those with most calls first."""
        return [(key, calls, self.examples[key]) for key, calls in self.calls.most_common()]


@dataclass
class OutlookTotals:
    """Where all calls go under one health."""

    trunks: Counter[str] = field(default_factory=Counter)
    routes: Counter[str] = field(default_factory=Counter)
    lost: Groups[tuple[str | None, str]] = field(default_factory=Groups)
    """By route and reason."""
    last_resort: int = 0
    spans: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    """When calls begin and end, by trunk."""

    def add(self, document: Document, choices: Iterable[tuple[Call | Unread, str | None]]) -> None:
        """What one piece says, and where each call of it goes."""
        for each in document.documents("trunks"):
            self.trunks[each.text("trunkId")] += int(each.number("calls"))
        for each in document.documents("routes"):
            self.routes[each.text("routeId")] += int(each.number("calls"))
        for each in document.documents("lost"):
            self.lost.add((each.text_or_none("routeId"), each.text("reason")), each)
        self.last_resort += int(document.number("lastResort"))
        for call, trunk_id in choices:
            if trunk_id is None or isinstance(call, Unread) or call.at_ms is None:
                continue
            if call.seconds:
                ends_ms = call.at_ms + int(call.seconds * 1000)
                self.spans.setdefault(trunk_id, []).append((call.at_ms, ends_ms))

    def lost_by_reason(self) -> Mapping[str, int]:
        """Lost calls, whatever the route."""
        found: Counter[str] = Counter()
        for (_, reason), calls in self.lost.calls.items():
            found[reason] += calls
        return found

    def lost_of(self, route_id: str) -> int:
        """Calls that this route loses."""
        return sum(calls for (route, _), calls in self.lost.calls.items() if route == route_id)

    def peaks(self) -> Mapping[str, int]:
        """Calls at once at most, by trunk, where that is known."""
        return {trunk_id: peak(spans) for trunk_id, spans in self.spans.items()}

    def document(self) -> dict[str, object]:
        """In the form of the API."""
        peaks = self.peaks()
        return {
            "trunks": [
                {"trunkId": trunk_id, "calls": calls, "peak": peaks.get(trunk_id)}
                for trunk_id, calls in self.trunks.most_common()
            ],
            "routes": [
                {"routeId": route_id, "calls": calls}
                for route_id, calls in self.routes.most_common()
            ],
            "lost": [
                {"routeId": route_id, "reason": reason, "calls": calls, "examples": examples}
                for (route_id, reason), calls, examples in self.lost.largest()
            ],
            "lastResort": self.last_resort,
        }


class Totals:
    """The answers of the service to all pieces, added up."""

    def __init__(self) -> None:
        self.sent = 0
        """Calls, those that cannot be read too."""
        self.calls = 0
        self.unread: Groups[str] = Groups()
        self.suppose: list[str] = []
        self.unused: set[str] | None = None
        self.present = OutlookTotals()
        self.supposed: OutlookTotals | None = None
        self.moves: Groups[Move] = Groups()

    def add(self, answer: Document, calls: Sequence[Call | Unread]) -> None:
        """What the service answered to a piece; raises UnexpectedAnswer."""
        self.sent += len(calls)
        self.calls += int(answer.number("calls"))
        for each in answer.documents("unread"):
            self.unread.add(each.text("reason"), each)
        self.suppose = answer.texts("suppose")
        unused = set(answer.texts("unused"))
        self.unused = unused if self.unused is None else self.unused & unused
        for each in answer.documents("moves"):
            move = Move(each.text_or_none("before"), each.text_or_none("after"))
            self.moves.add(move, each)
        choices = answer.document("choices")
        self.present.add(answer.document("present"), _goes(calls, choices, "present"))
        if (supposed := answer.document_or_none("supposed")) is not None:
            self.supposed = self.supposed or OutlookTotals()
            self.supposed.add(supposed, _goes(calls, choices, "supposed"))

    def calls_lost_by_this(self) -> int:
        """Calls that the supposition loses; without one, all that are lost."""
        if self.supposed is None:
            return self.present.lost.calls.total()
        return sum(calls for move, calls in self.moves.calls.items() if move.after is None)

    def summary(self) -> str:
        """One sentence."""
        shown = self.supposed or self.present
        moves = None if self.supposed is None else self.moves.calls
        return in_words(self.calls, shown.trunks, shown.lost_by_reason(), moves)

    def document(self, seed: int) -> dict[str, object]:
        """In the form of the API."""
        return {
            "summary": self.summary(),
            "calls": self.calls,
            "seed": seed,
            "unread": [
                {"reason": reason, "calls": calls, "examples": examples}
                for reason, calls, examples in self.unread.largest()
            ],
            "suppose": self.suppose,
            "unused": sorted(self.unused or ()),
            "present": self.present.document(),
            "supposed": None if self.supposed is None else self.supposed.document(),
            "moves": [
                {"before": move.before, "after": move.after, "calls": calls, "examples": examples}
                for move, calls, examples in self.moves.largest()
            ],
        }


def _goes(
    calls: Sequence[Call | Unread], choices: Document, health: str
) -> Iterable[tuple[Call | Unread, str | None]]:
    trunk_ids = choices.texts("trunkIds")
    places = choices.members.get(health)
    if not isinstance(places, list) or len(places) != len(calls):
        raise UnexpectedAnswer("choices")
    for call, place in zip(calls, places, strict=True):
        if place is None:
            yield call, None
        elif isinstance(place, int) and 0 <= place < len(trunk_ids):
            yield call, trunk_ids[place]
        else:
            raise UnexpectedAnswer("choices")
