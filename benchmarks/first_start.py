"""What a first start does to probes: every trunk becomes AVAILABLE, and each change is recorded.

A real ``trunkpulse serve`` starts on an empty database, with trunks that all answer. Within one
interval as many changes as there are trunks are decided, and of a million more than a database can
write. They wait in memory; probes must not.

    python -m benchmarks.first_start --trunks 1000000

Prints one JSON object. The service has a core for itself; the far side has the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil

from benchmarks.configuration import write_configuration
from benchmarks.isolation import read
from benchmarks.probers import responder
from benchmarks.processes import Cores, build, end_on_sigterm
from benchmarks.serving import serving
from trunkpulse.adapters.machine_token import MachineToken

READY_SECONDS = 300.0
LOOK_SECONDS = 5.0
HEAD = """
[instance]
id = "first-start"
[api]
listen = "127.0.0.1:0"
[sip]
listen = []
"""


async def watch(
    service: MachineToken,
    process: psutil.Process,
    *,
    trunks: int,
    interval: float,
    patience_seconds: float,
) -> dict[str, Any]:
    """Look on until every change is recorded, and for one more interval."""
    first = await read(service)
    empty = process.memory_info().rss
    highest = empty
    reached = first
    decided: dict[str, Any] | None = None
    began = time.monotonic()
    while reached.values["events"] < trunks:
        if time.monotonic() - began > patience_seconds:
            break
        await asyncio.sleep(LOOK_SECONDS)
        highest = max(highest, process.memory_info().rss)
        reached = await read(service)
        if decided is None and reached.at - first.at > interval + LOOK_SECONDS:
            decided = reached.since(first)
            waiting = trunks - reached.values["events"]
            decided["waiting"] = int(waiting)
            decided["resident_bytes"] = process.memory_info().rss
    await asyncio.sleep(interval)
    last = await read(service)
    return {
        "while decided": decided or reached.since(first),
        "until recorded": reached.since(first),
        "one interval later": last.since(reached),
        "recorded": int(last.values["events"]),
        "resident_mib": {
            "ready": empty >> 20,
            "highest": highest >> 20,
            "last": process.memory_info().rss >> 20,
        },
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure what a first start does to probes.")
    parser.add_argument("--trunks", type=int, default=100_000)
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--patience", type=float, default=600.0, metavar="SECONDS")
    options = parser.parse_args(words)
    end_on_sigterm()
    cores = Cores.of_this_machine()
    with tempfile.TemporaryDirectory() as name, ExitStack() as started:
        folder = Path(name)
        file = folder / "trunks.toml"
        far_side = started.enter_context(responder(build("responder", folder), cores))
        write_configuration(
            file,
            options.trunks,
            port=far_side.port,
            interval_seconds=options.interval,
            head=HEAD,
        )
        service = started.enter_context(
            serving(file, folder / "data", cores.probing, READY_SECONDS)
        )
        found = asyncio.run(
            watch(
                MachineToken(service.url, service.token),
                psutil.Process(service.pid),
                trunks=options.trunks,
                interval=options.interval,
                patience_seconds=options.patience,
            )
        )
    print(json.dumps({"start_seconds": round(service.start_seconds, 1), **found}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
