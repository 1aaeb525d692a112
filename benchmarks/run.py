"""Runs every prober under the same loads, one after the other, and prints one table of ratios.

Absolute figures drift with the machine and with what else it does; what counts is the ratio of
two rows of one run. Each prober is pinned to one core and the answering side to another.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from benchmarks.load import FULL, QUICK, Load, Measurement
from benchmarks.probers import (
    Cores,
    NotMeasured,
    build,
    c_floor,
    end_on_sigterm,
    kamailio,
    responder,
    trunkpulse,
)
from trunkpulse import __version__

FLOOR = "C loop (the floor)"
TRUNKPULSE = "trunkpulse"
TABLE_COLUMNS = 104
KAMAILIO_MOST_TARGETS = 10_000
"""Beyond this its bursts overrun its own socket, and what is measured is the overrun."""


@dataclass(frozen=True, slots=True)
class Row:
    """One prober under one load."""

    load: Load
    prober: str
    measurement: Measurement | None
    reason: str = ""
    """Why there is no measurement."""


def measure(loads: Sequence[Load], console: Console, profile: str | None) -> list[Row]:
    """Every prober under every load; what cannot be measured is a row with the reason."""
    rows: list[Row] = []
    cores = Cores.of_this_machine()
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        folder = Path(name)
        probers = probers_of(cores, folder, profile)
        answering = build("responder", folder)
        for load in loads:
            with responder(answering, cores) as port:
                for prober, run in probers.items():
                    started = time.monotonic()
                    try:
                        row = Row(load, prober, run(load, port))
                    except NotMeasured as problem:
                        row = Row(load, prober, None, str(problem))
                    rows.append(row)
                    seconds = time.monotonic() - started
                    console.print(f"{described(load)}: {prober}, {seconds:.0f} s")
    return rows


def probers_of(
    cores: Cores, folder: Path, profile: str | None
) -> dict[str, Callable[[Load, int], Measurement]]:
    """Each prober by the name it has in the table."""
    return {
        FLOOR: lambda load, port: c_floor(load, port, cores, floor(folder)),
        TRUNKPULSE: lambda load, port: trunkpulse(load, port, cores, profile),
        "Kamailio dispatcher": lambda load, port: kamailio_within_reason(load, port, cores),
    }


def floor(folder: Path) -> Path:
    """The C loop, built when it is first asked for."""
    if sys.platform != "linux":
        raise NotMeasured("The C loop needs sendmmsg, which only Linux has.")
    program = folder / "floor"
    return program if program.exists() else build("floor", folder)


def kamailio_within_reason(load: Load, port: int, cores: Cores) -> Measurement:
    """Kamailio, as far as its dispatcher goes."""
    if load.targets > KAMAILIO_MOST_TARGETS:
        raise NotMeasured(f"Not asked for more than {KAMAILIO_MOST_TARGETS:,} targets.")
    return kamailio(load, port, cores)


def described(load: Load) -> str:
    return f"{load.targets:,} every {load.interval_seconds:g} s"


def floor_cost(rows: Sequence[Row], load: Load) -> float | None:
    """Microseconds of CPU per probe that the C loop took under this load."""
    for row in rows:
        if row.load == load and row.prober == FLOOR and row.measurement:
            return row.measurement.cpu_microseconds_per_probe
    return None


def as_table(rows: Sequence[Row]) -> Table:
    table = Table(title="CPU per probe: one OPTIONS, one answer, judged")
    for heading in ("targets", "prober"):
        table.add_column(heading, no_wrap=True)
    for heading in ("probes", "lost", "CPU μs", "x floor", "late p50", "late p99"):
        table.add_column(heading, justify="right", no_wrap=True)
    previous: Load | None = None
    for row in rows:
        if previous is not None and row.load != previous:
            table.add_section()
        load = "" if row.load == previous else described(row.load)
        previous = row.load
        found = row.measurement
        if found is None:
            table.add_row(load, row.prober, "not measured", *[""] * 5)
            continue
        cost, least = found.cpu_microseconds_per_probe, floor_cost(rows, row.load)
        table.add_row(
            load,
            row.prober,
            f"{found.sent:,}",
            f"[bold red]{found.lost:,}[/]" if found.lost else "0",
            f"{cost:.1f}",
            f"{cost / least:.1f}" if least else "",
            milliseconds(found.lateness_p50_seconds),
            milliseconds(found.lateness_p99_seconds),
        )
    return table


def milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds * 1e3:.1f} ms"


def machine() -> dict[str, str | int | float]:
    """What the figures depend on."""
    facts: dict[str, str | int | float] = {
        "system": platform.platform(),
        "processor": processor(),
        "cores": os.cpu_count() or 1,
        "load_average": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "trunkpulse": __version__,
    }
    if program := shutil.which("kamailio"):
        output = subprocess.run([program, "-v"], check=False, capture_output=True, text=True)
        facts["kamailio"] = output.stdout.partition("\n")[0]
    return facts


def processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux
    return platform.processor()


def as_json(rows: Sequence[Row], facts: dict[str, str | int | float]) -> str:
    results = []
    for row in rows:
        found, least = row.measurement, floor_cost(rows, row.load)
        result: dict[str, object] = {"load": asdict(row.load), "prober": row.prober}
        if found is None:
            result["not_measured"] = row.reason
        else:
            cost = found.cpu_microseconds_per_probe
            result |= asdict(found)
            result["cpu_microseconds_per_probe"] = round(cost, 2)
            result["times_floor"] = round(cost / least, 2) if least else None
        results.append(result)
    return json.dumps({"machine": facts, "results": results}, indent=2) + "\n"


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller loads, under three minutes")
    parser.add_argument("--json", metavar="FILE", help="write figures and machine facts there too")
    parser.add_argument("--profile", metavar="FILE", help="write cProfile's of the last engine run")
    options = parser.parse_args(words)
    end_on_sigterm()
    progress = Console(stderr=True, highlight=False)
    facts = machine()
    profile = str(Path(options.profile).absolute()) if options.profile else None
    try:
        rows = measure(QUICK if options.quick else FULL, progress, profile)
    except NotMeasured as problem:
        progress.print(str(problem))
        return 1
    except KeyboardInterrupt:
        progress.print("Interrupted; everything that was started has been ended.")
        return 130
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=TABLE_COLUMNS)
    console.print(as_table(rows))
    for prober, reason in dict.fromkeys((row.prober, row.reason) for row in rows if row.reason):
        console.print(f"{prober}: {reason}")
    console.print(", ".join(f"{name} {value}" for name, value in facts.items()))
    if options.json:
        Path(options.json).write_text(as_json(rows, facts), encoding="utf-8")
    measured = [row.measurement for row in rows if row.prober == TRUNKPULSE]
    return 0 if all(found is not None and found.lost == 0 for found in measured) else 1


if __name__ == "__main__":
    sys.exit(main())
