"""The probers that are measured, each a process (or several) of its own.

What cannot be measured raises ``NotMeasured`` with the reason.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load import Load, Measurement
from benchmarks.processes import Cores, NotMeasured, printed, python, running

__all__ = ["FarSide", "c_floor", "responder", "trunkpulse", "warm_up_seconds"]

START_SECONDS = 15.0
SPREAD_INTERVALS = 1.1
"""The first probes are spread over one; a little more, and every target has answered."""
MADE_PER_SECOND = 1_500
"""Trunks, at the very least, of which a history is written, and which are then read and added."""
STOP_SECONDS = 30.0


def warm_up_seconds(load: Load) -> float:
    """After so long a service that is up has probed every target once."""
    return SPREAD_INTERVALS * load.interval_seconds + 0.5


@dataclass(slots=True)
class FarSide:
    """The answering side of one measurement, and its own counters once it has ended."""

    port: int
    received: int = 0
    answered: int = 0
    unanswerable: int = 0
    overflowed: int = 0

    @property
    def lost(self) -> int:
        """Requests that reached this machine's other side and got no answer there."""
        return self.overflowed + self.unanswerable


@contextmanager
def responder(program: Path, cores: Cores) -> Iterator[FarSide]:
    """The answering side, on a port of its own; its counters are there after the block."""
    with running([str(program)], core=cores.answering) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise NotMeasured("The responder did not start; see above.")
        far_side = FarSide(int(line))
        yield far_side
        process.terminate()
        for name, count in json.loads(process.stdout.readline() or "{}").items():
            setattr(far_side, name, count)


def trunkpulse(load: Load, port: int, cores: Cores, profile: str | None = None) -> Measurement:
    """The real service; see benchmarks/engine.py."""
    command = python("benchmarks.engine", "--port", port, "--targets", load.targets)
    command += ["--interval", str(load.interval_seconds), "--seconds", str(load.seconds)]
    if profile is not None:
        command += ["--profile", profile]
    deadline = START_SECONDS + load.targets / MADE_PER_SECOND + 4 * warm_up_seconds(load)
    deadline += load.seconds + STOP_SECONDS
    return Measurement(**printed(command, cores.probing, deadline))


def c_floor(load: Load, port: int, cores: Cores, program: Path) -> Measurement:
    """The least that it can cost; see benchmarks/floor.c."""
    words = [port, load.targets, load.interval_seconds, load.seconds]
    command = [str(program), *map(str, words)]
    return Measurement(**printed(command, cores.probing, START_SECONDS + load.seconds))
