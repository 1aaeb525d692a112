"""A target whose name has to be looked up before it can be probed."""

from __future__ import annotations

from collections.abc import Callable

from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.target import ProbeTarget

__all__ = ["look_up"]


def look_up(locator: Locator, target: ProbeTarget, done: Callable[[], None]) -> None:
    """Find an address for ``target``, or why there is none (``unresolved``); then call ``done``."""
    watch = Watch(target.owner, target.uri)

    def ended() -> None:
        trouble = locator.trouble(watch)
        if target.address is None and locator.is_pending(watch):
            locator.look_up(watch, ended)  # it goes another way by now
            return
        if target.address is None and trouble is not None:
            target.unresolved = trouble.problem
        done()

    locator.look_up(watch, ended)
