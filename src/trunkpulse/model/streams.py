"""Who is told of events: what a stream subscribes to, and where it goes."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

__all__ = ["AlertSettings", "Destination", "EventStream", "EventType"]


OptionT = TypeVar("OptionT", str, int, float, bool)


class EventType(StrEnum):
    """What an event stream may subscribe to."""

    STATE_CHANGE = "telephony.trunks.stateChange"
    PROBER_ISOLATED = "telephony.prober.isolated"
    PROBER_RESTORED = "telephony.prober.restored"
    STREAM_DISABLED = "events.streams.disabled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a stream's events go. ``type`` picks the sink; the rest is the sink's own."""

    type: str
    url: str
    secret: str | None = field(default=None, repr=False)
    """The resolved secret, never printed."""
    previous_secret: str | None = field(default=None, repr=False)
    """While it is being replaced: what receivers that do not know the new one still go by."""
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Sent with every delivery; a value may be a token, so they are never printed."""
    options: tuple[tuple[str, str | int | float | bool], ...] = ()
    """The sink's own settings, by name; checked when they were read."""

    def option(self, name: str, default: OptionT) -> OptionT:
        """The setting of this name, of the type of ``default``."""
        value = dict(self.options).get(name, default)
        if not isinstance(value, type(default)):
            raise TypeError(f"{name} of a {self.type} destination is {type(value).__name__}")
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """How a stream that wakes people tells them: grouped, and not of what flaps."""

    group_by: tuple[str, ...] = ("carrier", "region")
    """What trunks of one alert have in common; empty: each trunk has alerts of its own."""
    group_wait_seconds: float = 15.0
    """How long the first news of a group waits for others."""
    update_seconds: float = 60.0
    """An open alert is updated no more often than this."""
    flapping_changes: int = 6
    """So many changes of a trunk within ``flapping_seconds`` hold its recovery back."""
    flapping_seconds: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EventStream:
    """A subscription: which events go to which destination.

    An empty filter takes everything. Filters are all asked: a change has to pass each.
    """

    id: str
    name: str
    destination: Destination
    event_types: tuple[str, ...] = ("telephony.trunks.stateChange",)
    trunks: tuple[str, ...] = ()
    carriers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    """Of the trunks."""
    directions: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    """The states that a change leads to; a recovery that is owed is told all the same."""
    reason_codes: tuple[str, ...] = ("KEEPALIVE_FAILURE", "NETWORK_ERROR")
    """``("*",)`` takes every reason."""
    alerts: AlertSettings | None = None
    """None: every event is a delivery of its own."""
    enabled: bool = True
    paused: bool = False
    """True: what it takes is kept for it and waits."""
    managed_by: str | None = None
