"""Where the audit ended is sealed: what is missing at its end or its beginning shows."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from trunkpulse.access.audit import START, Act, Actor, Head, Outcome, digest_of
from trunkpulse.adapters.sealed_head import SealedHead
from trunkpulse.adapters.storage.memory_audit import MemoryAudit
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission.ledger import Ledger
from trunkpulse.ports import AuditEntry, Document, DocumentKind, StoreUnavailable
from vaults import a_vault
from virtual_time import VirtualClock, run_virtual

ACT = Act(action="disable_trunk", actor=Actor("user", "u1", "Ann"), outcome=Outcome.DONE)


class Database(MemoryAudit, MemoryDocuments):
    """Both, with somebody who may write to it, and with a plug."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0
        self.held: list[Sequence[Document]] | None = None
        """What is not written when it should be; None: all is."""
        self.late: Sequence[Document] | None = None
        """Is written just before the next."""
        self.plugged = True
        self.answers = True

    async def save_documents(self, saved: Sequence[Document]) -> None:
        if not self.plugged:
            raise StoreUnavailable("the disk is gone")
        if self.held is not None:
            self.held.append(saved)
            raise StoreUnavailable("nobody knows what becomes of it")
        if self.late is not None:
            late, self.late = self.late, None
            await super().save_documents(late)
        await super().save_documents(saved)
        self.saves += 1
        if not self.answers:
            raise StoreUnavailable("the connection broke after the commit")

    def forge(self, *, last: int, first: int = 1) -> None:
        """Leave these entries only."""
        self._audit = [each for each in self._audit if first <= each.position <= last]

    def remake(self) -> None:
        """Make all digests anew for another first record."""
        made: list[AuditEntry] = []
        previous = START.digest
        for each in self._audit:
            record = each.record.replace("Ann", "Eve")
            digest = digest_of(previous, record)
            made.append(replace(each, record=record, previous=previous, digest=digest))
            previous = digest
        self._audit = made

    async def sealed(self) -> Document:
        [document] = await self.load_documents(DocumentKind.AUDIT_HEAD)
        return document


async def started(database: Database, key: int = 1) -> tuple[Ledger, SealedHead]:
    ledger = Ledger(database, VirtualClock())
    await ledger.open()
    sealed = SealedHead(database, a_vault(key), VirtualClock())
    await sealed.open(database)
    return ledger, sealed


async def with_entries(count: int) -> Database:
    database = Database()
    ledger, sealed = await started(database)
    for _ in range(count):
        await ledger.record(ACT)
    await sealed.catch_up_with(ledger)
    assert sealed.head == ledger.head
    return database


async def test_an_audit_that_is_as_it_was_sealed_is_whole_after_a_restart() -> None:
    database = await with_entries(3)
    ledger, sealed = await started(database)
    assert sealed.problem is None
    assert sealed.head == ledger.head
    await ledger.record(ACT)  # and the process is killed before it is sealed
    _, again = await started(database)
    assert again.problem is None


@pytest.mark.parametrize(
    ("first", "last", "words"),
    [(1, 2, "ends at entry 2"), (2, 3, "begins at entry 2"), (9, 9, "ends at entry 0")],
)
async def test_what_is_missing_at_either_end_shows_from_then_on(
    first: int, last: int, words: str
) -> None:
    database = await with_entries(3)
    database.forge(first=first, last=last)
    ledger, sealed = await started(database)
    assert words in (sealed.problem or "")
    for _ in range(5):
        await ledger.record(replace(ACT, action="enable_trunk"))  # which does not make it good
    await sealed.catch_up_with(ledger)
    assert sealed.head is not None
    assert sealed.head.position == 3
    assert (await started(database))[1].problem is not None


async def test_an_audit_that_was_made_anew_is_not_the_one_that_was_sealed() -> None:
    database = await with_entries(3)
    database.remake()
    _, sealed = await started(database)
    assert sealed.problem == "entry 3 is not the one that was sealed"


async def test_what_was_sealed_cannot_be_taken_away_exchanged_or_made_by_others() -> None:
    database = await with_entries(3)
    document = await database.sealed()
    await database.drop_documents(DocumentKind.AUDIT_HEAD, [document.id])
    assert "is missing" in ((await started(database))[1].problem or "")
    other = replace(document, secrets={"head": a_vault(2).seal("{}", "x")}, revision=1)
    await database.save_documents([other])
    _, sealed = await started(database)
    assert "cannot be read" in (sealed.problem or "")
    assert sealed.head is None


async def test_only_the_vault_can_read_it() -> None:
    database = await with_entries(2)
    document = await database.sealed()
    [last] = await database.read_audit(limit=1, newest_first=True)
    assert last.digest not in repr((document.definition, document.secrets))


def test_it_is_sealed_again_each_second_while_entries_are_added() -> None:
    async def story() -> None:
        database = Database()
        ledger, sealed = await started(database)
        keeping = asyncio.create_task(sealed.keep_up_with(ledger))
        begun = database.saves
        for _ in range(30):
            await ledger.record(ACT)
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)
        keeping.cancel()
        assert sealed.head == ledger.head
        assert 3 <= database.saves - begun <= 5

    run_virtual(story)


@pytest.mark.parametrize("arrives", [False, True])
async def test_a_database_that_was_away_is_no_break(*, arrives: bool) -> None:
    database = await with_entries(1)
    ledger, sealed = await started(database)
    await ledger.record(ACT)
    ledger.moved.clear()
    database.plugged, database.answers = arrives, False
    await sealed.catch_up_with(ledger)
    assert ledger.moved.is_set()  # so that it is tried again
    assert sealed.head == Head(1, (await database.read_audit(limit=1))[0].digest)
    database.plugged = database.answers = True
    await ledger.record(ACT)
    await sealed.catch_up_with(ledger)
    assert sealed.head == ledger.head
    assert (await started(database))[1].problem is None


async def test_a_seal_that_was_given_up_and_is_written_late_is_no_break() -> None:
    database = await with_entries(1)
    ledger, sealed = await started(database)
    await ledger.record(ACT)
    database.held = []
    await sealed.catch_up_with(ledger)
    [late] = database.held
    database.held = None
    await ledger.record(ACT)
    database.late = late
    await sealed.catch_up_with(ledger)
    assert sealed.problem is None
    assert sealed.head == ledger.head
    assert (await started(database))[1].problem is None


async def test_an_older_seal_put_back_while_the_service_runs_shows() -> None:
    database = await with_entries(1)
    ledger, sealed = await started(database)
    old = await database.sealed()
    await ledger.record(ACT)
    await sealed.catch_up_with(ledger)
    await database.drop_documents(DocumentKind.AUDIT_HEAD, [old.id])
    await database.save_documents([replace(old, revision=1)])
    await ledger.record(ACT)
    await sealed.catch_up_with(ledger)
    assert "changed by somebody else" in (sealed.problem or "")
