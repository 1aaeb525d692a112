"""What the watchdog finds, counts and says."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from trunkpulse.probing.pacing import Paces
from trunkpulse.probing.sight import Sight
from trunkpulse.probing.watchdog import BEATS, LOOK_SECONDS, Watchdog
from unit.probing.probed import Wire
from virtual_time import VirtualClock, VirtualTimeLoop, run_virtual

BEAT_SECONDS = LOOK_SECONDS / BEATS


@dataclass
class Waiting:
    """The turns of the prober, as far as the watchdog asks about them."""

    seconds: float = 0.0

    def overdue_seconds(self) -> float:
        return self.seconds


@dataclass
class Kennel:
    """A watchdog and all that it watches."""

    clock: VirtualClock
    wires: list[Wire] = field(default_factory=lambda: [Wire()])
    turns: Waiting = field(default_factory=Waiting)
    paces: Paces = field(default_factory=Paces)

    def __post_init__(self) -> None:
        self.sight = Sight(self.clock)
        self.dog = Watchdog(
            clock=self.clock,
            sight=self.sight,
            turns=self.turns,
            paces=self.paces,
            transports=lambda: self.wires,
        )
        self.dog.look()

    async def look_after(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        self.dog.look()


def watching(scene: Callable[[Kennel], Awaitable[None]]) -> None:
    async def main() -> None:
        await scene(Kennel(VirtualClock()))

    run_virtual(main)


def test_a_loop_that_runs_on_time_is_no_stall() -> None:
    async def scene(kennel: Kennel) -> None:
        with capture_logs() as lines:
            running = asyncio.create_task(kennel.dog.run())
            await kennel.clock.advance(3600.0)
            running.cancel()
        assert kennel.dog.counts.stalls == 0
        assert lines == []

    watching(scene)


def test_a_late_look_is_a_stall_and_blinds() -> None:
    async def scene(kennel: Kennel) -> None:
        started = kennel.clock.monotonic()
        with capture_logs() as lines:
            await kennel.look_after(BEAT_SECONDS + 8.0)
        assert kennel.dog.counts.stalls == 1
        assert round(kennel.dog.counts.stall_seconds_max, 6) == 8.0
        assert [(line["event"], line["seconds"]) for line in lines] == [("watchdog.stall", 8.0)]
        await kennel.look_after(LOOK_SECONDS)
        now = kennel.clock.monotonic()
        assert kennel.sight.blind_since(kennel.wires[0], started, now) is not None
        assert kennel.dog.counts.stalls == 1

    watching(scene)


def test_a_stall_is_measured_from_when_the_loop_ran_last_not_from_the_look_it_missed() -> None:
    async def scene(kennel: Kennel) -> None:
        running = asyncio.create_task(kennel.dog.run())
        await kennel.clock.advance(10 * LOOK_SECONDS + 0.01)  # just after a look
        with capture_logs() as lines:
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop.advance(5.0)  # and nothing runs meanwhile
            await kennel.clock.advance(LOOK_SECONDS)
        running.cancel()
        (stall,) = lines
        assert stall["event"] == "watchdog.stall"
        assert 5.0 - BEAT_SECONDS <= stall["seconds"] <= 5.0

    watching(scene)


def test_a_step_of_the_wall_clock_is_counted_and_nothing_else() -> None:
    async def scene(kennel: Kennel) -> None:
        for step in (3600.0, -7200.0):
            kennel.clock.step_wall(step)
            with capture_logs() as lines:
                await kennel.look_after(LOOK_SECONDS)
            assert [(line["event"], line["seconds"]) for line in lines] == [
                ("watchdog.clock_step", step)
            ]
        assert kennel.dog.counts.clock_steps == 2
        assert kennel.dog.counts.stalls == 0
        assert kennel.sight.suspensions == 0

    watching(scene)


def test_a_slewed_clock_is_no_step() -> None:
    async def scene(kennel: Kennel) -> None:
        with capture_logs() as lines:
            for _ in range(10_000):
                kennel.clock.step_wall(0.0005 * LOOK_SECONDS)
                await kennel.look_after(LOOK_SECONDS)
        assert kennel.dog.counts.clock_steps == 0
        assert lines == []

    watching(scene)


def test_a_suspended_machine_is_no_step_of_the_clock() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.clock.sleep_through(600.0)
        with capture_logs() as lines:
            await kennel.look_after(LOOK_SECONDS)
        assert [(line["event"], line["seconds"]) for line in lines] == [
            ("watchdog.suspended", 600.0)
        ]
        assert kennel.sight.suspensions == 1
        assert kennel.dog.counts.clock_steps == 0

    watching(scene)


def test_a_suspension_that_a_time_out_noticed_first_is_logged_all_the_same() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.clock.sleep_through(600.0)
        now = kennel.clock.monotonic()
        kennel.sight.blind_since(kennel.wires[0], now - 1.0, now)
        with capture_logs() as lines:
            await kennel.look_after(LOOK_SECONDS)
        assert [line["event"] for line in lines] == ["watchdog.suspended"]
        assert kennel.sight.suspensions == 1

    watching(scene)


def test_drops_of_all_sockets_are_counted_and_remarked_on_for_a_minute() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.wires.append(Wire())
        kennel.wires[0].dropped, kennel.wires[1].dropped = 3, 4
        with capture_logs() as lines:
            await kennel.look_after(LOOK_SECONDS)
            kennel.wires[1].dropped += 10
            await kennel.look_after(LOOK_SECONDS)
        assert kennel.sight.drops == 17
        assert [(line["event"], line["datagrams"]) for line in lines] == [("watchdog.drops", 7)]
        assert kennel.dog.remarks()[0].startswith("The kernel dropped 17 datagrams")
        await kennel.look_after(61.0)
        assert kennel.dog.remarks() == []

    watching(scene)


def test_drops_of_a_socket_that_is_gone_stay_counted() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.wires[0].dropped = 5
        await kennel.look_after(LOOK_SECONDS)
        kennel.wires[:] = [Wire(dropped=2)]
        await kennel.look_after(LOOK_SECONDS)
        assert kennel.sight.drops == 7

    watching(scene)


def test_overdue_probes_are_told_at_the_moment_of_the_question() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.turns.seconds = 7.5
        assert kennel.dog.overdue_seconds() == 7.5

    watching(scene)


def test_a_cap_that_delays_is_logged_once_a_minute_and_remarked_on() -> None:
    async def scene(kennel: Kennel) -> None:
        kennel.paces.change(None, {"acme": 1.0})
        acme = kennel.paces.of("acme")
        assert acme is not None
        for _ in range(600):
            acme.reserve(kennel.clock.monotonic())
        with capture_logs() as lines:
            for _ in range(240):
                await kennel.look_after(LOOK_SECONDS)
        delays = [line["problem"] for line in lines if line["event"] == "pacing.delays"]
        assert len(delays) == 2
        assert delays[0].startswith('probes of carrier "acme" are delayed by ')
        assert kennel.dog.remarks()[0].startswith('Probes of carrier "acme" are delayed by ')
        await kennel.look_after(700.0)
        assert kennel.dog.remarks() == []

    watching(scene)
