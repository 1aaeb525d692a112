"""The port ``DocumentStore``: documents outlive the process, and no update is lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contracts.stores import NOW_MS, Shelf, Store
from trunkpulse.ports import Document, DocumentChanged, DocumentKind

pytest_plugins = ["contracts.store_fixtures"]


def document(
    document_id: str,
    *,
    kind: DocumentKind = DocumentKind.TRUNK,
    revision: int = 1,
    expires_ms: int | None = None,
) -> Document:
    return Document(
        kind=kind,
        id=document_id,
        definition={"name": f"Größe {revision}", "targets": ["sip:127.0.0.1"]},
        secrets={"password": "v1.sealed"},
        revision=revision,
        created_ms=NOW_MS,
        changed_ms=NOW_MS + revision,
        expires_ms=expires_ms,
    )


async def test_at_first_there_are_none(store: Store) -> None:
    assert await store.load_documents(DocumentKind.TRUNK) == []


async def test_documents_are_there_after_a_restart_by_id(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.save_documents([document("b"), document("a")])
    await store.save_documents([document("a", kind=DocumentKind.ROUTE)])
    again = await shelf.reopen()
    assert await again.load_documents(DocumentKind.TRUNK) == [document("a"), document("b")]
    assert await again.load_documents(DocumentKind.ROUTE) == [
        document("a", kind=DocumentKind.ROUTE)
    ]


async def test_a_list_goes_on_where_its_page_ended(store: Store) -> None:
    await store.save_documents([document(f"{number:04}") for number in range(1200)])
    first = await store.load_documents(DocumentKind.TRUNK, limit=700)
    rest = await store.load_documents(DocumentKind.TRUNK, after=first[-1].id)
    assert [each.id for each in first + rest] == [f"{number:04}" for number in range(1200)]


async def test_some_are_found_by_their_ids(store: Store) -> None:
    await store.save_documents([document(f"{number:04}") for number in range(1200)])
    await store.save_documents([document("0007", kind=DocumentKind.ROUTE)])
    wanted = {f"{number:04}" for number in range(1100, 1300)} | {"0007"}
    found = await store.find_documents(DocumentKind.TRUNK, wanted)
    assert [each.id for each in found] == ["0007", *(f"{n:04}" for n in range(1100, 1200))]
    assert found[0] == document("0007")
    assert await store.find_documents(DocumentKind.TRUNK, []) == []


async def test_a_change_follows_the_revision_before(store: Store) -> None:
    await store.save_documents([document("a")])
    await store.save_documents([document("a", revision=2)])
    assert await store.load_documents(DocumentKind.TRUNK) == [document("a", revision=2)]


@pytest.mark.parametrize("revision", [1, 3])
async def test_a_lost_update_is_refused_and_nothing_is_written(store: Store, revision: int) -> None:
    await store.save_documents([document("b")])
    lost = replace(document("b", revision=revision), definition={})
    with pytest.raises(DocumentChanged) as refused:
        await store.save_documents([document("a"), lost, document("c")])
    assert (refused.value.kind, refused.value.id) == (DocumentKind.TRUNK, "b")
    assert await store.load_documents(DocumentKind.TRUNK) == [document("b")]


async def test_dropped_ones_are_gone_and_others_stay(shelf: Shelf) -> None:
    store = await shelf.open()
    await store.save_documents([document("a"), document("b"), document("c")])
    await store.save_documents([document("a", kind=DocumentKind.USER)])
    await store.drop_documents(DocumentKind.TRUNK, ["a", "c", "never there"])
    await store.drop_documents(DocumentKind.TRUNK, ["a"])
    again = await shelf.reopen()
    assert await again.load_documents(DocumentKind.TRUNK) == [document("b")]
    assert len(await again.load_documents(DocumentKind.USER)) == 1


async def test_what_has_expired_is_dropped_and_nothing_else(store: Store) -> None:
    kind = DocumentKind.SESSION
    kept = [
        document("lasting", kind=kind),
        document("valid", kind=kind, expires_ms=NOW_MS),
    ]
    await store.save_documents([*kept, document("over", kind=kind, expires_ms=NOW_MS - 1)])
    assert await store.drop_expired(NOW_MS) == 1
    assert await store.drop_expired(NOW_MS) == 0
    assert await store.load_documents(kind) == kept
