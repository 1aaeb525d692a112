"""The command line: a file per command or group of commands; ``program`` puts them together."""

from __future__ import annotations

import sys

from trunkpulse.adapters import collector

__all__ = ["main"]


def main() -> None:
    """The ``trunkpulse`` command."""
    # What is imported stays; looking for garbage among it takes a tenth of the time all the same.
    with collector.paused():
        from trunkpulse.cli.program import run  # noqa: PLC0415 - in here, so that it is paused
    sys.exit(run(sys.argv[1:]))
