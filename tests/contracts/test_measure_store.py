"""The contract of MeasureStore, held by every adapter."""

from __future__ import annotations

import pytest

from contracts.stores import Shelf, Store
from trunkpulse.model import TargetState
from trunkpulse.ports import MinuteNumbers, WantedMinutes

pytest_plugins = ["contracts.store_fixtures"]

NOON = 28_333_320
AT_NOON = WantedMinutes(first=NOON, last=NOON)
EVER = WantedMinutes(first=0, last=NOON * 2)


def minute_of(
    trunk_id: str,
    minute: int,
    *,
    uri: str = "sip:192.0.2.1",
    place: str | None = None,
    answers: int = 2,
    losses: int = 0,
    rtt_sum_seconds: float = 0.05,
    rtt_max_seconds: float = 0.03,
    smoothed_rtt_seconds: float | None = 0.025,
    jitter_seconds: float | None = 0.002,
    state: TargetState = TargetState.AVAILABLE,
) -> MinuteNumbers:
    return MinuteNumbers(
        trunk_id=trunk_id,
        uri=uri,
        place=place,
        minute=minute,
        answers=answers,
        losses=losses,
        rtt_sum_seconds=rtt_sum_seconds,
        rtt_max_seconds=rtt_max_seconds,
        smoothed_rtt_seconds=smoothed_rtt_seconds,
        jitter_seconds=jitter_seconds,
        state=state,
    )


async def test_minutes_are_read_as_they_were_written_after_a_restart_too(shelf: Shelf) -> None:
    store = await shelf.open()
    written = [
        minute_of("a", NOON, place="udp:192.0.2.1:5060"),
        minute_of(
            "a",
            NOON,
            place="udp:192.0.2.2:5060",
            answers=0,
            losses=3,
            rtt_sum_seconds=0.0,
            rtt_max_seconds=0.0,
            smoothed_rtt_seconds=None,
            jitter_seconds=None,
            state=TargetState.DOWN,
        ),
        minute_of("a", NOON + 1, uri="sip:198.51.100.1"),
    ]
    await store.add_minutes(written)
    store = await shelf.reopen()
    assert await store.minutes("a", WantedMinutes(first=NOON, last=NOON + 1)) == written


async def test_other_trunks_and_other_times_are_left_out(store: Store) -> None:
    await store.add_minutes([minute_of(each, NOON + n) for each in ("a", "b") for n in range(5)])
    found = await store.minutes("b", WantedMinutes(first=NOON + 1, last=NOON + 3))
    assert [(each.trunk_id, each.minute - NOON) for each in found] == [("b", 1), ("b", 2), ("b", 3)]
    assert await store.minutes("unheard-of", EVER) == []


async def test_a_minute_that_is_written_twice_adds_up(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.add_minutes([minute_of("a", NOON, answers=3, losses=1, rtt_max_seconds=0.2)])
    store = await shelf.reopen()
    later = minute_of(
        "a",
        NOON,
        answers=1,
        losses=4,
        rtt_sum_seconds=0.01,
        rtt_max_seconds=0.01,
        smoothed_rtt_seconds=0.011,
        jitter_seconds=None,
        state=TargetState.DOWN,
    )
    await store.add_minutes([later])
    (found,) = await store.minutes("a", AT_NOON)
    assert (found.answers, found.losses) == (4, 5)
    assert found.rtt_sum_seconds == pytest.approx(0.06)
    assert found.rtt_max_seconds == 0.2
    assert (found.smoothed_rtt_seconds, found.jitter_seconds) == (0.011, None)
    assert found.state is TargetState.DOWN


async def test_the_same_minute_twice_in_one_call_adds_up_too(store: Store) -> None:
    await store.add_minutes([minute_of("a", NOON, answers=n) for n in (1, 2, 4)])
    (found,) = await store.minutes("a", AT_NOON)
    assert found.answers == 7


async def test_steps_sum_up_minutes_and_end_as_the_last_of_them(store: Store) -> None:
    assert NOON % 5 == 0
    await store.add_minutes(
        [
            minute_of(
                "a",
                NOON + n,
                answers=n,
                losses=1,
                rtt_sum_seconds=n / 8,
                rtt_max_seconds=1.0 / (n + 1),
                smoothed_rtt_seconds=n / 16,
                state=TargetState.DOWN if n == 4 else TargetState.AVAILABLE,
            )
            for n in range(7)
        ]
    )
    one, two = await store.minutes("a", WantedMinutes(first=NOON, last=NOON + 9, step=5))
    assert (one.minute, one.answers, one.losses) == (NOON, 0 + 1 + 2 + 3 + 4, 5)
    assert (one.rtt_sum_seconds, one.rtt_max_seconds) == (10 / 8, 1.0)
    assert (one.smoothed_rtt_seconds, one.state) == (4 / 16, TargetState.DOWN)
    assert (two.minute, two.answers, two.losses) == (NOON + 5, 5 + 6, 2)
    assert two.state is TargetState.AVAILABLE


async def test_what_is_read_is_limited_from_the_oldest_on(store: Store) -> None:
    uris = ("sip:192.0.2.1", "sip:192.0.2.2")
    await store.add_minutes([minute_of("a", NOON + n, uri=uri) for n in range(3) for uri in uris])
    found = await store.minutes("a", WantedMinutes(first=NOON, last=NOON + 2, limit=3))
    assert [(each.minute - NOON, each.uri) for each in found] == [
        (0, uris[0]), (0, uris[1]), (1, uris[0]),
    ]  # fmt: skip


async def test_reading_on_after_the_last_key_sees_each_entry_once(store: Store) -> None:
    places = (None, "udp:192.0.2.1:5060", "udp:192.0.2.9:5060")
    written = [
        minute_of("a", NOON + n, uri=uri, place=place)
        for n in range(0, 6, 2)
        for uri in ("sip:a.example", "sip:b.example")
        for place in places
    ]
    await store.add_minutes(written[::-1])
    seen: list[MinuteNumbers] = []
    after: tuple[int, str, str] | None = None
    while page := await store.minutes(
        "a", WantedMinutes(first=NOON, last=NOON + 9, step=2, after=after, limit=4)
    ):
        seen += page
        after = page[-1].key
    assert seen == written


async def test_pruning_drops_what_is_older_and_nothing_else(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.add_minutes([minute_of(each, NOON + n) for each in ("a", "b") for n in range(4)])
    await store.add_minutes([minute_of("gone", NOON)])
    assert await store.prune_minutes(NOON + 3) == 2 * 3 + 1
    store = await shelf.reopen()
    assert [each.minute for each in await store.minutes("a", EVER)] == [NOON + 3]
    assert await store.minutes("gone", EVER) == []
    assert await store.prune_minutes(NOON + 3) == 0
    await store.add_minutes([minute_of("gone", NOON + 9)])  # it may come back
    assert len(await store.minutes("gone", EVER)) == 1


async def test_pruning_more_than_one_batch_drops_all(store: Store) -> None:
    await store.add_minutes(
        [minute_of(f"t{n}", NOON + m) for n in range(25) for m in (0, 1, 700, 1300)]
    )
    assert await store.prune_minutes(NOON + 1300) == 75
    assert [len(await store.minutes(f"t{n}", EVER)) for n in range(25)] == [1] * 25


async def test_many_targets_are_written_in_one_call(store: Store) -> None:
    await store.add_minutes([minute_of(f"t{n}", NOON) for n in range(1203)])
    await store.add_minutes([])
    assert await store.minutes("t1202", AT_NOON) == [minute_of("t1202", NOON)]
