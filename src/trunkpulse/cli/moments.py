"""Moments as people type them: a date, a date and a time, how long ago, or milliseconds."""

from __future__ import annotations

import re
import time
from datetime import datetime
from typing import Final

from trunkpulse.cli.errors import WrongUsage
from trunkpulse.config.wording import shown

__all__ = ["MOMENT", "moment_ms"]

MOMENT: Final = "MOMENT"
"""What an option that takes one calls it."""

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNIT_MS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MILLISECONDS: Final = re.compile(r"\d{11,15}")


def moment_ms(text: str, option: str, *, now: float | None = None) -> int:
    """What was given with ``option``, in milliseconds since the epoch; raises WrongUsage.

    A time without a zone is the reader's own. ``now`` is in seconds since the epoch.
    """
    if ago := _AGO.fullmatch(text):
        since = (time.time() if now is None else now) * 1000 - int(ago[1]) * _UNIT_MS[ago[2]]
        return max(0, int(since))
    if _MILLISECONDS.fullmatch(text):
        return int(text)
    try:
        return max(0, int(datetime.fromisoformat(text).timestamp() * 1000))
    except (ValueError, OverflowError, OSError) as problem:
        raise WrongUsage(
            f"{option} {shown(text)} is no moment; write 2026-03-15, '2026-03-15 18:14', or 2h for"
            " two hours ago."
        ) from problem
