"""The texts of an event stream's table that mean more than themselves.

As in ``values``: each function gives what its text stands for, or raises ValueError with what is
allowed, phrased to be read after the key's name.
"""

from __future__ import annotations

from collections.abc import Sequence

from trunkpulse.config.wording import either, shown
from trunkpulse.model import Direction, EventType, Reason, TrunkState

__all__ = ["direction", "event_type", "group_label", "reason_code", "trunk_state"]

_EVENT_TYPES = tuple(each.value for each in EventType)
_REASONS = ("*", *(each.value for each in Reason))
_STATES = tuple(each.value for each in TrunkState)
_DIRECTIONS = tuple(each.value for each in Direction)
_GROUP_LABELS = ("carrier", "region")


def reason_code(text: str) -> str:
    """A reason of a state change, or ``*`` for all."""
    return _one_of(_REASONS, text)


def event_type(text: str) -> str:
    """The name of an event that exists."""
    return _one_of(_EVENT_TYPES, text)


def trunk_state(text: str) -> str:
    """A state that a change may lead to."""
    return _one_of(_STATES, text)


def direction(text: str) -> str:
    """The direction of a trunk."""
    return _one_of(_DIRECTIONS, text)


def group_label(text: str) -> str:
    """What trunks of one alert may have in common."""
    return _one_of(_GROUP_LABELS, text)


def _one_of(known: Sequence[str], text: str) -> str:
    if text not in known:
        raise ValueError(f"must be {either(known)}, not {shown(text)}")
    return text
