"""The composition root: the one place that knows every adapter by name, and starts and ends all.

``running`` is a whole trunkpulse for as long as its block runs; ``run_service`` is the process
around it: configuration file, lock, signals, exit code.
"""

from __future__ import annotations

from trunkpulse.app.composition import CannotStart, Running, running
from trunkpulse.app.process import loop_factory, run_service, set_up_logging

__all__ = [
    "CannotStart",
    "Running",
    "loop_factory",
    "run_service",
    "running",
    "set_up_logging",
]
