"""When a maintenance window goes on, and for whom."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events import maintenance as book
from trunkpulse.events.maintenance import Maintenance, MaintenanceRefused
from trunkpulse.model import MaintenanceWindow, Recurrence, Repeat, Weekday

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = 3600


def ms(year: int, month: int, day: int, hour: int, minute: int = 0) -> int:
    """A moment in Berlin."""
    return round(datetime(year, month, day, hour, minute, tzinfo=BERLIN).timestamp() * 1000)


def once(starts_ms: int, ends_ms: int) -> MaintenanceWindow:
    return MaintenanceWindow(id="w", name="w", starts_ms=starts_ms, ends_ms=ends_ms)


def again(
    at: time, seconds: int, *days: Weekday, time_zone: str = "Europe/Berlin"
) -> MaintenanceWindow:
    recurrence = Recurrence(
        repeat=Repeat.WEEKLY if days else Repeat.DAILY,
        at=at,
        duration_seconds=seconds,
        days=days,
        time_zone=time_zone,
    )
    return MaintenanceWindow(id="w", name="w", recurrence=recurrence)


def test_a_window_goes_on_from_its_start_until_before_its_end() -> None:
    window = once(1000, 2000)
    assert [window.until_ms(at) for at in (999, 1000, 1999, 2000)] == [None, 2000, 2000, None]
    assert [window.next_ms(at) for at in (999, 1000)] == [1000, None]


def test_a_daily_window_may_go_on_over_midnight() -> None:
    window = again(time(23), 2 * HOUR)
    assert window.until_ms(ms(2026, 6, 10, 0, 59)) == ms(2026, 6, 10, 1)
    assert window.until_ms(ms(2026, 6, 10, 1)) is None
    assert window.next_ms(ms(2026, 6, 10, 1)) == ms(2026, 6, 10, 23)


def test_a_weekly_window_begins_on_its_days_only() -> None:
    window = again(time(2), 2 * HOUR, Weekday.SUNDAY, Weekday.WEDNESDAY)
    assert window.until_ms(ms(2026, 6, 14, 3)) == ms(2026, 6, 14, 4)  # a Sunday
    assert window.until_ms(ms(2026, 6, 15, 3)) is None
    assert window.next_ms(ms(2026, 6, 14, 3)) == ms(2026, 6, 17, 2)


def test_a_window_of_a_whole_week_comes_again() -> None:
    window = again(time(2), 7 * 24 * HOUR, Weekday.SUNDAY)
    assert window.until_ms(ms(2026, 6, 13, 12)) == ms(2026, 6, 14, 2)
    assert window.next_ms(ms(2026, 6, 14, 2)) == ms(2026, 6, 21, 2)


@pytest.mark.parametrize(
    ("day", "ends"),
    [(29, ms(2026, 3, 29, 3)), (28, ms(2026, 3, 28, 2))],
    ids=["clocks go forward", "an ordinary night"],
)
def test_an_hour_is_an_hour_when_clocks_change(day: int, ends: int) -> None:
    window = again(time(1), HOUR)
    assert window.until_ms(ms(2026, 3, day, 1, 30)) == ends


def test_a_time_that_comes_twice_stands_for_the_first() -> None:
    window = again(time(2, 30), HOUR)
    first = round(datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp() * 1000)
    assert window.next_ms(first - 1) == first
    assert window.until_ms(first) == first + HOUR * 1000
    assert window.until_ms(first + HOUR * 1000) is None


@given(
    now_ms=st.integers(946_684_800_000, 4_000_000_000_000),
    at=st.times(),
    seconds=st.integers(60, 24 * HOUR),
    days=st.sets(st.sampled_from(list(Weekday))),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]),
)
def test_a_window_that_comes_again_ends_after_now_and_begins_again(
    now_ms: int, at: time, seconds: int, days: set[Weekday], zone: str
) -> None:
    window = again(at, seconds, *sorted(days), time_zone=zone)
    until_ms, next_ms = window.until_ms(now_ms), window.next_ms(now_ms)
    assert next_ms is not None
    assert now_ms < next_ms <= now_ms + 8 * 24 * HOUR * 1000
    assert window.until_ms(next_ms) is not None
    assert window.until_ms(next_ms - 1) in {until_ms, None}
    if until_ms is not None:
        assert now_ms < until_ms <= now_ms + seconds * 1000


def test_a_trunk_has_to_be_in_every_list_that_is_not_empty() -> None:
    window = replace(once(0, 1), trunks=("a", "b"), carriers=("acme",), regions=("us-east",))
    assert window.covers("a", "acme", "us-east")
    assert not window.covers("c", "acme", "us-east")
    assert not window.covers("a", None, "us-east")
    assert not window.covers("a", "acme", "eu-west")
    assert once(0, 1).covers("c", None, "eu-west")


async def test_the_window_that_ends_last_is_the_one_that_counts() -> None:
    planned = Maintenance(MemoryStore(), lambda: None)
    long = MaintenanceWindow(id="long", name="long", starts_ms=0, ends_ms=5000, carriers=("acme",))
    short = MaintenanceWindow(id="short", name="short", starts_ms=1000, ends_ms=2000)
    planned.declare([long, short])
    assert planned.of("a", "acme", "r", 1500) == (long, 5000)
    assert planned.of("a", None, "r", 1500) == (short, 2000)
    assert planned.of("a", None, "r", 2000) is None
    assert planned.is_going_on(4999)
    assert not planned.is_going_on(5000)
    assert planned.of("a", "acme", "r", 500) == (long, 5000)  # the clock was set back


async def test_what_is_planned_outlives_a_restart_and_is_announced() -> None:
    store = MemoryStore()
    heard: list[str] = []
    planned = Maintenance(store, lambda: heard.append("changed"))
    window = once(0, 9_000_000_000_000)
    await planned.add(window, 1)
    again = Maintenance(store, lambda: heard.append("started"))
    await again.start()
    assert list(again.windows) == [window]
    await again.remove("w")
    assert await store.load_windows() == []
    assert heard == ["changed", "started", "started"]


async def test_a_window_of_the_file_is_the_files_to_change() -> None:
    planned = Maintenance(MemoryStore(), lambda: None)
    declared = MaintenanceWindow(id="w", name="w", starts_ms=0, ends_ms=1, managed_by="a.toml")
    planned.declare([declared])
    with pytest.raises(MaintenanceRefused, match=r"declared in a\.toml"):
        await planned.remove("w")
    with pytest.raises(MaintenanceRefused, match="already"):
        await planned.add(once(0, 1), 1)
    with pytest.raises(KeyError):
        await planned.remove("other")


async def test_there_are_only_so_many_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "MOST_WINDOWS", 1)
    planned = Maintenance(MemoryStore(), lambda: None)
    await planned.add(once(0, 1), 1)
    with pytest.raises(MaintenanceRefused, match="remove those that are over"):
        await planned.add(MaintenanceWindow(id="x", name="x", starts_ms=0, ends_ms=1), 1)


class SlowStore(MemoryStore):
    """Lets everybody else go on before it does what it is asked."""

    async def save_window(self, window: MaintenanceWindow, now_ms: int) -> None:
        await asyncio.sleep(0)
        await super().save_window(window, now_ms)

    async def remove_window(self, window_id: str) -> None:
        await asyncio.sleep(0)
        await super().remove_window(window_id)


async def test_of_two_that_plan_the_same_window_at_once_one_is_refused() -> None:
    planned = Maintenance(SlowStore(), lambda: None)
    outcomes = await asyncio.gather(
        planned.add(once(0, 1), 1), planned.add(once(0, 2), 1), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [type(None), MaintenanceRefused]
    assert list(planned.windows) == [once(0, 1)]


async def test_of_two_that_call_a_window_off_at_once_one_is_told_that_there_is_none() -> None:
    planned = Maintenance(SlowStore(), lambda: None)
    await planned.add(once(0, 1), 1)
    outcomes = await asyncio.gather(
        planned.remove("w"), planned.remove("w"), return_exceptions=True
    )
    assert [type(each) for each in outcomes] == [type(None), KeyError]
