"""The time of this machine."""

from __future__ import annotations

import time

__all__ = ["SystemClock"]


class SystemClock:
    """``ports.Clock`` over the system's clocks, without a Python call in between."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
