"""A soak: the service probes for long, while some of its targets fail and recover all the time.

The far side is in this process, on a core of its own, and logs what it does. At the end every
change that the service recorded is held against that log, and the service itself must be as it was
near the beginning: no more memory (within 2 %), no more tasks, no more file descriptors.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import psutil
from rich.console import Console

from benchmarks.account import Account, recorded_changes
from benchmarks.engine import DATABASE
from benchmarks.failing import Bounds, FailingPlan, FarLog, policy_of
from benchmarks.farside import FarSide
from benchmarks.processes import Cores, end_on_sigterm, python, running
from benchmarks.soaked import Report, number_of, trunk_id

__all__ = ["Outcome", "Soak", "soak"]

SETTLED_SECONDS = 300.0
"""By then everything that is ever made has been made, so memory counts from here on."""
MEMORY_GROWTH = 0.02
SHOWN = 20
"""Differences that are printed; there may be as many as targets."""
STOP_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What is asked for."""

    targets: int
    seconds: float
    failing: float
    """Share of the targets that fail at any moment."""
    interval_seconds: float = 30.0
    report_seconds: float = 10.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """How the service was at one moment."""

    at: float
    """Seconds since the plan began."""
    resident_bytes: int
    descriptors: int
    tasks: int


@dataclass(slots=True)
class Outcome:
    """What a soak came to."""

    changes: int = 0
    """Recorded ones, the first of each target included."""
    outages: int = 0
    """Of the plan."""
    attempts: int = 0
    failed_requests: int = 0
    samples: list[Sample] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    """What was recorded and should not have been, or the other way round."""

    def leaks(self) -> Iterator[str]:
        """What has become more, one sentence each."""
        settled = min(SETTLED_SECONDS, self.samples[-1].at / 4) if self.samples else 0.0
        early = [each for each in self.samples if settled <= each.at <= 2 * settled]
        late = [each for each in self.samples if each.at >= self.samples[-1].at - settled]
        if not early or not late:
            yield "The soak was too short to tell whether anything leaks."
            return
        before = median(each.resident_bytes for each in early)
        after = median(each.resident_bytes for each in late)
        if after > before * (1 + MEMORY_GROWTH):
            growth = f"{after / before - 1:.1%}, from {before:,.0f} to {after:,.0f} bytes"
            yield f"Memory grew by {growth}."
        # Both come and go; a leak is there even when least is.
        for name in ("tasks", "descriptors"):
            most = max(getattr(each, name) for each in early)
            least = min(getattr(each, name) for each in late)
            if least > most:
                yield f"There were at most {most} {name} near the beginning, {least} at the end."


async def soak(wanted: Soak, folder: Path, cores: Cores, progress: Console) -> Outcome:
    """Run the service for so long, then account for everything."""
    bounds = Bounds(policy_of(wanted.interval_seconds))
    plan = FailingPlan(wanted.seed, wanted.failing, bounds)
    far_log = FarLog(plan, bounds)
    far_side = FarSide(far_log.behaviour)
    outcome = Outcome()
    words = ["--targets", wanted.targets, "--port", far_side.port, "--folder", folder]
    words += ["--interval", wanted.interval_seconds, "--report-seconds", wanted.report_seconds]
    with running(python("benchmarks.soaked", *words), core=cores.probing) as process:
        assert process.stdout is not None
        watched = psutil.Process(process.pid)
        began = ended = 0.0
        while line := await asyncio.to_thread(process.stdout.readline):
            report = Report(**json.loads(line))
            began = began or far_log.begin()
            passed = time.time() - began
            if process.poll() is None:
                resident = watched.memory_info().rss
                sample = Sample(passed, resident, watched.num_fds(), report.tasks)
                outcome.samples.append(sample)
                progress.print(described(passed, report, sample, far_log), soft_wrap=True)
            outcome.attempts = report.attempts
            if passed >= wanted.seconds and not ended:
                ended = passed
                process.terminate()
        await asyncio.to_thread(process.wait, STOP_SECONDS)
        if process.returncode != 0 or not ended:
            outcome.differences.append(
                f"The service ended by itself, with exit code {process.returncode}; see above."
            )
    far_side.close()
    outcome.failed_requests = far_log.failed
    account = Account(plan=plan, bounds=bounds, requests=far_log.requests, began=began, ended=ended)
    await asyncio.to_thread(settle, outcome, account, wanted.targets, folder / DATABASE)
    return outcome


def settle(outcome: Outcome, account: Account, targets: int, database: Path) -> None:
    """Hold what was recorded against what was done."""
    changes, others = recorded_changes(database)
    outcome.changes = sum(map(len, changes.values()))
    for target in range(targets):
        outcome.outages += sum(1 for _ in account.plan.outages(target, account.ended))
        outcome.differences += account.differences(target, changes.pop(trunk_id(target), ()))
    outcome.differences += [f"Target {number_of(name)} was never configured." for name in changes]
    outcome.differences += [f"There was no reason for this event: {body}" for body in others]


def described(passed: float, report: Report, sample: Sample, far_log: FarLog) -> str:
    return (
        f"{passed:6.0f} s  {report.attempts:,} attempts, {report.changes:,} changes, "
        f"{far_log.failing:,} targets failing or just recovered, "
        f"{sample.resident_bytes / 2**20:.1f} MiB, {sample.tasks} tasks, "
        f"{sample.descriptors} descriptors, at most {report.lateness_max_seconds * 1e3:.0f} ms late"
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/soak", description=__doc__)
    parser.add_argument("--targets", type=int, default=200_000)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--failing", type=float, default=0.01, help="share of them at any moment")
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--seed", type=int, default=1, help="another one makes other outages")
    options = parser.parse_args(words)
    end_on_sigterm()
    progress = Console(stderr=True, highlight=False)
    wanted = Soak(
        targets=options.targets,
        seconds=options.minutes * 60,
        failing=options.failing,
        interval_seconds=options.interval,
        seed=options.seed,
    )
    cores = Cores.of_this_machine()
    if cores.answering is not None:
        psutil.Process().cpu_affinity([cores.answering])
    try:
        with TemporaryDirectory(prefix="trunkpulse-") as folder:
            outcome = asyncio.run(soak(wanted, Path(folder), cores, progress))
    except KeyboardInterrupt:
        progress.print("Interrupted; everything that was started has been ended.")
        return 130
    return conclude(outcome)


def conclude(outcome: Outcome) -> int:
    """Print what a soak came to; the exit code."""
    print(
        f"{outcome.attempts:,} attempts, {outcome.failed_requests:,} requests failed on purpose, "
        f"{outcome.outages:,} outages, {outcome.changes:,} changes recorded."
    )
    wrong = [*outcome.differences, *outcome.leaks()]
    for sentence in wrong[:SHOWN]:
        print(sentence)
    if len(wrong) > SHOWN:
        print(f"And {len(wrong) - SHOWN:,} more.")
    if not wrong:
        print("Every change is right, none is missing, and nothing has leaked.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
