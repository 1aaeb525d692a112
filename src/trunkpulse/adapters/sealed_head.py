"""Where the audit ended, sealed beside it: so entries that are missing at its end show.

A chain of digests says nothing of what is not there any more: without its last entries it is as
whole as before. So the position and digest of the newest entry are kept as a document that the
vault has sealed, anew about every second while entries are added, and when the service stops. The
key is not in the database; whoever may write there can neither make such a document nor have one
that speaks of fewer entries, unless they kept an old one. Against that, and against somebody who
takes away everything, helps what the log says (``Ledger.tell_head``), if it is kept elsewhere.

Entries are written first, so the chain may well be longer than what is sealed, and is never
shorter. Once it is shorter, or another one, nothing is sealed any more: a later entry does not
make the loss good, and each start and each verification goes on saying so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Final

import structlog
from pydantic import TypeAdapter, ValidationError

from trunkpulse.access.audit import START, Head
from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.admission.ledger import Ledger
from trunkpulse.ports import (
    AuditLog,
    Clock,
    Document,
    DocumentChanged,
    DocumentKind,
    DocumentStore,
    SecretUnreadable,
    StoreUnavailable,
    Vault,
)

__all__ = ["SealedHead"]

log = structlog.get_logger(__name__)

SEALED_EVERY_SECONDS: Final = 1.0
_ID: Final = "audit"
_NAME: Final = "head"
_ABOUT: Final = f"{DocumentKind.AUDIT_HEAD.value}:{_ID}:{_NAME}"
_head = TypeAdapter(Head)


class SealedHead:
    """See the module's opening. ``open`` it once, before anything is added to the audit."""

    def __init__(self, store: DocumentStore, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._kept: Document | None = None
        self._attempted: Head | None = None
        """What may have been sealed without our hearing of it."""
        self._told_of_keys = False
        self.head: Head | None = None
        """What is sealed; None: that cannot be told."""
        self.problem: str | None = None
        """What is wrong with the audit, as one clause; it stays."""

    async def open(self, audit: AuditLog) -> None:
        """Compare the chain with what is sealed; raises StoreUnavailable."""
        last = await audit.last_audit_entry()
        try:
            self.head = await self._load()
        except SecretUnreadable as problem:
            self._break(f"the sealed record of where it ends cannot be read ({problem})")
            return
        if self.head is None and last is None:
            with contextlib.suppress(KeysUnusable):  # told already; there may be a key later
                await self._save(START)
        elif self.head is None:
            self._break("the sealed record of where it ends is missing")
        else:
            await self._compare(audit, self.head, 0 if last is None else last.position)

    async def keep_up_with(self, ledger: Ledger) -> None:
        """Seal where the chain ends, again and again; never ends."""
        while True:
            await ledger.moved.wait()
            ledger.moved.clear()
            await self.catch_up_with(ledger)
            await asyncio.sleep(SEALED_EVERY_SECONDS)

    async def catch_up_with(self, ledger: Ledger) -> None:
        """Seal where the chain ends, if the database takes it and nothing is wrong."""
        head = ledger.head
        if head is None or head == self.head or self.problem is not None:
            return
        unheard = self._attempted
        try:
            if unheard is not None:
                await self._look_again(unheard)
            if self.problem is None:
                try:
                    await self._save(head)
                except DocumentChanged:
                    if unheard is None:
                        raise
                    # Given up while it was being written, and there only now.
                    await self._look_again(unheard)
                    if self.problem is None:
                        await self._save(head)
        except (StoreUnavailable, KeysUnusable):
            ledger.moved.set()  # told already; it is tried again
        except DocumentChanged:
            self._break("the sealed record of where it ends was changed by somebody else")

    # --- within ------------------------------------------------------------------------------

    async def _compare(self, audit: AuditLog, sealed: Head, end: int) -> None:
        if end < sealed.position:
            self._break(f"it ends at entry {end:,}, and had {sealed.position:,} when it was sealed")
            return
        if (first := await audit.read_audit(limit=1)) and first[0].position != 1:
            self._break(f"it begins at entry {first[0].position:,}")
            return
        if sealed == START:
            return
        found = await audit.read_audit(after=sealed.position - 1, limit=1)
        if not found or (found[0].position, found[0].digest) != (sealed.position, sealed.digest):
            self._break(f"entry {sealed.position:,} is not the one that was sealed")

    async def _look_again(self, attempted: Head) -> None:
        """Find out whether what was tried has been written."""
        known = self.head
        try:
            self.head = await self._load()
        except SecretUnreadable:
            self.head = None
        self._attempted = None
        if self.head not in (known, attempted):
            self._break("the sealed record of where it ends was changed by somebody else")

    async def _load(self) -> Head | None:
        found = await self._store.load_documents(DocumentKind.AUDIT_HEAD, limit=1)
        self._kept = found[0] if found else None
        if self._kept is None:
            return None
        sealed = self._kept.secrets.get(_NAME, "")
        try:
            return _head.validate_json(self._vault.open(sealed, _ABOUT))
        except ValidationError:
            raise SecretUnreadable("It was written by another version.") from None

    async def _save(self, head: Head) -> None:
        text = json.dumps({"position": head.position, "digest": head.digest})
        try:
            sealed = self._vault.seal(text, _ABOUT)
        except KeysUnusable as problem:
            if not self._told_of_keys:
                self._told_of_keys = True
                log.error("audit.not_sealed", problem=str(problem))
            raise
        self._told_of_keys = False
        now_ms = int(self._clock.wall() * 1000)
        before = self._kept
        document = Document(
            kind=DocumentKind.AUDIT_HEAD,
            id=_ID,
            definition={},
            secrets={_NAME: sealed},
            revision=1 if before is None else before.revision + 1,
            created_ms=now_ms if before is None else before.created_ms,
            changed_ms=now_ms,
        )
        self._attempted = head
        await self._store.save_documents([document])
        self._attempted = None
        self._kept = document
        self.head = head

    def _break(self, problem: str) -> None:
        self.problem = problem
        log.error("audit.broken", problem=problem)
