"""The port ``AuditLog``: entries outlive the process in their order."""

from __future__ import annotations

from contracts.stores import NOW_MS, Shelf, Store
from trunkpulse.ports import AuditEntry

pytest_plugins = ["contracts.store_fixtures"]


def entry(position: int) -> AuditEntry:
    return AuditEntry(
        position=position,
        at_ms=NOW_MS + position,
        record=f'{{"what":"größe {position}"}}',
        previous=f"{position - 1:064x}",
        digest=f"{position:064x}",
    )


async def test_at_first_there_is_nothing(store: Store) -> None:
    assert await store.last_audit_entry() is None
    assert await store.read_audit(limit=9) == []


async def test_entries_are_there_after_a_restart_in_their_order(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.add_audit_entries([entry(1), entry(2)])
    await store.add_audit_entries([entry(3)])
    again = await shelf.reopen()
    assert await again.last_audit_entry() == entry(3)
    assert await again.read_audit(limit=9) == [entry(1), entry(2), entry(3)]


async def test_a_reader_goes_either_way_between_two_positions(store: Store) -> None:
    await store.add_audit_entries([entry(position) for position in range(1, 10)])
    forward = await store.read_audit(after=2, before=8, limit=3)
    assert [each.position for each in forward] == [3, 4, 5]
    backward = await store.read_audit(after=2, before=8, limit=3, newest_first=True)
    assert [each.position for each in backward] == [7, 6, 5]
