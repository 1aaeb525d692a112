"""What the licence of an installation covers, and until when. Pure.

An entitlement holds while it is active and its end has not come. The licence that an installation
has before anybody sets one holds all of them, for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

__all__ = ["EVERYTHING", "Entitlement", "Grant", "Licence", "LicenceUnreadable"]


class Entitlement(StrEnum):
    """A part of the product that a licence covers or not."""

    TALK = "talk"
    """Trunks are probed and take calls."""
    ADVANCED = "advanced-telephony"
    """Advanced settings of trunks, and routes of one's own."""
    STREAMS = "event-streams"
    """Events are delivered to streams."""


class LicenceUnreadable(ValueError):
    """A licence at rest that this version did not write; the message is a sentence."""


@dataclass(frozen=True, slots=True)
class Grant:
    """How one entitlement stands."""

    suspended: bool = False
    until_ms: int | None = None
    """The first millisecond since the epoch at which it no longer holds; None: for ever."""

    def holds(self, now_ms: int) -> bool:
        """True while it is covered."""
        return not self.suspended and (self.until_ms is None or now_ms < self.until_ms)

    def standing(self, now_ms: int) -> Literal["active", "suspended", "expired"]:
        """In a word: active, suspended or expired."""
        if self.suspended:
            return "suspended"
        return "active" if self.holds(now_ms) else "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """All entitlements."""

    talk: Grant = Grant()
    advanced: Grant = Grant()
    streams: Grant = Grant()

    def grant(self, entitlement: Entitlement) -> Grant:
        """How this one stands."""
        match entitlement:
            case Entitlement.TALK:
                return self.talk
            case Entitlement.ADVANCED:
                return self.advanced
            case Entitlement.STREAMS:
                return self.streams

    def lacking(self, now_ms: int) -> frozenset[Entitlement]:
        """What it does not cover at this moment."""
        return frozenset(each for each in Entitlement if not self.grant(each).holds(now_ms))

    def next_end_ms(self, now_ms: int) -> int | None:
        """When it will next cover less than now; None: never."""
        ends = [self.grant(each).until_ms for each in Entitlement if self.grant(each).holds(now_ms)]
        return min((end for end in ends if end is not None), default=None)

    def definition(self) -> Mapping[str, object]:
        """As it is kept."""
        return {
            each.value: {
                "suspended": self.grant(each).suspended,
                "until": self.grant(each).until_ms,
            }
            for each in Entitlement
        }

    @classmethod
    def of(cls, definition: Mapping[str, object]) -> Licence:
        """The inverse of ``definition``; raises LicenceUnreadable."""
        grants = {each: _grant(definition.get(each.value)) for each in Entitlement}
        return cls(
            talk=grants[Entitlement.TALK],
            advanced=grants[Entitlement.ADVANCED],
            streams=grants[Entitlement.STREAMS],
        )


def _grant(kept: object) -> Grant:
    if isinstance(kept, Mapping):
        suspended, until = kept.get("suspended"), kept.get("until")
        if isinstance(suspended, bool) and (until is None or type(until) is int):
            return Grant(suspended, until)
    raise LicenceUnreadable(
        "The licence in the database was not written by this version of trunkpulse; "
        "run the version that did."
    )


EVERYTHING = Licence()
