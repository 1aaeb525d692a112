"""A new key for the secrets in the database, while nothing else uses it.

The key is added first and the secrets are sealed with it one stream after another, so a crash in
between leaves secrets of both keys, all of which open. Old keys stay: backups of the database need
them.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.keyring import Keyring, KeysUnusable
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.app.composition import CannotStart, alone_with, open_store
from trunkpulse.config import Config
from trunkpulse.events.keeping import resealed
from trunkpulse.ports import SecretUnreadable

__all__ = ["Rekeyed", "rekey"]


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
    finally:
        await store.close()
    return Rekeyed(
        key_id=key.id,
        file=keys.file,
        secrets=sum(len(stream.secrets) for stream in streams),
        streams=len(streams),
    )
