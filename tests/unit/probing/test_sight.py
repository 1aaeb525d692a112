"""When a time-out says nothing because we could not have heard an answer, and when it does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from trunkpulse.probing.sight import FORGIVEN_SECONDS, PAUSE_SECONDS, Sight
from unit.probing.probed import Wire
from virtual_time import VirtualClock, run_virtual

TIMEOUT_SECONDS = 4.0


def seeing(scene: Callable[[VirtualClock, Sight, Wire], Awaitable[None]]) -> None:
    """Play a scene with a clock, what looks, and a socket."""

    async def main() -> None:
        clock = VirtualClock()
        await scene(clock, Sight(clock), Wire())

    run_virtual(main)


def test_a_time_out_while_all_was_well_counts() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        assert sight.blind_since(wire, started, clock.monotonic()) is None

    seeing(scene)


def test_a_stall_over_the_time_of_the_attempt_voids_it() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        sight.stalled(started + 1.0, started + 3.0)
        said = sight.blind_since(wire, started, clock.monotonic())
        assert said == "the event loop stood still for 2.0 s"

    seeing(scene)


def test_only_the_part_of_a_stall_that_falls_into_the_attempt_counts() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        sight.stalled(started - 10.0, started + 0.5)
        assert sight.blind_since(wire, started, clock.monotonic()) is None
        sight.stalled(started + 2.0, started + 2.6)
        assert sight.blind_since(wire, started, clock.monotonic()) is not None

    seeing(scene)


def test_a_stall_that_ended_before_the_attempt_voids_nothing() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        sight.stalled(clock.monotonic() - 9.0, clock.monotonic() - 1.0)
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        assert sight.blind_since(wire, started, clock.monotonic()) is None

    seeing(scene)


def test_a_stall_that_the_watchdog_has_not_seen_yet_voids_too() -> None:
    """The timers of attempts may come before the watchdog's when a stopped process continues."""

    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        sight.looking(started + 0.5)
        await clock.advance(10.0)
        said = sight.blind_since(wire, started, clock.monotonic())
        assert said == "the event loop stood still for 10.0 s"

    seeing(scene)


def test_a_look_that_is_a_little_late_is_no_stall() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(0.5)
        sight.looking(clock.monotonic() + 0.5)
        await clock.advance(0.9)
        assert sight.blind_since(wire, started, clock.monotonic()) is None

    seeing(scene)


def test_a_suspended_machine_voids_what_was_under_way() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(1.0)
        clock.sleep_through(3600.0)
        await clock.advance(3.0)
        said = sight.blind_since(wire, started, clock.monotonic())
        assert said == "the machine was suspended"
        assert sight.suspensions == 1
        assert sight.slept_seconds == 3600.0
        begun_later = clock.monotonic() + 0.1
        await clock.advance(4.1)
        assert sight.blind_since(wire, begun_later, clock.monotonic()) is None

    seeing(scene)


def test_a_step_of_the_wall_clock_blinds_nobody() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        clock.step_wall(-3600.0)
        await clock.advance(TIMEOUT_SECONDS)
        assert sight.blind_since(wire, started, clock.monotonic()) is None

    seeing(scene)


def test_drops_during_the_attempt_void_it() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        sight.lost(wire, 0, clock.monotonic())
        started = clock.monotonic() + 1.0
        await clock.advance(5.0)
        wire.dropped = 7
        said = sight.blind_since(wire, started, clock.monotonic())
        assert said is not None
        assert "dropped datagrams" in said
        assert sight.drops == 7

    seeing(scene)


def test_drops_before_the_attempt_and_on_other_sockets_void_nothing() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        other = Wire()
        wire.dropped = 7
        sight.lost(wire, 7, clock.monotonic())
        await clock.advance(0.5)
        sight.lost(wire, 7, clock.monotonic())
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        sight.lost(other, 100, clock.monotonic())
        assert sight.blind_since(wire, started, clock.monotonic()) is None
        assert sight.blind_since(other, started, clock.monotonic()) is not None

    seeing(scene)


def test_a_flood_that_goes_on_does_not_hide_an_outage_for_ever() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        begun = clock.monotonic()
        voided_until = begun
        while clock.monotonic() < begun + 3 * FORGIVEN_SECONDS:
            started = clock.monotonic()
            await clock.advance(TIMEOUT_SECONDS)
            wire.dropped += 1
            if sight.blind_since(wire, started, clock.monotonic()) is not None:
                voided_until = clock.monotonic()
        assert voided_until - begun <= FORGIVEN_SECONDS + 2 * TIMEOUT_SECONDS
        await clock.advance(PAUSE_SECONDS + TIMEOUT_SECONDS)
        assert sight.blind_since(wire, clock.monotonic() - 4.0, clock.monotonic()) is None
        started = clock.monotonic()
        await clock.advance(TIMEOUT_SECONDS)
        wire.dropped += 1
        assert sight.blind_since(wire, started, clock.monotonic()) is not None

    seeing(scene)


@pytest.mark.parametrize("timeout_seconds", [2.0, 8.0, 32.0])
@pytest.mark.parametrize("apart_seconds", [3.0, 5.5, 6.0, 31.0, 70.0])
def test_a_trickle_of_drops_does_not_hide_an_outage_for_ever(
    timeout_seconds: float, apart_seconds: float
) -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        begun = started = clock.monotonic()
        next_drop = begun + 1.0
        while True:
            await clock.advance(0.5)
            now = clock.monotonic()
            if now >= next_drop:
                next_drop += apart_seconds
                wire.dropped += 1
            sight.lost(wire, wire.dropped, now)
            if now < started + timeout_seconds:
                continue
            if sight.blind_since(wire, started, now) is None:
                break
            started = now  # made again
        longest = max(FORGIVEN_SECONDS, 2 * apart_seconds) + 2 * timeout_seconds
        assert clock.monotonic() - begun <= longest

    seeing(scene)


def test_a_loop_that_always_stalls_does_not_hide_an_outage_for_ever() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        begun = clock.monotonic()
        said: str | None = ""
        while clock.monotonic() < begun + FORGIVEN_SECONDS + 10.0:
            started = clock.monotonic()
            await clock.advance(TIMEOUT_SECONDS)
            sight.stalled(started + 1.0, started + 3.0)
            said = sight.blind_since(wire, started, clock.monotonic())
        assert said is None

    seeing(scene)


def test_one_long_stop_is_forgiven_however_long_it_was() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        started = clock.monotonic()
        await clock.advance(3600.0)
        sight.stalled(started, clock.monotonic())
        assert sight.blind_since(wire, started, clock.monotonic()) is not None

    seeing(scene)


def test_sockets_that_are_closed_are_forgotten() -> None:
    async def scene(clock: VirtualClock, sight: Sight, wire: Wire) -> None:
        for _ in range(1000):
            sight.lost(Wire(), 1, clock.monotonic())
            sight.keep([wire])
        assert not sight._ears
        assert sight.drops == 1000

    seeing(scene)
