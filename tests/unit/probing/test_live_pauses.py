"""While calls prove a target alive its keepalives pause, and never for longer than the proof."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkpulse.model import FailureKind, TargetState
from trunkpulse.probing.attempt import Attempt
from trunkpulse.probing.live import MOST_PAUSED_INTERVALS, MOST_REPORTED_INTERVALS
from trunkpulse.probing.target import ProbeTarget
from unit.probing.probed import NEXT_SECONDS, Bench
from virtual_time import run_virtual

URI = "sip:192.0.2.1"
INTERVAL = 30.0


class Called(Bench):
    """A bench whose target is well and has calls."""

    def __init__(self) -> None:
        super().__init__(URI)
        self.calls = 1
        self.prober.calls_up = lambda _: self.calls
        self.target.state = TargetState.AVAILABLE

    @property
    def target(self) -> ProbeTarget:
        return self.targets[0]

    def arrive_now(self) -> None:
        """The last attempt is answered."""
        self.arrive(self.answer_to(len(self.wire.sent) - 1))
        self.target.last_success = self.clock.monotonic()  # as the pipeline does

    def prove(self) -> None:
        self.target.witness().proved_at = self.clock.monotonic()

    async def begin(self) -> None:
        """A first keepalive is answered."""
        self.prober.spread(self.targets)
        await self.clock.advance(0.1)
        self.arrive_now()

    def sent_at(self) -> list[float]:
        """When the last attempt began, and how many there were."""
        return [self.target.started, len(self.wire.sent)]


def test_a_keepalive_is_put_off_by_an_interval_from_each_proof() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        await bench.clock.advance(20)
        bench.prove()
        proved = bench.clock.monotonic()
        assert bench.prober.pauses(bench.target)
        assert bench.prober.next_attempt(bench.target) == proved + INTERVAL
        await bench.clock.advance(INTERVAL - 0.1)
        assert len(bench.wire.sent) == 1
        await bench.clock.advance(0.2)
        assert bench.sent_at() == [pytest.approx(proved + INTERVAL, abs=0.05), 2]
        assert not bench.prober.pauses(bench.target)

    run_virtual(story)


def test_while_proofs_keep_coming_there_is_none_and_after_the_last_one_there_is() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        for _ in range(20):
            await bench.clock.advance(10)
            bench.prove()
        assert len(bench.wire.sent) == 1
        await bench.clock.advance(INTERVAL + 0.1)
        assert len(bench.wire.sent) == 2

    run_virtual(story)


@pytest.mark.parametrize(
    ("reported", "most"), [(False, MOST_PAUSED_INTERVALS), (True, MOST_REPORTED_INTERVALS)]
)
def test_no_keepalive_is_put_off_for_longer_than_the_ceiling(reported: bool, most: int) -> None:  # noqa: FBT001
    async def story() -> None:
        bench = Called()
        await bench.begin()
        answered_at = bench.target.started
        for turn in (1, 2):
            while len(bench.wire.sent) == turn:
                assert bench.clock.monotonic() < answered_at + most * INTERVAL + 1
                live = bench.target.witness()
                if reported:
                    live.reported_at = bench.clock.monotonic()
                else:
                    live.proved_at = bench.clock.monotonic()
                await bench.clock.advance(0.5)
            assert bench.target.started == pytest.approx(answered_at + most * INTERVAL, abs=0.05)
            bench.arrive_now()  # and from here the next ceiling counts
            answered_at = bench.target.started

    run_virtual(story)


@pytest.mark.parametrize("remembered", [True, False])
def test_the_ceiling_counts_from_an_answer_and_not_from_a_probe(remembered: bool) -> None:  # noqa: FBT001
    async def story() -> None:
        bench = Called()
        await bench.begin()
        most = bench.target.started + MOST_PAUSED_INTERVALS * INTERVAL
        bench.prober.probe_at(bench.target, most - 20)
        await bench.clock.advance(most - 25 - bench.clock.monotonic())
        if remembered:
            bench.prove()
        bench.prober.probe_at(bench.target, most - 20)
        await bench.clock.advance(15)
        assert bench.prober.counts.timeouts == 1
        failed_at = bench.clock.monotonic()
        bench.target.remember(Attempt(failed_at, None, FailureKind.TIMEOUT, "silence", None))
        bench.prove()
        assert bench.target.witness().rests_until(bench.target, lambda _: 1) <= most

    run_virtual(story)


def test_a_probe_that_was_asked_for_leaves_although_its_first_proof_comes_while_it_waits() -> None:
    async def story() -> None:
        bench = Called()
        settings = bench.target.settings
        policy = replace(settings.policy, minimum_interval_seconds=10.0)
        bench.target.settings = replace(settings, policy=policy)
        await bench.begin()
        bench.prober.probe_at(bench.target, bench.clock.monotonic())
        await bench.clock.advance(5)
        bench.prove()
        await bench.clock.advance(6)
        assert bench.prober.counts.attempts == 2

    run_virtual(story)


def test_once_the_calls_have_ended_the_next_keepalive_is_within_an_interval() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        for _ in range(6):
            await bench.clock.advance(10)
            bench.prove()
        bench.calls = 0
        ended = bench.clock.monotonic()
        await bench.clock.advance(INTERVAL + 0.1)
        assert bench.prober.counts.attempts == 2
        assert ended < bench.target.started <= ended + INTERVAL
        bench.prove()  # of a call that has ended
        assert not bench.prober.pauses(bench.target)

    run_virtual(story)


@pytest.mark.parametrize("state", [TargetState.DOWN, TargetState.UNKNOWN])
def test_only_a_target_that_is_available_pauses(state: TargetState) -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        bench.target.state = state
        bench.prove()
        await bench.clock.advance(NEXT_SECONDS + 0.1)
        assert len(bench.wire.sent) == 2

    run_virtual(story)


def test_a_target_with_a_failure_behind_it_does_not_pause() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        bench.target.run = bench.target.run._replace(failures=1)
        bench.prove()
        assert not bench.prober.pauses(bench.target)
        await bench.clock.advance(NEXT_SECONDS + 0.1)
        assert len(bench.wire.sent) == 2

    run_virtual(story)


def test_whoever_does_not_want_it_has_no_pause() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        settings = bench.target.settings
        policy = replace(settings.policy, pause_on_active_calls=False)
        bench.target.settings = replace(settings, policy=policy)
        bench.prove()
        await bench.clock.advance(NEXT_SECONDS + 0.1)
        assert len(bench.wire.sent) == 2

    run_virtual(story)


def test_a_probe_that_somebody_asks_for_leaves_all_the_same_and_the_next_pauses_again() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        bench.prove()
        bench.prober.probe_at(bench.target, bench.clock.monotonic())
        await bench.clock.advance(0.05)
        assert len(bench.wire.sent) == 2
        bench.arrive(bench.answer_to(1))
        await bench.clock.advance(20)
        bench.prove()
        await bench.clock.advance(NEXT_SECONDS - 1)
        assert len(bench.wire.sent) == 2

    run_virtual(story)


def test_a_target_whose_calls_are_long_gone_is_as_ordinary_as_before() -> None:
    async def story() -> None:
        bench = Called()
        await bench.begin()
        assert bench.target.rarities is None
        bench.prove()
        bench.calls = 0
        await bench.clock.advance(2 * NEXT_SECONDS)
        bench.arrive(bench.answer_to(1))
        await bench.clock.advance(NEXT_SECONDS)
        assert bench.target.live is None
        assert not bench.target.rarities  # nor anything else that takes room
        assert bench.target.address == ("192.0.2.1", 5060)

    run_virtual(story)
