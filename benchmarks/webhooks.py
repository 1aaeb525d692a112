"""From a verdict to the webhook's request received, at 100 changes of state a second.

``trunkpulse serve`` is on one core, its carriers and the receiver of its webhooks on the other.
Each carrier answers 200 and 503 in turns, so its trunk goes up and down at a known pace. An event
says when it was decided; the wall clock of the same machine says when it came. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.farside import ANSWERED, REJECTED, FarSide, numbered_uri
from benchmarks.processes import end_on_sigterm
from benchmarks.serving import HEAD, quantile, serving

CHANGES_PER_SECOND = 100
SECONDS_PER_CHANGE = 5.0
"""Of one trunk."""
TRUNKS = round(CHANGES_PER_SECOND * SECONDS_PER_CHANGE)
START_SECONDS = 30.0
SETTLING_SECONDS = 4.0
"""The first states of all trunks are told as fast as may be; they are not what is measured."""
LAST_SECONDS = 5.0
"""So long an event may take before it counts as lost."""

KEEPALIVE = """
[keepalive]
interval_seconds = 1
confirm_interval_seconds = 1
down_interval_seconds = 1
max_failed_attempts = 1
min_successful_attempts = 1
"""
TRUNK = """
[[trunks]]
id = "trunk-{number}"
targets = ["{uri}"]
"""
STREAM = """
[[event_streams]]
id = "bench"
reason_codes = ["*"]
[event_streams.destination]
type = "webhook"
url = "{url}"
"""


class Receiver:
    """Takes webhooks; for each event, when it was decided and how long until it came."""

    def __init__(self) -> None:
        self.came: dict[str, tuple[float, float]] = {}
        """By event id: the moment of the verdict (wall-clock seconds), and seconds until here."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer 200 to every request of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
                body = await reader.readexactly(length)
                now = time.time()
                event = json.loads(body)
                decided = event["timestamp"] / 1000
                self.came.setdefault(event["metadata"]["eventId"], (decided, now - decided))
                writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the service has ended
        finally:
            writer.close()


def behaviour(started: float, number: int) -> int:
    """Up and down in turns, each carrier at a moment of its own."""
    turn = (time.monotonic() - started + number / CHANGES_PER_SECOND) // SECONDS_PER_CHANGE
    return ANSWERED if turn % 2 else REJECTED


async def measure(core: int | None, seconds: float) -> dict[str, float]:
    """Run the service for so long; quantiles in seconds."""
    started = time.monotonic()
    far_side = FarSide(lambda number, _request: behaviour(started, number))
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    with TemporaryDirectory(prefix="trunkpulse-") as name:
        file = Path(name) / "trunks.toml"
        trunks = [
            TRUNK.format(number=number, uri=numbered_uri(number, far_side.port))
            for number in range(TRUNKS)
        ]
        file.write_text("\n".join([HEAD, KEEPALIVE, STREAM.format(url=url), *trunks]))
        service = serving(file, Path(name) / "data", core, START_SECONDS)
        await asyncio.to_thread(service.__enter__)
        try:
            await asyncio.sleep(SETTLING_SECONDS)
            first = time.time()
            await asyncio.sleep(seconds)
            last = time.time()
            await asyncio.sleep(LAST_SECONDS)
        finally:
            await asyncio.to_thread(service.__exit__, None, None, None)
        told = events_between(Path(name) / "data" / "trunkpulse.db", first, last)
    far_side.close()
    server.close()
    return findings(receiver.came, told, last - first)


def events_between(database: Path, first: float, last: float) -> list[str]:
    """Ids of the events that were recorded as decided in this time."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        query = "SELECT event_id FROM events WHERE at_ms >= ? AND at_ms < ?"
        return [row[0] for row in connection.execute(query, (first * 1000, last * 1000))]


def findings(
    came: Mapping[str, tuple[float, float]], told: Sequence[str], seconds: float
) -> dict[str, float]:
    """What became of the events ``told`` in so many seconds."""
    took = [came[event_id][1] for event_id in told if event_id in came]
    return {
        "changes_per_second": len(told) / seconds,
        "lost": len(told) - len(took),
        "p50_seconds": quantile(took, 0.5),
        "p99_seconds": quantile(took, 0.99),
    }


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int, help="where the service runs")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args(words)
    end_on_sigterm()
    print(json.dumps(asyncio.run(measure(options.core, options.seconds))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
