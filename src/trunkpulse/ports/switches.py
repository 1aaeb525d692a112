"""What runs calls already (a SIP proxy, a PBX) and can be told which of its ways out are alive."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["MOST_ENTRIES", "Entry", "Switch", "SwitchRefused", "SwitchUnreachable"]

MOST_ENTRIES = 10_000
"""Of one switch; an adapter refuses to read more."""


class Entry(NamedTuple):
    """One thing in the switch that calls can be sent to."""

    key: str
    """As the switch names it: "1 sip:192.0.2.1:5060", or a trunk's id. Unique within the switch."""
    uri: str | None
    """A SIP URI as the switch writes it, where it names addresses; None where it knows trunks by
    name."""
    up: bool | None
    """What the switch does now; None: it has no such entry yet, or does not say."""
    group: str | None = None
    """What the entries that stand in for each other have in common, such as a dispatcher set."""
    held: bool = False
    """True: somebody took it out by hand, and it can be told from what we do. It is left alone."""


class Switch(Protocol):
    """One switch. Every call has a deadline of the adapter's own.

    Each raises SwitchUnreachable or SwitchRefused, and nothing else, whatever the far side does.
    Calls are made one after the other. A connection that was lost is made anew by the next call.
    """

    by_address: bool
    """True: entries are the switch's own, matched by address. False: entries are ours, one for
    each trunk id."""

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        """What there is now; ``names`` are ids of the trunks that are wanted.

        A switch that goes by address ignores ``names`` and gives all entries of its groups; any
        other gives one entry for each name, in that order, with the name as its key.
        """

    async def write(self, key: str, *, up: bool) -> None:
        """Have calls sent to this entry, or not; done twice, it changes nothing."""

    async def close(self) -> None:
        """Release connections; safe to repeat, and never raises."""


class SwitchUnreachable(Exception):
    """There was no answer, or none that can be understood: try again. One plain sentence."""


class SwitchRefused(Exception):
    """It answered, and said no: a person has to change something. One plain sentence."""
