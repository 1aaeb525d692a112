"""A new key for the secrets in the database, while nothing else uses it.

The key is added first and the secrets are sealed with it one stream or document after another, so
a crash in between leaves secrets of both keys, all of which open. Old keys stay: backups of the
database need them.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.keyring import Keyring, KeysUnusable
from trunkpulse.adapters.sealed_head import SealedHead
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.admission.ledger import Ledger
from trunkpulse.app.bookkeeping import note_new_key
from trunkpulse.app.data import alone_with, open_store
from trunkpulse.app.errors import CannotStart
from trunkpulse.config import Config
from trunkpulse.events.keeping import resealed
from trunkpulse.ports import Document, DocumentKind, SecretUnreadable

__all__ = ["Rekeyed", "rekey"]

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Rekeyed:
    """What came of it."""

    key_id: str
    """Of the key that seals now."""
    file: Path | None
    """Where it is; None: in the environment, where whoever set it has put it."""
    secrets: int
    """So many are sealed with it now, and with no other."""
    streams: int
    """Of so many event streams."""
    others: int
    """And of so many other things: trunks with passwords, keys that sign tokens."""


async def rekey(config: Config, data: Path) -> Rekeyed:
    """Add a key, unless the environment holds them, and seal every secret with the last one.

    ``data`` is the folder of the database if the configuration names none. Raises CannotStart for
    what is missing, another trunkpulse on the same database among it; then no secret is lost.
    """
    database = config.storage.database(data)
    with alone_with(database):
        try:
            return await _rekey(config, database)
        except (KeysUnusable, SecretUnreadable) as problem:
            raise CannotStart(str(problem)) from problem


async def _rekey(config: Config, database: Path) -> Rekeyed:
    keys = Keyring.of(database.parent, os.environ)
    store = await open_store(database, config.instance.id, SystemClock())
    try:
        key = await asyncio.to_thread(keys.current if keys.file is None else keys.rotate)
        vault = AesGcmVault(keys)
        streams = await store.load_streams()
        for stream in streams:
            await store.save_stream(resealed(stream, vault.reseal))
        others = [each async for each in _with_secrets(store)]
        for document in others:
            await store.save_documents([_resealed(document, vault)])
        ledger, sealed = Ledger(store, SystemClock()), SealedHead(store, vault, SystemClock())
        await sealed.open(store)
        await note_new_key(ledger, key.id)
        await sealed.catch_up_with(ledger)
    finally:
        await store.close()
    return Rekeyed(
        key_id=key.id,
        file=keys.file,
        secrets=sum(len(stream.secrets) for stream in streams)
        + sum(len(document.secrets) for document in others),
        streams=len(streams),
        others=len(others),
    )


async def _with_secrets(store: DatabaseStore) -> AsyncIterator[Document]:
    for kind in DocumentKind:
        if kind in (DocumentKind.IDEMPOTENT_ANSWER, DocumentKind.AUDIT_HEAD):
            continue  # gone within a day; sealed anew with the next entry. The old key opens both
        after = ""
        while page := await store.load_documents(kind, after=after, limit=_PAGE):
            for each in page:
                if each.secrets:
                    yield each
            after = page[-1].id


def _resealed(document: Document, vault: AesGcmVault) -> Document:
    """Each secret is sealed for the place KIND:ID:NAME, whoever put it there."""
    return replace(
        document,
        secrets={
            name: vault.reseal(sealed, f"{document.kind.value}:{document.id}:{name}")
            for name, sealed in document.secrets.items()
        },
        revision=document.revision + 1,
    )
