"""What there is to say of a switch: how the connection is, and how each entry stands."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from trunkpulse.config.switches import SwitchSettings

__all__ = ["Line", "LinkState", "SwitchReport"]


class LinkState(StrEnum):
    """How the connection to a switch is."""

    OFF = "off"
    """It is not enabled."""
    CONNECTING = "connecting"
    """It has not been read yet."""
    CONNECTED = "connected"
    UNREACHABLE = "unreachable"
    """There was no answer, or none that can be understood."""
    REFUSED = "refused"
    """It answered, and said no."""


class Line(NamedTuple):
    """How one entry stands."""

    key: str
    uri: str | None
    group: str | None
    trunks: tuple[str, ...]
    """Ids of trunks that decide about it, the first 20; empty: none does, so it is left alone."""
    wanted: bool | None
    """None: it is not known whether it should be up, so it is left as it is."""
    has: bool | None
    """None: the switch does not say, or has no such entry yet."""
    held: bool
    """Somebody took it out by hand."""
    kept: bool
    """It stays up because nothing else in its group would be."""
    drifts: int
    """How often it changed behind our back."""
    drifted_ms: int | None
    """When it was last seen to have."""
    problem: str | None
    """Why it could not be written; None: it could, or need not be."""
    unproven: bool = False
    """What is wanted is only known from before the start, so it is left as it is."""

    @property
    def differs(self) -> bool:
        """True if something is yet to be written."""
        wants = self.wanted is not None and self.wanted is not self.has
        return wants and not (self.held or self.kept)


@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchReport:
    """How one switch stands."""

    settings: SwitchSettings
    link: LinkState
    problem: str | None
    """Why it cannot be read; None: it can."""
    in_sync: bool
    """True if it was as it should be when last read, and is still read."""
    read_ms: int | None
    """When it was last read; None: never."""
    read_seconds_ago: float | None
    entries: int
    unmatched: int
    """Entries that no trunk leads to."""
    differing: int
    """Entries that are yet to be written."""
    orders: int
    """Entries written since the start."""
    drifts: int
    """How often an entry changed behind our back, since the start."""
    failures: int
    """Attempts to read or write that failed, since the start."""
