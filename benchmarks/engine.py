"""Trunkpulse itself under load: all that ``serve`` runs, with its API and database.

Run as a process of its own, so that its CPU time and memory are its own. Each target is a trunk,
so every one has a state that is kept, put on the board and recorded in SQLite. All were AVAILABLE
in an earlier life, which the database remembers; the measuring starts once each has answered.
Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from benchmarks.history import INSTANCE, write_history
from benchmarks.load import Load, Measurement, target_uri
from benchmarks.probers import warm_up_seconds
from benchmarks.processes import only_warnings
from trunkpulse.app import loop_factory, running
from trunkpulse.config.settings import ApiSettings, Config, InstanceSettings, SipSettings
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, StateChange, Trunk
from trunkpulse.node import Node
from trunkpulse.probing.histogram import Histogram

WARM_UP_ROUNDS = 4
"""One is enough, unless the machine has other things to do."""
GRACE_SECONDS = 0.5
"""For the answers that are on their way when the measuring ends."""
LOOPBACK = "127.0.0.1"
DATABASE = "trunkpulse.db"
EMPTY = Config(
    instance=InstanceSettings(id=INSTANCE),
    api=ApiSettings(listen=(LOOPBACK, 0)),
    sip=SipSettings(listen=()),
)
"""The service without a trunk."""


def grown(before: Sequence[int], histogram: Histogram) -> Histogram:
    """What ``histogram`` has counted since its counts were ``before``."""
    since = Histogram(histogram.bounds)
    since.counts = [now - then for now, then in zip(histogram.counts, before, strict=True)]
    return since


class ChangeCount:
    """How many changes the node has recorded."""

    def __init__(self, node: Node) -> None:
        self.changes = 0
        self._came = asyncio.Event()
        node.listen(self._count)

    def _count(self, changes: Sequence[StateChange]) -> None:
        self.changes += len(changes)
        self._came.set()

    async def until(self, count: int) -> None:
        """Return once so many are recorded."""
        while self.changes < count:
            self._came.clear()
            await self._came.wait()


def trunks(load: Load, port: int) -> tuple[Trunk, ...]:
    """One trunk per target, all probed alike."""
    interval = load.interval_seconds
    policy = KeepalivePolicy(interval_seconds=interval, confirm_interval_seconds=interval)
    identity = ProbeIdentity(source=(LOOPBACK, 0))
    return tuple(
        Trunk(
            id=f"trunk-{index}",
            name=f"Trunk {index}",
            targets=(target_uri(index, port),),
            keepalive=policy,
            identity=identity,
        )
        for index in range(load.targets)
    )


def resident_bytes() -> int:
    """What this process holds in memory, without what is garbage."""
    gc.collect()
    return int(psutil.Process().memory_info().rss)


async def measure(
    load: Load, port: int, folder: Path, profile: cProfile.Profile | None
) -> Measurement:
    """Warm up, then probe for ``load.seconds``; the database is in ``folder``."""
    async with running(EMPTY, folder / "empty"):
        empty_bytes = resident_bytes()
    filled = folder / "filled"
    await write_history(
        filled / DATABASE,
        ((f"trunk-{index}", target_uri(index, port)) for index in range(load.targets)),
    )
    async with running(replace(EMPTY, trunks=trunks(load, port)), filled) as instance:
        gc.collect()
        gc.freeze()  # as the service does once it is up
        prober = instance.node.roster.prober
        recorded = ChangeCount(instance.node)
        for _ in range(WARM_UP_ROUNDS):
            await asyncio.sleep(warm_up_seconds(load))
            if prober.counts.answers >= load.targets:
                break
        else:
            answers = prober.counts.answers
            sys.exit(f"Only {answers:,} of {load.targets:,} targets ever answered.")
        counts = prober.counts
        late_before = tuple(prober.turns.lateness.counts)
        before, lost_before = counts.attempts, counts.timeouts + counts.network_errors
        retransmissions = counts.retransmissions
        cpu = time.process_time()
        if profile is not None:
            profile.enable()
        await asyncio.sleep(load.seconds)
        if profile is not None:
            profile.disable()
        cpu = time.process_time() - cpu
        lateness = grown(late_before, prober.turns.lateness)
        prober.close()
        sent, retransmissions = counts.attempts - before, counts.retransmissions - retransmissions
        await asyncio.sleep(GRACE_SECONDS)
        ended = counts.answers + counts.timeouts + counts.network_errors
        lost = counts.timeouts + counts.network_errors - lost_before + counts.attempts - ended
        return Measurement(
            sent=sent,
            answered=sent - lost,
            cpu_seconds=cpu,
            retransmissions=retransmissions,
            false_changes=recorded.changes,
            lateness_p50_seconds=lateness.quantile(0.5),
            lateness_p99_seconds=lateness.quantile(0.99),
            empty_bytes=empty_bytes,
            loaded_bytes=resident_bytes(),
        )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure trunkpulse against a responder.")
    parser.add_argument("--port", type=int, required=True, help="the responder's UDP port")
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, after a warm-up")
    parser.add_argument("--profile", metavar="FILE", help="write cProfile's findings there")
    options = parser.parse_args(words)
    only_warnings()
    profile = cProfile.Profile() if options.profile else None
    load = Load(options.targets, options.interval, options.seconds)
    with (
        TemporaryDirectory(prefix="trunkpulse-") as folder,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        measurement = runner.run(measure(load, options.port, Path(folder), profile))
    if profile is not None:
        profile.dump_stats(options.profile)
    print(json.dumps(asdict(measurement)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
