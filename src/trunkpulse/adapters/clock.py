"""The time of this machine."""

from __future__ import annotations

import time
from functools import partial

__all__ = ["SystemClock"]

# On Linux CLOCK_MONOTONIC stands still while the machine sleeps and CLOCK_BOOTTIME does not; on
# macOS ``time.monotonic`` stands still and CLOCK_MONOTONIC does not.
_COUNTS_SLEEP: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """``ports.MachineClock`` over the system's clocks, without a Python call in between."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
    boot = staticmethod(partial(time.clock_gettime, _COUNTS_SLEEP))
