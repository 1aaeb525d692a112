"""The contract of HealthStore, held by every adapter."""

from __future__ import annotations

from contracts.stores import NOW_MS, Shelf, Store, change_of, commit_of
from trunkpulse.events.envelope import decode
from trunkpulse.model import TargetState, TrunkState
from trunkpulse.ports import HealthCommit, StoredTarget

pytest_plugins = ["contracts.store_fixtures"]


async def test_an_empty_store_knows_no_trunk(store: Store) -> None:
    assert await store.load() == {}
    assert await store.load_owed() == set()
    assert await store.commit([]) == frozenset()


async def test_what_is_committed_is_loaded_after_a_restart(shelf: Shelf) -> None:
    store = await shelf.open()
    commits = [commit_of("a", 1), commit_of("b", 1)]
    assert await store.commit(commits) == frozenset()

    again = await shelf.reopen()
    assert await again.load() == {each.health.trunk_id: each.health for each in commits}


async def test_a_commit_records_its_event_as_it_is_delivered(store: Store) -> None:
    await store.commit([commit_of("a", 1)])
    (event,) = await store.read()
    assert (event.event_id, event.trunk_id, event.at_ms) == ("a-1", "a", NOW_MS + 1)
    assert decode(event.body) == change_of("a", 1)


async def test_a_commit_without_a_change_saves_targets_and_records_no_event(store: Store) -> None:
    first = commit_of("a", 1)
    await store.commit([first])
    target = StoredTarget("sip:other.example.com", TargetState.UNKNOWN, None)
    disabled = first.health._replace(admin_enabled=False, targets=(target,))

    assert await store.commit([HealthCommit(health=disabled, change=None)]) == frozenset()
    assert await store.load() == {"a": disabled}
    assert len(await store.read()) == 1


async def test_a_trunk_that_never_changed_can_be_saved(store: Store) -> None:
    fresh = commit_of("a", 1).health._replace(sequence=0, reason=None, since_ms=None)
    assert await store.commit([HealthCommit(health=fresh, change=None)]) == frozenset()
    assert await store.load() == {"a": fresh}


async def test_a_sequence_that_does_not_follow_is_refused_and_the_rest_written(
    store: Store,
) -> None:
    await store.commit([commit_of("stale", 1), commit_of("gap", 1), commit_of("good", 1)])
    kept = await store.load()

    refused = await store.commit(
        [
            commit_of("stale", 1, tell=["noc"], opened=["noc"]),
            commit_of("good", 2, tell=["noc"]),
            commit_of("gap", 3, tell=["noc"], opened=["noc"]),
            commit_of("new", 2),
        ]
    )

    assert refused == {"stale", "gap", "new"}
    assert await store.load() == {**kept, "good": commit_of("good", 2).health}
    assert [event.event_id for event in await store.read(after=3)] == ["good-2"]
    assert await store.load_owed() == set()
    told = await store.claim("noc", now_ms=NOW_MS, limit=10, lease_ms=1)
    assert [delivery.event_id for delivery in told] == ["good-2"]


async def test_a_save_without_a_change_is_refused_if_the_trunk_moved_on(store: Store) -> None:
    await store.commit([commit_of("a", 1), commit_of("a", 2)])
    outdated = HealthCommit(health=commit_of("a", 1).health, change=None)
    assert await store.commit([outdated]) == {"a"}
    assert (await store.load())["a"].sequence == 2


async def test_changes_of_one_trunk_in_one_commit_follow_each_other(store: Store) -> None:
    commits = [commit_of("a", 1, opened=["noc"]), commit_of("a", 2, closed=["noc"])]
    assert await store.commit(commits) == frozenset()
    assert (await store.load())["a"] == commits[1].health
    assert [event.event_id for event in await store.read()] == ["a-1", "a-2"]
    assert await store.load_owed() == set()


async def test_one_bad_change_of_a_trunk_refuses_all_of_that_trunk(store: Store) -> None:
    commits = [commit_of("a", 1), commit_of("b", 1), commit_of("a", 3)]
    assert await store.commit(commits) == {"a"}
    assert set(await store.load()) == {"b"}
    assert [event.event_id for event in await store.read()] == ["b-1"]


async def test_a_recovery_is_owed_until_it_is_told(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.commit([commit_of("a", 1, opened=["noc", "audit"]), commit_of("b", 1)])
    store = await shelf.reopen()
    assert await store.load_owed() == {("noc", "a"), ("audit", "a")}

    await store.commit([commit_of("a", 2, closed=["noc"])])
    assert await store.load_owed() == {("audit", "a")}


async def test_being_told_of_trouble_twice_owes_one_recovery(store: Store) -> None:
    await store.commit([commit_of("a", 1, opened=["noc"])])
    await store.commit([commit_of("a", 2, opened=["noc"])])
    assert await store.load_owed() == {("noc", "a")}


async def test_a_forgotten_trunk_keeps_its_sequence_events_and_debts_only(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.commit([commit_of("a", 1, opened=["noc"]), commit_of("b", 1, opened=["noc"])])
    await store.forget(["a", "never-seen"])

    store = await shelf.reopen()
    loaded = await store.load()
    assert set(loaded) == {"a", "b"}
    assert loaded["b"] == commit_of("b", 1).health
    assert (loaded["a"].state, loaded["a"].targets) == (TrunkState.UNKNOWN, ())
    assert loaded["a"].sequence == 1
    assert await store.load_owed() == {("noc", "a"), ("noc", "b")}
    assert len(await store.read()) == 2


async def test_a_forgotten_trunk_that_returns_carries_on_counting(store: Store) -> None:
    await store.commit([commit_of("a", 1)])
    await store.forget(["a"])
    assert await store.commit([commit_of("a", 1)]) == {"a"}
    assert await store.commit([commit_of("a", 2)]) == frozenset()


async def test_a_commit_larger_than_one_batch_is_whole(store: Store) -> None:
    commits = [commit_of(f"t{n}", 1, tell=["noc"]) for n in range(1203)]
    conflicting = commit_of("t601", 5)
    assert await store.commit([*commits, conflicting]) == {"t601"}
    assert len(await store.load()) == 1202
    assert await store.last_position() == 1202
    told = await store.claim("noc", now_ms=NOW_MS, limit=5000, lease_ms=1)
    assert [delivery.position for delivery in told] == list(range(1, 1203))


async def test_closing_twice_is_fine(store: Store) -> None:
    await store.close()
    await store.close()
