"""Trunkpulse itself under load: the node that the service runs, on a store in memory.

Run as a process of its own, so that its CPU time is its own. Each target is a trunk, so every one
has a state that is kept, put on the board and recorded. What is measured starts when all trunks
are AVAILABLE. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import json
import logging
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

import structlog

from benchmarks.load import Load, Measurement, target_uri
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.resolver import SystemResolver
from trunkpulse.adapters.network.udp import UdpTransport
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.app import loop_factory
from trunkpulse.config.settings import Config, InstanceSettings
from trunkpulse.model import (
    EventStream,
    KeepalivePolicy,
    ProbeIdentity,
    StateChange,
    Trunk,
    TrunkState,
)
from trunkpulse.node import Node, Outside
from trunkpulse.ports import Address, EventSink, MessageReceiver, TransportPlan
from trunkpulse.probing.schedule import TimingWheel
from trunkpulse.probing.target import ProbeTarget

WARM_UP_INTERVALS = 4
"""After so many, every trunk has been AVAILABLE for long, or something is broken."""
GRACE_SECONDS = 0.5
"""For the answers that are on their way when the measuring ends."""
STOP_SECONDS = 10.0
LOOPBACK = "127.0.0.1"


class MeasuredWheel(TimingWheel[ProbeTarget]):
    """A wheel that notes how late each tick was handed out, and how many were due."""

    __slots__ = ("noted",)

    def __init__(self) -> None:
        super().__init__(time.monotonic())
        self.noted: list[tuple[float, int]] = []

    def take(self, now: float) -> tuple[float, list[ProbeTarget]] | None:
        taken = super().take(now)
        if taken is not None:
            moment, due = taken
            self.noted.append((now - moment, len(due)))
        return taken

    def quantile(self, share: float) -> float:
        """The lateness in seconds that this share of the probes did not exceed."""
        left = share * sum(count for _, count in self.noted)
        for lateness, count in sorted(self.noted):
            left -= count
            if left <= 0:
                return lateness
        return 0.0


def no_sink(stream: EventStream) -> EventSink:
    raise ValueError(f"the benchmark has no event streams, and yet there is {stream.id}")


def loopback(_destination: Address | None) -> str:
    return LOOPBACK


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


def when_all_available(node: Node, load: Load) -> asyncio.Event:
    """Set once every trunk is AVAILABLE and that is recorded."""
    event = asyncio.Event()
    available = 0

    def count(changes: Sequence[StateChange]) -> None:
        nonlocal available
        for change in changes:
            available += change.state is TrunkState.AVAILABLE
            available -= change.previous_state is TrunkState.AVAILABLE
        if available == load.targets:
            event.set()

    node.listen(count)
    return event


async def measure(load: Load, port: int, profile: cProfile.Profile | None) -> Measurement:
    """Warm up, then probe for ``load.seconds``."""
    clock = SystemClock()

    def open_transport(plan: TransportPlan, receiver: MessageReceiver) -> UdpTransport:
        return UdpTransport.open(plan.local, receiver, clock, receive_buffer_bytes=64 * 1024 * 1024)

    outside = Outside(
        clock=clock,
        store=MemoryStore(),
        resolver=SystemResolver(),
        open_transport=open_transport,
        address_towards=loopback,
        sink_for=no_sink,
        rng=random.Random(1),
    )
    config = Config(instance=InstanceSettings(id="benchmark"), trunks=trunks(load, port))
    async with asyncio.TaskGroup() as tasks:
        node = Node(config, outside, tasks)
        prober = node.roster.prober
        # How late each probe was is told by the wheel alone; the prober keeps only the worst.
        prober._wheel = wheel = MeasuredWheel()  # noqa: SLF001
        warm = when_all_available(node, load)
        await node.start()
        async with asyncio.timeout(WARM_UP_INTERVALS * load.interval_seconds):
            await warm.wait()
        counts = prober.counts
        wheel.noted.clear()
        before, lost_before = counts.attempts, counts.timeouts + counts.network_errors
        retransmissions = counts.retransmissions
        cpu = time.process_time()
        if profile is not None:
            profile.enable()
        await asyncio.sleep(load.seconds)
        if profile is not None:
            profile.disable()
        cpu = time.process_time() - cpu
        prober.close()
        sent, retransmissions = counts.attempts - before, counts.retransmissions - retransmissions
        await asyncio.sleep(GRACE_SECONDS)
        ended = counts.answers + counts.timeouts + counts.network_errors
        lost = counts.timeouts + counts.network_errors - lost_before + counts.attempts - ended
        await node.stop(STOP_SECONDS)
    return Measurement(
        sent=sent,
        answered=sent - lost,
        cpu_seconds=cpu,
        retransmissions=retransmissions,
        lateness_p50_seconds=wheel.quantile(0.5),
        lateness_p99_seconds=wheel.quantile(0.99),
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure trunkpulse against a responder.")
    parser.add_argument("--port", type=int, required=True, help="the responder's UDP port")
    parser.add_argument("--targets", type=int, default=1_000)
    parser.add_argument("--interval", type=float, default=1.0, metavar="SECONDS")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured, after a warm-up")
    parser.add_argument("--profile", metavar="FILE", help="write cProfile's findings there")
    options = parser.parse_args(words)
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    profile = cProfile.Profile() if options.profile else None
    load = Load(options.targets, options.interval, options.seconds)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        measurement = runner.run(measure(load, options.port, profile))
    if profile is not None:
        profile.dump_stats(options.profile)
    print(json.dumps(asdict(measurement)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
