"""Do the API, the database and the writing of events make probes late.

A real ``trunkpulse serve`` on a real SQLite file probes 100,000 trunks every 30 s, and 5,000 more
every 5 s that change their state with each probe, so that 1,000 changes a second are recorded. Then
64 connections ask it for lists, explanations, route decisions, events and metrics, as fast as they
are answered. How late probes were is read from its own histogram, without that load and under it.

    python -m benchmarks.isolation

Prints one JSON object. The service has a core for itself; far sides and clients share the other.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.flapping import flapping_uri
from benchmarks.load import target_uri
from benchmarks.processes import Cores, end_on_sigterm, free_port, python, running
from trunkpulse.adapters.machine_token import MachineToken
from trunkpulse.probing.histogram import Histogram

READY_SECONDS = 120.0
CARRIERS = 40
LATENESS = "trunkpulse_probe_lateness_seconds"
TRUNKS = "/api/v2/telephony/trunks"
_BUCKET = re.compile(LATENESS + r'_bucket\{le="([^"]+)"\} (\S+)')


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured."""

    trunks: int
    interval_seconds: float
    flapping: int
    flap_seconds: float
    connections: int
    seconds: float


def write_configuration(file: Path, plan: Plan, port: int) -> None:
    """All trunks, and a route over ten of them."""
    lines = [
        "[instance]",
        'id = "isolation"',
        "[api]",
        'listen = "127.0.0.1:0"',
        "[sip]",
        "listen = []",
        "[keepalive]",
        f"interval_seconds = {plan.interval_seconds:g}",
        "min_successful_attempts = 1",
    ]
    for index in range(plan.trunks):
        lines += [
            "[[trunks]]",
            f'id = "trunk-{index}"',
            f'carrier = "carrier-{index % CARRIERS}"',
            f'region = "region-{index % 7}"',
            f'targets = ["{target_uri(index, port)}"]',
        ]
    for index in range(plan.flapping):
        pause = f"{plan.flap_seconds:g}"
        lines += [
            "[[trunks]]",
            f'id = "flapping-{index}"',
            'carrier = "flapping"',
            f'targets = ["{flapping_uri(index, port)}"]',
            "[trunks.keepalive]",
            f"interval_seconds = {pause}",
            f"confirm_interval_seconds = {pause}",
            f"down_interval_seconds = {pause}",
            "max_failed_attempts = 1",
            "min_successful_attempts = 1",
            "jitter = 0",
        ]
    ways = ", ".join(f'{{ id = "trunk-{index}" }}' for index in range(min(10, plan.trunks)))
    lines += ["[[routes]]", 'id = "all"', f"trunks = [{ways}]", ""]
    file.write_text("\n".join(lines), encoding="utf-8")


class Connection:
    """One client that keeps its connection, and asks again as soon as it is answered."""

    def __init__(self, service: MachineToken) -> None:
        self._port = urlsplit(service.url).port or 0
        self._token = service.token
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """The status and body of an answer; raises OSError and EOFError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        method = "POST" if body else "GET"
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {self._token}\r\n"
        )
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        writer.write(head.encode() + b"\r\n" + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.partition(b"content-length:")[2].partition(b"\r\n")[0])
        content = await reader.readexactly(length)
        if b"\r\nconnection: close" in answer:
            self.close()
        return int(answer.split(None, 2)[1]), content

    def close(self) -> None:
        """Hang up; the next question opens a new one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def questions(plan: Plan, rng: random.Random) -> dict[str, Callable[[], tuple[str, bytes]]]:
    """Kinds of requests, each with a way to make one."""

    def trunk() -> int:
        return rng.randrange(plan.trunks)

    call = json.dumps({"to": "+15551230001", "direction": "outbound"}).encode()
    return {
        "list": lambda: (f"{TRUNKS}?limit=100", b""),
        "list by carrier": lambda: (f"{TRUNKS}?carrier=carrier-{trunk() % CARRIERS}", b""),
        "list by state": lambda: (f"{TRUNKS}?state=DOWN&region=region-3", b""),
        "search": lambda: (f"{TRUNKS}?q=k-{trunk()}&limit=50", b""),
        "explain": lambda: (f"{TRUNKS}/trunk-{trunk()}/explain", b""),
        "decide": lambda: ("/api/v2/routing/decide", call),
        "events": lambda: ("/api/v2/events?order=desc", b""),
        "metrics": lambda: ("/metrics", b""),
        "readyz": lambda: ("/readyz", b""),
    }


async def load(service: MachineToken, plan: Plan) -> dict[str, Any]:
    """Ask for ``plan.seconds`` on all connections; how often, and how long it took."""
    took: dict[str, list[float]] = defaultdict(list)
    statuses: Counter[int] = Counter()
    until = time.monotonic() + plan.seconds

    async def client(number: int) -> None:
        connection, rng = Connection(service), random.Random(number)
        kinds = questions(plan, rng)
        names = list(kinds)
        while (begun := time.monotonic()) < until:
            name = rng.choice(names)
            status, _ = await connection.ask(*kinds[name]())
            statuses[status] += 1
            took[name].append(time.monotonic() - begun)
        connection.close()

    async with asyncio.TaskGroup() as tasks:
        for number in range(plan.connections):
            tasks.create_task(client(number))
    return {
        "requests_per_second": round(sum(map(len, took.values())) / plan.seconds),
        "statuses": {str(status): count for status, count in sorted(statuses.items())},
        "latency_p99_ms": {
            name: round(sorted(each)[int(len(each) * 0.99)] * 1000, 1)
            for name, each in sorted(took.items())
        },
    }


@dataclass(frozen=True, slots=True)
class Reading:
    """What the service says of itself at one moment."""

    at: float
    lateness: Histogram
    values: dict[str, float]

    def since(self, before: Reading) -> dict[str, Any]:
        """What happened between two of them."""
        lateness = Histogram(self.lateness.bounds)
        pairs = zip(self.lateness.counts, before.lateness.counts, strict=True)
        lateness.counts = [now - then for now, then in pairs]
        seconds = self.at - before.at

        def grown(name: str) -> float:
            return self.values.get(name, 0.0) - before.values.get(name, 0.0)

        return {
            "seconds": round(seconds, 1),
            "probes_per_second": round(grown("trunkpulse_probe_attempts_total") / seconds),
            "changes_per_second": round(grown("events") / seconds),
            "timeouts": int(grown("trunkpulse_probe_timeouts_total")),
            "cpu_share": round(grown("process_cpu_seconds_total") / seconds, 2),
            "lateness_p50_ms": round(lateness.quantile(0.5) * 1000, 2),
            "lateness_p99_ms": round(lateness.quantile(0.99) * 1000, 2),
            "lateness_p999_ms": round(lateness.quantile(0.999) * 1000, 2),
        }


async def read(service: MachineToken) -> Reading:
    """Ask the service for its metrics and for the end of its log."""
    connection = Connection(service)
    _, text = await connection.ask("/metrics")
    _, page = await connection.ask("/api/v2/events?order=desc&limit=1")
    connection.close()
    buckets = [(float(le), float(count)) for le, count in _BUCKET.findall(text.decode())]
    lateness = Histogram(tuple(le for le, _ in buckets if math.isfinite(le)))
    below = 0
    for place, (_, count) in enumerate(buckets):
        lateness.counts[place] = int(count) - below
        below = int(count)
    values = {
        name: float(value)
        for name, _, value in (
            line.rpartition(" ") for line in text.decode().splitlines() if line[:1] != "#"
        )
    }
    values["events"] = float(json.loads(page)["nextCursor"] or 0)
    return Reading(time.monotonic(), lateness, values)


async def until_up(data: Path) -> MachineToken:
    """Return once the service has written down how one gets in."""
    service: MachineToken | None = None
    while service is None:
        await asyncio.sleep(1.0)
        service = MachineToken.read(data / "machine.token")
    return service


async def until_ready(connection: Connection) -> None:
    """Return once every trunk is known to be up or down."""
    undecided = math.inf
    while undecided:
        await asyncio.sleep(1.0)
        _, text = await connection.ask("/metrics")
        match = re.search(r'trunkpulse_trunks\{state="UNKNOWN"\} (\S+)', text.decode())
        undecided = float(match.group(1)) if match else math.inf


async def measure(plan: Plan, data: Path) -> dict[str, Any]:
    """Wait, look on for a while, then ask and look on."""
    async with asyncio.timeout(READY_SECONDS):
        service = await until_up(data)
        connection = Connection(service)
        await until_ready(connection)
    connection.close()
    readings = [await read(service)]
    await asyncio.sleep(plan.seconds)
    readings.append(await read(service))
    asked = await load(service, plan)
    readings.append(await read(service))
    return {
        "quiet": readings[1].since(readings[0]),
        "loaded": {**readings[2].since(readings[1]), **asked},
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure what load on the API does to probes.")
    parser.add_argument("--trunks", type=int, default=100_000)
    parser.add_argument("--interval", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--flapping", type=int, default=5_000)
    parser.add_argument("--flap-interval", type=float, default=5.0, metavar="SECONDS")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20.0, help="with and without load, each")
    options = parser.parse_args(words)
    plan = Plan(
        trunks=options.trunks,
        interval_seconds=options.interval,
        flapping=options.flapping,
        flap_seconds=options.flap_interval,
        connections=options.connections,
        seconds=options.seconds,
    )
    end_on_sigterm()
    cores = Cores.of_this_machine()
    port = free_port()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "trunkpulse.toml"
        write_configuration(file, plan, port)
        far_side = python("benchmarks.flapping", "--port", port)
        service = python("trunkpulse", "serve", "--config", file, "--data", folder)
        with (
            running(far_side, core=cores.answering) as responder,
            running(service, core=cores.probing, errors=folder / "log"),
        ):
            assert responder.stdout is not None
            responder.stdout.readline()  # it listens
            print(json.dumps(asyncio.run(measure(plan, folder)), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
