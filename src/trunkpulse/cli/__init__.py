"""The command line: a file per command or group of commands; ``program`` puts them together."""

from trunkpulse.cli.program import main

__all__ = ["main"]
