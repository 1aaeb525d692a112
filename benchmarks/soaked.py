"""The service that a soak watches: many trunks, a database, and a report of itself now and then.

Prints one JSON object a line: first when all trunks are AVAILABLE, then every few seconds. Ends in
order on SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.engine import EMPTY, ChangeCount
from benchmarks.failing import policy_of
from benchmarks.farside import numbered_uri
from benchmarks.processes import only_warnings
from trunkpulse.app import loop_factory, running
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, Trunk

__all__ = ["Report", "number_of", "trunk_id"]

WARM_UP_INTERVALS = 4
RECORDED_PER_SECOND = 500
"""First changes, at the very least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the service is."""

    attempts: int
    changes: int
    """Since its start, recorded."""
    tasks: int
    lateness_max_seconds: float
    """Of any probe since the start."""


def trunk_id(number: int) -> str:
    return f"trunk-{number}"


def number_of(trunk_id: str) -> int:
    """The target that the trunk of this id probes."""
    return int(trunk_id.rpartition("-")[2])


def trunks(count: int, port: int, policy: KeepalivePolicy) -> tuple[Trunk, ...]:
    identity = ProbeIdentity(source=("127.0.0.1", 0))
    return tuple(
        Trunk(
            id=trunk_id(number),
            name=f"Trunk {number}",
            targets=(numbered_uri(number, port),),
            keepalive=policy,
            identity=identity,
        )
        for number in range(count)
    )


async def run(options: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    policy = policy_of(options.interval)
    async with running(EMPTY, options.folder) as instance:
        prober = instance.node.roster.prober
        recorded = ChangeCount(instance.node)
        config = replace(EMPTY, trunks=trunks(options.targets, options.port, policy))
        await instance.node.apply(config)
        async with asyncio.timeout(
            WARM_UP_INTERVALS * options.interval + options.targets / RECORDED_PER_SECOND
        ):
            await recorded.until(options.targets)
        gc.collect()
        gc.freeze()  # as the service does once it is up
        while not stop.is_set():
            report = {
                "attempts": prober.counts.attempts,
                "changes": recorded.changes,
                "tasks": len(asyncio.all_tasks()),
                "lateness_max_seconds": prober.turns.lateness_seconds_max,
            }
            print(json.dumps(report), flush=True)
            with suppress(TimeoutError):
                async with asyncio.timeout(options.report_seconds):
                    await stop.wait()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, required=True)
    parser.add_argument("--port", type=int, required=True, help="of all of them, on 127.0.0.1")
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--report-seconds", type=float, default=10.0)
    parser.add_argument("--folder", type=Path, required=True, help="of the database")
    options = parser.parse_args(words)
    only_warnings()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(run(options))
    return 0


if __name__ == "__main__":
    sys.exit(main())
