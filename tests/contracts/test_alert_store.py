"""The contracts of AlertStore and MaintenanceStore, held by every adapter."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from contracts.stores import NOW_MS, Shelf, Store, stream
from trunkpulse.model import (
    MaintenanceWindow,
    Reason,
    Recurrence,
    Repeat,
    TrunkState,
    Weekday,
)
from trunkpulse.ports import AlertCommit, AlertMember, AlertRecord, MemberRecord

pytest_plugins = ["contracts.store_fixtures"]

ACME = AlertRecord(
    key='[["carrier", "acme"]]',
    labels=(("carrier", "acme"), ("region", "Zürich")),
    alert_id="alert-1",
    opened_ms=NOW_MS,
)
TOLD = replace(
    ACME,
    asked_ms=NOW_MS + 1,
    told_ms=NOW_MS + 2,
    due_ms=NOW_MS + 3,
    pinned={"ticket": "INC7"},
    position=41,
)


def member(trunk_id: str, key: str = ACME.key, *, since_ms: int = NOW_MS) -> MemberRecord:
    seen = AlertMember(
        trunk_id=trunk_id,
        name=f"Trunk {trunk_id}",
        state=TrunkState.DOWN,
        reason=Reason.NETWORK_ERROR,
        since_ms=since_ms,
    )
    return MemberRecord(key=key, member=seen)


async def test_alerts_are_read_as_they_were_written_after_a_restart_too(shelf: Shelf) -> None:
    store = await shelf.open()
    flapping = replace(member("b"), member=replace(member("b").member, flapping=True))
    silent = replace(member("c"), silent_until_ms=NOW_MS + 9)
    await store.save_alerts(
        "noc", AlertCommit(alerts=(TOLD,), members=(member("a"), flapping, silent))
    )
    expected = ([TOLD], [member("a"), flapping, silent])
    assert await store.load_alerts("noc") == expected
    store = await shelf.reopen()
    assert await store.load_alerts("noc") == expected


async def test_what_is_written_again_replaces_what_was(store: Store) -> None:
    await store.save_alerts("noc", AlertCommit(alerts=(ACME,), members=(member("a"),)))
    later = member("a", since_ms=NOW_MS + 5)
    await store.save_alerts("noc", AlertCommit(alerts=(TOLD,), members=(later,)))
    assert await store.load_alerts("noc") == ([TOLD], [later])


async def test_members_come_in_the_order_in_which_they_got_into_trouble(store: Store) -> None:
    members = (member("b", since_ms=NOW_MS + 2), member("c"), member("a", since_ms=NOW_MS + 2))
    await store.save_alerts("noc", AlertCommit(alerts=(ACME,), members=members))
    _, found = await store.load_alerts("noc")
    assert [each.member.trunk_id for each in found] == ["c", "a", "b"]


async def test_a_group_that_ends_goes_with_its_members_and_may_come_again(store: Store) -> None:
    other = replace(ACME, key="t", labels=(), alert_id="alert-2")
    await store.save_alerts(
        "noc",
        AlertCommit(alerts=(TOLD, other), members=(member("a"), member("b"), member("t", "t"))),
    )
    fresh = replace(ACME, alert_id="alert-3")
    await store.save_alerts(
        "noc", AlertCommit(ended=(ACME.key,), alerts=(fresh,), members=(member("b"),))
    )
    alerts, members = await store.load_alerts("noc")
    assert sorted(alerts, key=lambda each: each.key) == [fresh, other]
    assert members == [member("b"), member("t", "t")]


async def test_a_member_that_left_is_gone_unless_it_has_come_again(store: Store) -> None:
    await store.save_alerts("noc", AlertCommit(alerts=(ACME,), members=(member("a"), member("b"))))
    again = member("b", since_ms=NOW_MS + 7)
    await store.save_alerts(
        "noc", AlertCommit(left=((ACME.key, "a"), (ACME.key, "b")), members=(again,))
    )
    assert await store.load_alerts("noc") == ([ACME], [again])


async def test_each_stream_has_alerts_of_its_own(store: Store) -> None:
    await store.save_alerts("noc", AlertCommit(alerts=(ACME,), members=(member("a"),)))
    await store.save_alerts("chat", AlertCommit(alerts=(TOLD,), members=(member("a"),)))
    await store.save_alerts("chat", AlertCommit(ended=(ACME.key,)))
    assert await store.load_alerts("noc") == ([ACME], [member("a")])
    assert await store.load_alerts("chat") == ([], [])


async def test_the_alerts_of_a_stream_that_is_gone_go_too(store: Store) -> None:
    for stream_id in ("noc", "chat", "third"):
        await store.save_alerts(stream_id, AlertCommit(alerts=(ACME,), members=(member("a"),)))
    await store.sync_streams([stream("noc"), stream("third")])
    await store.drop_stream("third")
    await store.drop_remains("third")
    assert await store.load_alerts("chat") == ([], [])
    assert await store.load_alerts("third") == ([], [])
    assert await store.load_alerts("noc") == ([ACME], [member("a")])


async def test_ten_thousand_members_are_written_and_read(store: Store) -> None:
    members = tuple(member(f"t{number:05}") for number in range(10_000))
    await store.save_alerts("noc", AlertCommit(alerts=(ACME,), members=members))
    assert await store.load_alerts("noc") == ([ACME], list(members))


@pytest.mark.parametrize(
    "window",
    [
        MaintenanceWindow(
            id="once",
            name="Öl",
            trunks=("a",),
            carriers=("acme",),
            regions=("us-east",),
            starts_ms=NOW_MS,
            ends_ms=NOW_MS + 1,
        ),
        MaintenanceWindow(
            id="weekly",
            name="weekly",
            recurrence=Recurrence(
                repeat=Repeat.WEEKLY,
                at=time(2, 30, 15),
                duration_seconds=3600,
                days=(Weekday.SUNDAY, Weekday.MONDAY),
                time_zone="Europe/Berlin",
            ),
        ),
    ],
    ids=lambda window: window.id,
)
async def test_a_window_is_read_as_it_was_written(shelf: Shelf, window: MaintenanceWindow) -> None:
    store = await shelf.open()
    await store.save_window(replace(window, name="before"), NOW_MS)
    await store.save_window(window, NOW_MS)
    await store.save_window(replace(window, id="a"), NOW_MS)
    store = await shelf.reopen()
    assert await store.load_windows() == [replace(window, id="a"), window]
    await store.remove_window("a")
    await store.remove_window("a")
    assert await store.load_windows() == [window]
