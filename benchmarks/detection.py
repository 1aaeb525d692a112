"""How long it takes until an outage is known: the default settings beside a plain 3 x 30 s.

One service, real sockets. Some trunks have the default settings, as many the settings that a
scheme without confirmation comes to (an attempt every 30 s, whatever the last one said). Their
probes are spread over the interval, so when the far sides of all are cut off at one moment, each
is at another point of its round, and the worst of them is near the worst there can be. Half fall
silent, half refuse. Many more trunks stay up, as in a real outage. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.engine import EMPTY
from benchmarks.farside import ANSWERED, SILENT, FarSide, numbered_uri
from benchmarks.kamailio import moment_of_inactive
from benchmarks.processes import NotMeasured, end_on_sigterm, only_warnings
from trunkpulse.app import loop_factory, running
from trunkpulse.model import KeepalivePolicy, StateChange, Trunk, TrunkState

__all__ = ["DETECTION_SECONDS", "Detected", "detected_of"]

DEFAULT = KeepalivePolicy()
PLAIN = KeepalivePolicy(confirm_interval_seconds=30.0, down_interval_seconds=30.0)
TRUNKS_PER_GROUP = 100
HEALTHY_TRUNKS = 1_600
"""Four times as many as are cut off."""
WARM_UP_SECONDS = 50.0
"""A round of 30 s and whatever confirms it; see ``Watched``."""
PATIENCE_SECONDS = 110.0
"""The plain scheme takes 31.5 + 30 + 30 + 4 s at worst, everything with its jitter."""
DETECTION_SECONDS = 15.0 + WARM_UP_SECONDS + PATIENCE_SECONDS
"""The whole, at most."""
KAMAILIO_SECONDS = 165.0
"""It gives up each ping after 30 s, so three take 120 s, and the first is sent after 30 s."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """How long outages of one kind took to be known under one policy."""

    trunks: int
    missed: int
    worst_seconds: float
    median_seconds: float


def detected_of(cut: float, downs: Sequence[float | None]) -> Detected:
    """From the moment of the cut and each trunk's moment of DOWN (None: never)."""
    known = sorted(moment - cut for moment in downs if moment is not None)
    return Detected(
        trunks=len(downs),
        missed=len(downs) - len(known),
        worst_seconds=known[-1] if known else 0.0,
        median_seconds=known[len(known) // 2] if known else 0.0,
    )


class Downs:
    """When each trunk became AVAILABLE, and when DOWN, as it was recorded."""

    def __init__(self) -> None:
        self.available: set[str] = set()
        self.down: dict[str, float] = {}
        self.stirred = asyncio.Event()

    def note(self, changes: Sequence[StateChange]) -> None:
        now = time.monotonic()
        for change in changes:
            if change.state is TrunkState.DOWN:
                self.down.setdefault(change.trunk_id, now)
            elif change.state is TrunkState.AVAILABLE:
                self.available.add(change.trunk_id)
        self.stirred.set()

    async def until(self, count: int, among: str) -> None:
        """Return once so many trunks are in the set ``available`` or ``down``."""
        while len(getattr(self, among)) < count:
            self.stirred.clear()
            await self.stirred.wait()


def group(name: str, policy: KeepalivePolicy, count: int, port: int) -> Iterator[Trunk]:
    """So many trunks of one policy, at one far side."""
    for number in range(count):
        yield Trunk(
            id=f"{name}-{number}",
            name=f"{name} {number}",
            carrier=name,
            targets=(numbered_uri(number, port),),
            keepalive=policy,
        )


async def measure(folder: Path) -> dict[str, dict[str, Detected]]:
    """Detection by policy and by kind of outage."""
    cut_off = False
    healthy = FarSide(lambda _number, _request: ANSWERED)
    silent = FarSide(lambda _number, _request: SILENT if cut_off else ANSWERED)
    refusing = FarSide(lambda _number, _request: ANSWERED)
    groups = {
        ("default", "blackholed"): (DEFAULT, silent.port),
        ("default", "refused"): (DEFAULT, refusing.port),
        ("plain", "blackholed"): (PLAIN, silent.port),
        ("plain", "refused"): (PLAIN, refusing.port),
    }
    trunks = list(group("healthy", DEFAULT, HEALTHY_TRUNKS, healthy.port))
    for names, (policy, port) in groups.items():
        trunks += group("-".join(names), policy, TRUNKS_PER_GROUP, port)
    # Neighbours in this order have neighbouring turns: mixed, each group is all round the clock.
    trunks.sort(key=lambda trunk: int(trunk.id.rpartition("-")[2]) / share(trunk))
    downs = Downs()
    give_up = threading.Event()
    peer = asyncio.create_task(kamailio_detects(give_up))
    async with running(EMPTY, folder) as instance:
        instance.node.listen(downs.note)
        await instance.node.apply(replace(EMPTY, trunks=tuple(trunks)))
        async with asyncio.timeout(WARM_UP_SECONDS + DEFAULT.interval_seconds):
            await downs.until(len(trunks), "available")
        cut, cut_off = time.monotonic(), True
        refusing.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await downs.until(len(groups) * TRUNKS_PER_GROUP, "down")
        except TimeoutError:
            pass  # what was missed is part of the result
        found: dict[str, dict[str, Detected]] = {}
        for names in groups:
            moments = [
                downs.down.get(f"{'-'.join(names)}-{number}") for number in range(TRUNKS_PER_GROUP)
            ]
            found.setdefault(names[0], {})[names[1]] = detected_of(cut, moments)
    healthy.close()
    silent.close()
    theirs = await peer
    if theirs is not None:
        found["Kamailio"] = {"blackholed": theirs}
    return found


async def kamailio_detects(give_up: threading.Event) -> Detected | None:
    """Kamailio's dispatcher, every 30 s and three failures; None if there is none here.

    Its far side answers one ping and no other: the outage begins where it is seen last.
    """
    cuts: list[float] = []

    def behaviour(_number: int, _request: bytes) -> int:
        if cuts:
            return SILENT
        cuts.append(time.monotonic())
        return ANSWERED

    far_side = FarSide(behaviour)
    watching = asyncio.to_thread(moment_of_inactive, numbered_uri(0, far_side.port), give_up)
    try:
        async with asyncio.timeout(KAMAILIO_SECONDS):
            moment = await watching
    except (NotMeasured, TimeoutError):
        return None
    finally:
        give_up.set()  # the thread ends, and with it what it started
        far_side.close()
    return detected_of(cuts[0], [moment]) if cuts else None


def share(trunk: Trunk) -> int:
    return HEALTHY_TRUNKS if trunk.carrier == "healthy" else TRUNKS_PER_GROUP


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    end_on_sigterm()
    only_warnings()
    with (
        TemporaryDirectory(prefix="trunkpulse-") as folder,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        found = runner.run(measure(Path(folder)))
    by_name = {
        policy: {kind: asdict(each) for kind, each in kinds.items()}
        for policy, kinds in found.items()
    }
    print(json.dumps(by_name))
    return 0


if __name__ == "__main__":
    sys.exit(main())
