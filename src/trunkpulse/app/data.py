"""What a trunkpulse keeps on this machine: its database, the keys to it, and nobody else at it."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.keyring import Keyring, KeysUnusable
from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.errors import StorageError
from trunkpulse.adapters.vault import AesGcmVault
from trunkpulse.app.errors import AlreadyRunning, CannotStart

__all__ = ["alone_with", "open_store", "open_vault"]


@contextlib.contextmanager
def alone_with(database: Path) -> Iterator[None]:
    """Keeps others off: two processes with one database would announce every change twice.

    Raises CannotStart if there is another already.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = Path(f"{database}.lock").open("w")  # noqa: SIM115 - closed by the block below
    except OSError as problem:
        raise CannotStart(
            f"The database {database} cannot have its folder: {problem.strerror or problem}; "
            "name a folder that this user may write to with --data or storage.url."
        ) from problem
    with file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(
                f"Another trunkpulse runs on {database}; stop it, or give this one a database of "
                "its own with storage.url or --data."
            ) from None
        yield


async def open_store(database: Path, instance_id: str, clock: SystemClock) -> DatabaseStore:
    """The database, created or brought up to date; raises CannotStart."""
    try:
        return await DatabaseStore.open(
            f"sqlite:///{database}", instance_id=instance_id, clock=clock
        )
    except StorageError as problem:
        raise CannotStart(str(problem)) from problem


def open_vault(data: Path) -> AesGcmVault:
    """What seals the secrets in the database, its keys from ``data`` or the environment."""
    try:
        return AesGcmVault(Keyring.of(data, os.environ))
    except KeysUnusable as problem:
        raise CannotStart(str(problem)) from problem
