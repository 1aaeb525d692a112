"""How far a start has come: with a million trunks a person wants to see that something happens.

Whoever does a step tells it now and then, and whoever runs the process shows it or does not.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

__all__ = ["Progress", "Step", "unseen"]


class Step(StrEnum):
    """What is being done."""

    READING = "reading"
    """Trunks of the configuration file are read and checked."""
    RESTORING = "restoring"
    """Recorded states are read from the database."""
    STARTING = "starting"
    """Trunks are given their targets and places in the schedule."""


Progress = Callable[[Step, int, int], None]
"""Hears how many trunks of how many a step has dealt with; may be called from any thread."""


def unseen(step: Step, done: int, total: int) -> None:
    """The ``Progress`` of which nobody wants to hear."""
    del step, done, total
