"""Runs every measurement, one after the other, and prints one table of ratios.

Absolute figures drift with the machine and with what else it does; what counts is the ratio of
two figures of one run. What probes is pinned to one core, what answers to another. Detection
takes minutes of waiting and next to no work, so it goes on beside everything else.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.detection import DETECTION_SECONDS, Detected
from benchmarks.findings import FLOOR, KAMAILIO, TRUNKPULSE, Findings
from benchmarks.kamailio import kamailio
from benchmarks.load import FULL, QUICK, Load, Measurement
from benchmarks.machine import facts_of_this_machine
from benchmarks.pages import (
    TABLE_COLUMNS,
    as_json,
    as_picture,
    as_table,
    as_text,
    put_into_page,
)
from benchmarks.probers import c_floor, responder, trunkpulse
from benchmarks.processes import (
    Cores,
    NotMeasured,
    build,
    end_on_sigterm,
    only_warnings,
    printed,
    python,
    reading_of,
    running,
)
from benchmarks.redirecting import redirected_by_kamailio, redirected_by_us
from benchmarks.serving import served

KAMAILIO_MOST_TARGETS = {True: 10_000, False: 100_000}
"""By whether it shall be quick. From 100,000 on its bursts overrun its own socket."""
SERVED_TRUNKS = {True: (100_000,), False: (100_000, 1_000_000)}
REDIRECT_SECONDS = {True: 4.0, False: 15.0}
"""Of each of two loads."""
WEBHOOK_SECONDS = {True: 8.0, False: 30.0}
ISOLATION_SECONDS = 400.0
"""At most; it starts 105,000 trunks first."""


@dataclass(frozen=True, slots=True)
class Step:
    """One measurement."""

    name: str
    seconds: float
    """About so long."""
    run: Callable[[], None]


class Plan:
    """The steps of one run; each puts what it found into ``findings``."""

    def __init__(
        self, folder: Path, *, quick: bool, profile: str | None, targets: int | None = None
    ) -> None:
        """``targets``: only the loads of so many, and nothing but probing."""
        self.findings = Findings()
        self._folder = folder
        self._quick = quick
        self._profile = profile
        self._targets = targets
        self._cores = Cores.of_this_machine()
        self._programs: dict[str, Path] = {}

    def steps(self) -> Iterator[Step]:
        """All of them, in order.

        What waits for the disk comes before what leaves a gigabyte to it.
        """
        if self._targets is None:
            seconds = WEBHOOK_SECONDS[self._quick]
            yield Step("webhooks", 15 + seconds, partial(self._webhooks, seconds))
        for load in QUICK if self._quick else FULL:
            if self._targets not in (None, load.targets):
                continue
            warm = 1.1 * load.interval_seconds + load.targets / 7_000
            yield self._probing(load, FLOOR, load.seconds + 1, self._floor)
            yield self._probing(load, TRUNKPULSE, 2 + warm + load.seconds, self._trunkpulse)
            if not self._quick:
                yield self._probing(load, FLOOR, load.seconds + 1, self._floor)
            if load.targets <= KAMAILIO_MOST_TARGETS[self._quick]:
                seconds = 3 + 2.5 * load.interval_seconds + load.seconds
                yield self._probing(load, KAMAILIO, seconds, self._kamailio)
        if self._targets is None:
            yield from self._other_steps()

    def _other_steps(self) -> Iterator[Step]:
        for trunks in SERVED_TRUNKS[self._quick]:
            name, seconds = f"serve, {trunks:,} trunks", 8 + trunks / 2_500
            yield Step(name, seconds, partial(self._serve, trunks))
        yield Step("routing decisions", 3, self._decisions)
        seconds = REDIRECT_SECONDS[self._quick]
        for name, run in (
            (f"redirects: {TRUNKPULSE}", self._redirects),
            (f"redirects: {KAMAILIO}", self._redirects_of_kamailio),
        ):
            yield Step(name, 10 + 2 * seconds, partial(run, seconds))
        if not self._quick:
            yield Step("isolation", 120, self._isolation)

    @contextmanager
    def detecting(self) -> Iterator[Callable[[], None] | None]:
        """Measure detection beside the block; the function that is given waits for its end."""
        if self._targets is not None:
            yield None
            return
        command = python("benchmarks.detection")
        began = time.monotonic()
        with running(command, core=self._cores.answering) as process:

            def finish() -> None:
                left = DETECTION_SECONDS - (time.monotonic() - began)
                try:
                    output, _ = process.communicate(timeout=max(1.0, left))
                except subprocess.TimeoutExpired:
                    raise NotMeasured(
                        f"Outages were not all found within {DETECTION_SECONDS:.0f} s."
                    ) from None
                found = reading_of("Detection", output, process.returncode)
                self.findings.detection = {
                    policy: {kind: Detected(**each) for kind, each in kinds.items()}
                    for policy, kinds in found.items()
                }

            yield finish

    # --- probers -----------------------------------------------------------------------------

    def _probing(
        self, load: Load, name: str, seconds: float, run: Callable[[Load, int], Measurement]
    ) -> Step:
        def measure() -> None:
            with responder(self._program("responder"), self._cores) as far_side:
                found = run(load, far_side.port)
            before = self.findings.probing.get((load, name))
            self.findings.probing[load, name] = found if before is None else before.and_again(found)
            if name == TRUNKPULSE and found.lost:
                self.findings.laid[load] = (
                    f" The answering side overflowed {far_side.overflowed:,} times."
                    if far_side.lost
                    else " The answering side answered everything that reached it."
                )

        return Step(f"{load}: {name}", seconds, measure)

    def _trunkpulse(self, load: Load, port: int) -> Measurement:
        return trunkpulse(load, port, self._cores, self._profile)

    def _floor(self, load: Load, port: int) -> Measurement:
        if sys.platform != "linux":
            raise NotMeasured("The C loop needs sendmmsg, which only Linux has.")
        return c_floor(load, port, self._cores, self._program("floor"))

    def _kamailio(self, load: Load, port: int) -> Measurement:
        return kamailio(load, port, self._cores)

    def _program(self, name: str) -> Path:
        """A C program of ours, built when it is first asked for."""
        if name not in self._programs:
            self._programs[name] = build(name, self._folder)
        return self._programs[name]

    # --- the rest ----------------------------------------------------------------------------

    def _serve(self, trunks: int) -> None:
        with responder(self._program("responder"), self._cores) as far_side:
            self.findings.served[trunks] = served(trunks, far_side.port, self._cores)

    def _webhooks(self, seconds: float) -> None:
        words = ["--seconds", seconds]
        if self._cores.probing is not None:
            words += ["--core", self._cores.probing]
        command = python("benchmarks.webhooks", *words)
        self.findings.webhooks = printed(command, self._cores.answering, seconds + 60)

    def _isolation(self) -> None:
        # It pins what it starts itself.
        self.findings.isolation = printed(python("benchmarks.isolation"), None, ISOLATION_SECONDS)

    def _redirects(self, seconds: float) -> None:
        caller = self._program("caller")
        with responder(self._program("responder"), self._cores) as far_side:
            found = redirected_by_us(caller, far_side.port, self._cores, seconds)
        self.findings.redirected[TRUNKPULSE] = found

    def _redirects_of_kamailio(self, seconds: float) -> None:
        caller = self._program("caller")
        found = redirected_by_kamailio(caller, self._cores, seconds)
        self.findings.redirected[KAMAILIO] = found

    def _decisions(self) -> None:
        found = printed(python("benchmarks.deciding"), self._cores.probing, 30)
        self.findings.decisions_per_second = found["decisions_per_second"]


def measure(plan: Plan, progress: Console) -> None:
    """Take every step, and say on the way how far it has come."""
    steps = list(plan.steps())
    began = time.monotonic()
    with plan.detecting() as finish_detecting:
        if finish_detecting is not None:
            steps.append(Step("detection, in the background until now", 0, finish_detecting))
        for number, step in enumerate(steps):
            passed = time.monotonic() - began
            left = sum(each.seconds for each in steps[number:])
            if finish_detecting is not None:
                left = max(left, DETECTION_SECONDS - passed)
            progress.print(f"{passed:4.0f} s  {step.name} (about {left:.0f} s left)")
            os.sync()  # what the step before has written is no part of this one
            try:
                step.run()
            except NotMeasured as problem:
                plan.findings.reasons[step.name] = str(problem)
                progress.print(f"        not measured: {problem}")


def below_the_table(plan: Plan, facts: dict[str, str | int | float]) -> str:
    """What a reader of the table must know besides."""
    ours = [found for (_, name), found in plan.findings.probing.items() if name == TRUNKPULSE]
    sent, lost = sum(found.sent for found in ours), sum(found.lost for found in ours)
    false_changes = sum(found.false_changes for found in ours)
    lines = [f"{sent:,} probes measured, {lost:,} lost, {false_changes:,} states changed falsely."]
    lines += [sentence for sentence in plan.findings.losses() if "probes were lost" in sentence]
    lines += [f"{name}: not measured. {why}" for name, why in plan.findings.reasons.items()]
    lines.append(", ".join(f"{name} {value}" for name, value in facts.items()))
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller loads, three minutes")
    parser.add_argument(
        "--targets", metavar="N", type=int, help="only the probing of N targets, and nothing else"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all figures there too")
    parser.add_argument("--picture", metavar="FILE", type=Path, help="write the table there as SVG")
    parser.add_argument("--page", metavar="FILE", type=Path, help="and into this Markdown page")
    parser.add_argument("--profile", metavar="FILE", help="write cProfile's of the last engine run")
    options = parser.parse_args(words)
    if options.page and not options.page.is_file():
        parser.error(f"there is no page {options.page} to put the table into")
    if options.targets not in {
        None,
        *(load.targets for load in (QUICK if options.quick else FULL)),
    }:
        parser.error(f"--targets {options.targets} is no size that is measured")
    end_on_sigterm()
    only_warnings()
    progress = Console(stderr=True, highlight=False)
    facts = facts_of_this_machine()
    profile = str(Path(options.profile).absolute()) if options.profile else None
    with TemporaryDirectory(prefix="trunkpulse-") as folder:
        plan = Plan(Path(folder), quick=options.quick, profile=profile, targets=options.targets)
        try:
            measure(plan, progress)
        except KeyboardInterrupt:
            progress.print("Interrupted; everything that was started has been ended.")
            return 130
    findings = plan.findings
    title = "Each figure beside another of the same run"
    if options.quick:
        title += " (--quick: short runs, and none of 1,000,000)"
    table, below = as_table(findings.rows(), title), below_the_table(plan, facts)
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=TABLE_COLUMNS)
    console.print(table)
    console.print(below)
    if options.json:
        options.json.write_text(as_json(findings, facts, quick=options.quick), encoding="utf-8")
    if options.picture:
        options.picture.write_text(as_picture(table, below), encoding="utf-8")
    if options.page:
        page = options.page.read_text(encoding="utf-8")
        page = put_into_page(page, as_text(table, below))
        options.page.write_text(page, encoding="utf-8")
    missing = [name for name in findings.reasons if KAMAILIO not in name and FLOOR not in name]
    return 1 if findings.losses() or missing else 0


if __name__ == "__main__":
    sys.exit(main())
