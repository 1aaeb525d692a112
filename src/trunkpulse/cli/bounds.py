"""Numbers on the command line: one plain sentence says what may stand there."""

from __future__ import annotations

from collections.abc import Callable

from trunkpulse.cli.errors import WrongUsage
from trunkpulse.config.wording import shown

__all__ = ["seconds", "whole_number"]


def whole_number(option: str, least: int, most: int) -> Callable[[str], int]:
    """Reads the value of ``option``, from ``least`` to ``most``; raises WrongUsage."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise WrongUsage(
                f"{option} must be a whole number from {least} to {most}, not {shown(text)}."
            )
        return number

    return read


def seconds(option: str, least: float, most: float) -> Callable[[str], float]:
    """Reads the seconds of ``option``, from ``least`` to ``most``; raises WrongUsage."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:  # so NaN, which compares with nothing, is refused too
            raise WrongUsage(
                f"{option} must be from {least:g} to {most:g} seconds, not {shown(text)}."
            )
        return number

    return read
