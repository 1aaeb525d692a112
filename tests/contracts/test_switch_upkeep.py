"""Switches of every kind are kept as they should be: restarted, meddled with, told of a change.

No time passes in these tests: a round is asked for, and has ended when the answer comes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace

import pytest

from contracts.switch_benches import BENCHES, SwitchBench
from trunkpulse.adapters.clock import SystemClock
from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.model import TargetState, TrunkState
from trunkpulse.sip.uri import SipUri
from trunkpulse.switching.loop import SwitchLoop
from trunkpulse.switching.report import LinkState
from trunkpulse.switching.standing import TargetStanding, TrunkStanding

SETTINGS = SwitchSettings(
    id="bench",
    type=SwitchType.FREESWITCH,
    url=SwitchUrl("tcp", "127.0.0.1", 8021),
    interval_seconds=3600,
)


class TwoTrunks:
    """One trunk for each way out of a bench."""

    def __init__(self, bench: SwitchBench) -> None:
        self._up: dict[str, bool] = {}
        self._uris = {}
        for key in (bench.first, bench.second):
            name, uri = (key.replace(" ", "-"), key.split(" ")[-1]) if " " in key else (key, "")
            self._uris[name] = str(SipUri.parse(uri or "sip:192.0.2.99"))
            self._up[name] = True
        self.first, self.second = self._up

    def change(self, name: str, *, up: bool) -> None:
        self._up[name] = up

    def ids(self) -> Iterable[str]:
        return self._up

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        up = self._up[trunk_id]
        target = TargetState.AVAILABLE if up else TargetState.DOWN
        return TrunkStanding(
            TrunkState.AVAILABLE if up else TrunkState.DOWN,
            in_service=True,
            targets=(TargetStanding(self._uris[trunk_id], None, target),),
        )


@pytest.fixture(params=sorted(BENCHES))
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[SwitchBench]:
    made = BENCHES[request.param]()
    await made.start()
    try:
        yield made
    finally:
        await made.stop()


@pytest.fixture
def trunks(bench: SwitchBench) -> TwoTrunks:
    return TwoTrunks(bench)


@pytest.fixture
async def loop(bench: SwitchBench, trunks: TwoTrunks) -> AsyncIterator[SwitchLoop]:
    made = a_loop(SETTINGS, bench, trunks)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run())
        yield made
        running.cancel()


def a_loop(settings: SwitchSettings, bench: SwitchBench, trunks: TwoTrunks) -> SwitchLoop:
    return SwitchLoop(settings, bench.switch(), trunks, clock=SystemClock(), rng=random.Random(7))


async def test_a_trunk_that_dies_and_comes_back_does_so_in_the_switch(
    bench: SwitchBench, trunks: TwoTrunks, loop: SwitchLoop
) -> None:
    for up in (False, True, False):
        trunks.change(trunks.first, up=up)
        await loop.sync()
        assert bench.goes_to(bench.first) is up
        assert bench.goes_to(bench.second) is True
    assert loop.report().in_sync
    assert loop.report().drifts == 0


async def test_one_that_is_restarted_is_right_again_after_the_next_round(
    bench: SwitchBench, trunks: TwoTrunks, loop: SwitchLoop
) -> None:
    trunks.change(trunks.first, up=False)
    await loop.sync()
    await bench.restart()
    await loop.sync()
    assert bench.goes_to(bench.first) is False
    assert bench.goes_to(bench.second) is True
    assert loop.report().failures == 0


async def test_one_that_is_gone_is_said_to_be_and_right_when_it_is_back(
    bench: SwitchBench, trunks: TwoTrunks, loop: SwitchLoop
) -> None:
    await loop.sync()
    await bench.stop()
    trunks.change(trunks.second, up=False)
    await loop.sync()
    assert loop.report().link is LinkState.UNREACHABLE
    await bench.start()
    await loop.sync()
    assert loop.report().link is LinkState.CONNECTED
    assert bench.goes_to(bench.second) is False


async def test_what_a_hand_changes_is_seen_and_put_right(
    bench: SwitchBench, trunks: TwoTrunks, loop: SwitchLoop
) -> None:
    await loop.sync()
    bench.set_by_hand(bench.first, up=False)
    await loop.sync()
    assert bench.goes_to(bench.first) is True
    assert loop.report().drifts == 1


async def test_a_dry_run_writes_nothing(bench: SwitchBench, trunks: TwoTrunks) -> None:
    before = bench.goes_to(bench.first)
    trunks.change(trunks.first, up=False)
    made = a_loop(replace(SETTINGS, dry_run=True), bench, trunks)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(made.run())
        await made.sync()
        assert bench.goes_to(bench.first) is before
        assert not made.report().in_sync
        running.cancel()
