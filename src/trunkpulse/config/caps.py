"""The caps of ``[pacing.carriers]``: a table whose keys are carriers, not names of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeGuard

from trunkpulse.config.wording import shown

__all__ = ["FEWEST_PER_SECOND", "MOST_PER_SECOND", "carrier_caps"]

FEWEST_PER_SECOND = 0.01
MOST_PER_SECOND = 1_000_000.0
_LONGEST_CARRIER = 200
"""As of a trunk's ``carrier``."""


def carrier_caps(raw: Mapping[object, object]) -> tuple[tuple[str, float], ...]:
    """Probes per second of each carrier; raises ValueError with what is allowed."""
    return tuple(_cap(str(carrier), value) for carrier, value in raw.items())


def _cap(carrier: str, value: object) -> tuple[str, float]:
    if not carrier.strip() or not carrier.isprintable() or len(carrier) > _LONGEST_CARRIER:
        raise ValueError(
            "must have carriers for keys, as trunks name them: texts of 1 to 200 printable"
            f" characters, not {shown(carrier)}"
        )
    if not _is_cap(value):
        raise ValueError(
            f"must give {shown(carrier)} a number of probes a second from 0.01 to 1000000,"
            f" not {shown(value)}"
        )
    return carrier, float(value)


def _is_cap(value: object) -> TypeGuard[float]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return FEWEST_PER_SECOND <= value <= MOST_PER_SECOND
