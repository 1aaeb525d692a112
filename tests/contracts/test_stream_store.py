"""The port ``StreamStore``: streams outlive the process, and go with all that is theirs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from contracts.stores import NOW_MS, Shelf, Store, commit_of
from trunkpulse.adapters.storage import streams
from trunkpulse.adapters.storage.engine import BATCH_ROWS
from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import (
    AlertCommit,
    AlertMember,
    AlertRecord,
    DeliveryReport,
    DeliveryResult,
    KeptStream,
    MemberRecord,
)

pytest_plugins = ["contracts.store_fixtures"]


MEMBER = AlertMember(
    trunk_id="a", name="A", state=TrunkState.DOWN, reason=Reason.NETWORK_ERROR, since_ms=NOW_MS
)


def kept(stream_id: str, *, created_ms: int = NOW_MS, revision: int = 1) -> KeptStream:
    return KeptStream(
        id=stream_id,
        definition={"name": "Größe", "destination": {"type": "webhook", "options": []}},
        secrets={"url": "v1.sealed"},
        revision=revision,
        created_ms=created_ms,
        changed_ms=created_ms + revision,
    )


async def test_at_first_there_are_none(store: Store) -> None:
    assert await store.load_streams() == []


async def test_streams_are_there_after_a_restart_the_oldest_first(shelf: Shelf) -> None:
    store = await shelf.open()
    old, new = kept("z-old", created_ms=NOW_MS - 1), kept("a-new")
    await store.save_stream(new)
    await store.save_stream(old)
    again = await shelf.reopen()
    assert await again.load_streams() == [old, new]


async def test_a_stream_is_kept_in_place_of_what_it_was(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.save_stream(kept("noc"))
    await store.save_stream(kept("noc", revision=2))
    again = await shelf.reopen()
    assert await again.load_streams() == [kept("noc", revision=2)]


async def test_a_stream_goes_with_what_waits_for_it_and_what_it_is_owed(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.save_stream(kept("noc"))
    await store.save_stream(kept("other"))
    both = ("noc", "other")
    await store.commit([commit_of("a", 1, tell=both, opened=both)])
    await store.commit([commit_of("b", 1, tell=both, opened=both)])
    await store.drop_stream("noc")
    await store.drop_remains("noc")
    again = await shelf.reopen()
    assert [each.id for each in await again.load_streams()] == ["other"]
    assert await again.load_owed() == {("other", "a"), ("other", "b")}
    assert await again.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000) == []
    others = await again.claim("other", now_ms=NOW_MS, limit=9, lease_ms=1000)
    assert [each.trunk_id for each in others] == ["a", "b"]
    assert len(await again.read()) == 2


async def test_what_is_left_of_a_stream_that_is_gone_goes_however_much_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = 0

    def counted(*args: Any) -> int:
        nonlocal largest
        dropped = drop_rows(*args)
        largest = max(largest, dropped)
        return dropped

    drop_rows = streams._drop_rows
    monkeypatch.setattr(streams, "_drop_rows", counted)
    trunks = [f"t-{number}" for number in range(1201)]
    both = ("noc", "other")
    await store.commit([commit_of(each, 1, tell=both, opened=both) for each in trunks])
    groups = [AlertRecord(key=key, labels=(), alert_id=key, opened_ms=1) for key in "xy"]
    members = [
        MemberRecord(key=key, member=replace(MEMBER, trunk_id=each))
        for key in "xy"
        for each in trunks
    ]
    for each in both:
        await store.save_alerts(each, AlertCommit(alerts=tuple(groups), members=tuple(members)))
    await store.drop_stream("noc")
    await store.drop_remains("noc")
    assert await store.load_alerts("noc") == ([], [])
    assert await store.load_owed() == {("other", each) for each in trunks}
    left = await store.load_alerts("other")
    assert [len(each) for each in left] == [2, 2 * 1201]
    assert largest <= BATCH_ROWS


async def test_what_was_parked_for_a_stream_goes_too(store: Store) -> None:
    await store.save_stream(kept("noc"))
    await store.commit([commit_of("a", 1, tell=("noc",))])
    (claimed,) = await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000)
    parked = DeliveryReport(
        delivery_id=claimed.id, result=DeliveryResult.PARKED, at_ms=NOW_MS, due_ms=NOW_MS + 5
    )
    await store.settle([parked])
    await store.drop_stream("noc")
    assert await store.next_due_ms("noc") is None


async def test_more_than_a_transaction_takes_is_dropped_as_well(store: Store) -> None:
    trunks = [f"t-{number}" for number in range(1201)]
    await store.commit([commit_of(each, 1, tell=("noc", "other")) for each in trunks])
    await store.drop_stream("noc")
    assert await store.next_due_ms("noc") is None
    assert len(await store.claim("other", now_ms=NOW_MS, limit=2000, lease_ms=1000)) == 1201


async def test_what_waits_for_a_stream_can_go_before_it_does(store: Store) -> None:
    await store.save_stream(kept("noc"))
    trunks = [f"t-{number}" for number in range(700)]
    both = ("noc", "other")
    await store.commit([commit_of(each, 1, tell=both, opened=both) for each in trunks])
    (claimed,) = await store.claim("noc", now_ms=NOW_MS, limit=1, lease_ms=1000)
    parked = DeliveryReport(
        delivery_id=claimed.id, result=DeliveryResult.PARKED, at_ms=NOW_MS, due_ms=NOW_MS + 5
    )
    await store.settle([parked])
    await store.drop_backlog("noc")
    assert await store.next_due_ms("noc") is None
    assert await store.attempts(claimed.id) == []
    assert await store.load_streams() == [kept("noc")]
    assert len(await store.load_owed()) == 2 * len(trunks)
    assert len(await store.claim("other", now_ms=NOW_MS, limit=2000, lease_ms=1000)) == 700


async def test_a_stream_that_stays_after_all_is_told_what_comes_then(store: Store) -> None:
    await store.commit([commit_of("a", n, tell=("noc",)) for n in (1, 2)])
    await store.drop_backlog("noc")
    await store.commit([commit_of("a", 3, tell=("noc",))])
    (claimed,) = await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000)
    assert claimed.event_id == "a-3"


async def test_dropping_what_is_not_there_is_no_mistake(store: Store) -> None:
    await store.drop_stream("nobody")
    await store.save_stream(kept("noc"))
    await store.drop_stream("noc")
    await store.drop_stream("noc")
    assert await store.load_streams() == []
