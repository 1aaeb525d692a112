"""What a call that asks for a way is told: the places to try in order, or why there is none.

A number that no route takes is 404, and so is what is no number (RFC 3261 21.4.5); if more digits
can make it one that a route has, it is 484, which asks for them (21.4.22). A route whose trunks are
all out is 503, with the moment at which the first of them may be back (20.33). What is no call for
a redirect server to judge is not judged: option tags that are required, and headers that nobody
knows (8.3).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from trunkpulse.model import Direction
from trunkpulse.routing.decision import CallRequest, Decision, NoCandidates, Skipped
from trunkpulse.routing.numbers import BadNumber
from trunkpulse.sip.asked import Asked
from trunkpulse.sip.errors import MalformedUri
from trunkpulse.sip.redirect import (
    MOST_CONTACTS,
    Called,
    Destination,
    contact_header,
    refusal,
)

__all__ = ["CallVerdicts", "Places"]

log = structlog.get_logger(__name__)

_WORDS: Final = {
    NoCandidates.NO_ROUTE: "No route has this number",
    NoCandidates.DIRECTION_MISMATCH: "No route has this number in this direction",
    NoCandidates.REGION_MISMATCH: "No route has this number in this region",
    NoCandidates.OUT_OF_HOURS: "No route takes this number at this time",
    NoCandidates.NONE_AVAILABLE: "No trunk of the route can take calls now",
}
_DIRECTIONS: Final = {
    None: Direction.OUTBOUND,
    b"inbound": Direction.INBOUND,
    b"outbound": Direction.OUTBOUND,
}


class Places(Protocol):
    """Knows where the calls of trunks go."""

    def of(self, trunk_id: str) -> Sequence[Destination]:
        """Where to call, best first."""

    def soonest_seconds(self, skipped: Sequence[Skipped]) -> int:
        """When the first of these trunks may be back."""


class CallVerdicts:
    """See the module's opening. Keeps nothing of a call."""

    def __init__(
        self,
        *,
        decide: Callable[[CallRequest], Decision],
        read_number: Callable[[str], str],
        may_grow: Callable[[str, Direction], bool],
        places: Places,
        code: int,
    ) -> None:
        """``read_number`` reads a Request-URI, or raises BadNumber; ``code`` is 300 or 302.

        ``may_grow`` says of one that calls no number of a route in this direction whether it would
        with more digits.
        """
        self._decide = decide
        self._read_number = read_number
        self._may_grow = may_grow
        self._places = places
        self._code = code

    def of(self, asked: Asked) -> tuple[int, bytes]:
        """Status code and header lines of the answer."""
        if asked.within_dialog:
            return 481, refusal("No call was ever set up here")
        uri = asked.uri
        if not uri[:5].lower().startswith(("sip:", "sips:", "tel:")):
            return 416, refusal("Give a SIP, SIPS or tel URI")
        direction = _DIRECTIONS.get(asked.direction and asked.direction.lower())
        if direction is None:
            return 400, refusal("X-Trunkpulse-Direction is neither inbound nor outbound")
        try:
            number = self._read_number(uri)
            called = Called.read(uri, number)
        except BadNumber as problem:
            return self._not_served(uri, direction, str(problem))
        except MalformedUri:
            return 400, refusal("The user part of the Request-URI holds a character to be escaped")
        region = None if asked.region is None else asked.region.decode("utf-8", "replace")
        decision = self._decide(CallRequest(number, direction=direction, region=region))
        return (
            self._not_served(uri, direction, _WORDS[decision.reason])
            if decision.reason is NoCandidates.NO_ROUTE
            else self._redirect(decision, called, uri)
        )

    def _not_served(self, uri: str, direction: Direction, why: str) -> tuple[int, bytes]:
        log.debug("redirect.no_way", reason=str(NoCandidates.NO_ROUTE), route=None)
        if self._may_grow(uri, direction):
            return 484, refusal("A route has longer numbers that begin so; more digits are wanted")
        return 404, refusal(why)

    def _redirect(self, decision: Decision, called: Called, uri: str) -> tuple[int, bytes]:
        if decision.reason is None:
            uris = self._contacts(decision, called)
            if uri in uris:
                # RFC 3261 8.3: it must not be sent back to where it says that it goes.
                uris.remove(uri)
                if not uris:
                    return 404, refusal("The call is on its way to the only trunk that there is")
            if uris:
                return self._code, contact_header(uris)
        reason = decision.reason or NoCandidates.NONE_AVAILABLE
        log.debug("redirect.no_way", reason=str(reason), route=decision.route_id)
        if reason is not NoCandidates.NONE_AVAILABLE:
            return 404, refusal(_WORDS[reason])
        return 503, refusal(_WORDS[reason], self._places.soonest_seconds(decision.skipped))

    def _contacts(self, decision: Decision, called: Called) -> list[str]:
        """At most sixteen; a trunk of many targets leaves a place for each that comes after it."""
        uris: dict[str, None] = {}
        left = len(decision.candidates)
        for candidate in decision.candidates[:MOST_CONTACTS]:
            left -= 1
            room = max(1, MOST_CONTACTS - len(uris) - left)
            for destination in self._places.of(candidate.trunk_id)[:room]:
                uris[destination.for_call(called)] = None
        return list(uris)[:MOST_CONTACTS]
