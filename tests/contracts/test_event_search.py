"""What every adapter of EventLog finds when a reader asks for some of all events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from contracts.stores import NOW_MS, Store, commit_of
from trunkpulse.adapters.storage import eventlog
from trunkpulse.model import (
    EventType,
    IsolationEvidence,
    IsolationRule,
    ProberEvent,
    ProberState,
    Reason,
    TrunkState,
)
from trunkpulse.ports import FoundEvents, HealthCommit, WantedEvents

pytest_plugins = ["contracts.store_fixtures"]

EVERYTHING = 1_000


def commit(trunk_id: str, sequence: int, **changed: Any) -> HealthCommit:
    """A commit whose change is ``changed`` in some of its fields."""
    plain = commit_of(trunk_id, sequence)
    assert plain.change is not None
    return replace(plain, change=replace(plain.change, **changed))


def isolation(sequence: int) -> ProberEvent:
    isolated = sequence % 2 == 1
    return ProberEvent(
        event_id=f"p-{sequence}",
        instance_id="edge-1",
        region="us-east",
        sequence=sequence,
        at_ms=NOW_MS,
        state=ProberState.ISOLATED if isolated else ProberState.CONNECTED,
        evidence=IsolationEvidence(rule=IsolationRule.LINK, since_ms=NOW_MS, problem="no link"),
    )


async def search(
    store: Store,
    *,
    after: int | None = None,
    limit: int = EVERYTHING,
    looks: int = EVERYTHING,
    newest_first: bool = False,
    **wanted: Any,
) -> FoundEvents:
    return await store.search(
        WantedEvents(**wanted), after=after, limit=limit, looks=looks, newest_first=newest_first
    )


async def ids(store: Store, **asked: Any) -> list[str]:
    return [event.event_id for event in (await search(store, **asked)).events]


async def fill(store: Store, commits: Sequence[HealthCommit]) -> None:
    """One commit for each, so that positions follow the order."""
    for each in commits:
        assert await store.commit([each]) == frozenset()


async def test_an_empty_log_is_searched_to_its_end(store: Store) -> None:
    for newest_first in (False, True):
        for wanted in ({}, {"state": "DOWN"}, {"from_ms": 1}, {"trunk_id": "a"}):
            found = await search(store, newest_first=newest_first, **wanted)
            assert (list(found.events), found.place, found.more) == ([], 0, False)


async def test_each_filter_takes_its_events_and_no_others(store: Store) -> None:
    down, network = TrunkState.DOWN, Reason.NETWORK_ERROR
    await fill(
        store,
        [
            commit("a", 1),
            commit("a", 2),
            commit("b", 1, reason=network, region="eu"),
            commit("b", 2, state=TrunkState.DEGRADED, region="eu"),
            commit("c", 1, state=down, reason=Reason.ADMIN_DISABLED, region=""),
        ],
    )
    await store.record_prober(isolation(1), [])
    await store.record_prober(isolation(2), [])
    everything = ["a-1", "a-2", "b-1", "b-2", "c-1", "p-1", "p-2"]
    assert await ids(store) == everything
    assert await ids(store, newest_first=True) == everything[::-1]
    assert await ids(store, trunk_id="b") == ["b-1", "b-2"]
    assert await ids(store, state="DOWN") == ["a-1", "b-1", "c-1"]
    assert await ids(store, reason_code="NETWORK_ERROR") == ["b-1"]
    assert await ids(store, region="eu") == ["b-1", "b-2"]
    assert await ids(store, region="") == ["c-1"]
    assert await ids(store, region="us-east", state="ISOLATED") == ["p-1"]
    assert await ids(store, event_type=EventType.STATE_CHANGE) == everything[:5]
    assert await ids(store, event_type=EventType.PROBER_RESTORED) == ["p-2"]
    assert await ids(store, event_type=EventType.STREAM_DISABLED) == []
    assert await ids(store, trunk_id="prober:edge-1", state="CONNECTED") == ["p-2"]
    assert await ids(store, trunk_id="a", event_type=EventType.PROBER_ISOLATED) == []
    assert await ids(store, trunk_id="a", state="DOWN", newest_first=True) == ["a-1"]


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("wanted", [{}, {"state": "DOWN"}, {"trunk_id": "a"}, {"from_ms": 1}])
async def test_pages_lead_through_all_that_is_wanted_and_then_say_that_it_was_all(
    store: Store, *, newest_first: bool, wanted: dict[str, Any]
) -> None:
    await fill(store, [commit(each, n) for n in range(1, 10) for each in "ab"])
    whole = await ids(store, newest_first=newest_first, **wanted)
    assert len(whole) in (18, 10, 9)
    for limit, looks in ((1, 100), (4, 100), (4, 3), (1, 1), (5, 5)):
        seen: list[str] = []
        place: int | None = None
        for _ in range(40):
            found = await search(
                store, after=place, limit=limit, looks=looks, newest_first=newest_first, **wanted
            )
            assert len(found.events) <= limit
            seen += [event.event_id for event in found.events]
            place = found.place
            if not found.more:
                break
        else:
            pytest.fail("it never ended")
        assert seen == whole


async def test_a_search_looks_at_so_many_events_and_says_how_far_it_came(store: Store) -> None:
    await fill(store, [commit("a", n) for n in range(1, 13)])
    found = await search(store, looks=5, reason_code="LICENSE_ISSUE")
    assert (list(found.events), found.place, found.more) == ([], 5, True)
    found = await search(store, looks=5, after=5, reason_code="LICENSE_ISSUE")
    assert (found.place, found.more) == (10, True)
    found = await search(store, looks=5, after=10, reason_code="LICENSE_ISSUE")
    assert (found.place, found.more) == (12, False)
    found = await search(store, looks=5, newest_first=True, reason_code="LICENSE_ISSUE")
    assert (found.place, found.more) == (8, True)


async def test_where_nothing_is_new_the_place_stays(store: Store) -> None:
    await fill(store, [commit("a", n) for n in (1, 2)])
    for wanted in ({}, {"state": "DOWN"}, {"trunk_id": "unheard-of"}, {"from_ms": NOW_MS * 2}):
        found = await search(store, after=2, **wanted)
        assert (list(found.events), found.place, found.more) == ([], 2, False)


async def test_moments_are_exact_also_where_the_clock_was_set_back(store: Store) -> None:
    moments = [1000, 2000, 5000, 3000, 4000, 6000, 2500]
    await fill(store, [commit("a", n, at_ms=at) for n, at in enumerate(moments, 1)])
    assert await ids(store, from_ms=3000) == ["a-3", "a-4", "a-5", "a-6"]
    assert await ids(store, to_ms=3000) == ["a-1", "a-2", "a-7"]
    assert await ids(store, from_ms=2000, to_ms=5000) == ["a-2", "a-4", "a-5", "a-7"]
    assert await ids(store, from_ms=2000, to_ms=5000, newest_first=True) == [
        *("a-7", "a-5", "a-4", "a-2"),
    ]
    assert await ids(store, from_ms=2000, to_ms=5000, state="DOWN") == ["a-5", "a-7"]
    assert await ids(store, from_ms=6001) == []
    assert await ids(store, to_ms=1000) == []


async def test_of_a_long_log_only_the_part_around_the_moments_is_looked_at(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(eventlog, "SPAN", 3)
    await fill(store, [commit("a", n, at_ms=n * 10) for n in range(1, 31)])
    if isinstance(store, eventlog.DatabaseEventLog):
        found = await search(store, from_ms=200, to_ms=240, looks=4)
        assert [event.event_id for event in found.events] == ["a-20", "a-21", "a-22", "a-23"]
    assert await ids(store, from_ms=200, to_ms=240) == ["a-20", "a-21", "a-22", "a-23"]
    assert await ids(store, from_ms=200, to_ms=400, newest_first=True, limit=2) == ["a-30", "a-29"]
    assert len(await ids(store, from_ms=1, to_ms=10_000)) == 30
