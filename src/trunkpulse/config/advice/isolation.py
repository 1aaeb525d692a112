"""Advice on how long states are held while the prober suspects itself."""

from __future__ import annotations

from collections.abc import Iterator

from trunkpulse.config.advice.item import Advice
from trunkpulse.config.advice.pacing import detection_seconds
from trunkpulse.config.settings import Config

__all__ = ["on_isolation"]


def on_isolation(config: Config) -> Iterator[Advice]:
    """A hold has to outlast what it takes to see an outage at the slowest of the trunks."""
    if not config.isolation.enabled:
        return
    policies = {trunk.keepalive for trunk in config.trunks if trunk.enabled}
    needed = max((detection_seconds(each) for each in policies if each.enabled), default=0.0)
    if config.isolation.hold_seconds < needed:
        yield Advice(
            "hold_short",
            "warning",
            "isolation.hold_seconds",
            f"hold_seconds is {config.isolation.hold_seconds:g}, and it may take {needed:g} s until"
            " an outage is noticed and confirmed at the trunks with the longest intervals, so a"
            " fault of our own that lasts a little longer takes trunks down",
            f"set {needed:g} or more",
        )
