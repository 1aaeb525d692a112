"""Where the database is: the URL that a person wrote, as the driver wants it.

A SQLite file is created here, readable by its owner only, before SQLite sees it: what is in
the way is found while it can still be said plainly.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from trunkpulse.adapters.storage.errors import StorageError

__all__ = ["Place", "locate", "prepare"]

_DRIVERS = {
    "sqlite": "sqlite+aiosqlite",
    "postgresql": "postgresql+asyncpg",
    "postgres": "postgresql+asyncpg",
}
_SQLITE_HEADER = b"SQLite format 3\0"
"""The first bytes of every SQLite database (sqlite.org/fileformat.html, 1.3)."""


@dataclass(frozen=True, slots=True)
class Place:
    """A database that can be opened."""

    url: URL
    """With the asynchronous driver filled in."""
    file: Path | None
    """The SQLite file; None for a server."""

    def __str__(self) -> str:
        """How messages name it: the file, or the URL with its password hidden."""
        return str(self.file) if self.file else self.url.render_as_string(hide_password=True)


def locate(url: str) -> Place:
    """Read the ``storage.url`` of a configuration; raises StorageError if it makes no sense."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise StorageError(
            f"{url!r} is not a database URL; write sqlite:///FILE or postgresql://HOST/NAME."
        ) from error
    kind = parsed.get_backend_name()
    if kind not in _DRIVERS:
        raise StorageError(
            f"A database of kind {kind!r} is not supported; use sqlite:///FILE or"
            " postgresql://HOST/NAME."
        )
    resolved = parsed.set(drivername=_DRIVERS[kind])
    if kind != "sqlite":
        return Place(resolved, None)
    if not parsed.database or parsed.database == ":memory:":
        raise StorageError(f"{url!r} names no file to keep states in; write sqlite:///FILE.")
    return Place(resolved, Path(parsed.database))


def prepare(place: Place) -> None:
    """Make sure that the SQLite file is there and ours to write; raises StorageError.

    A missing folder is created for its owner alone (0700), a missing file likewise (0600); the
    permissions of what exists are its owner's business. Blocks on the disk.
    """
    if place.file is None:
        return
    try:
        place.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm files the permissions of this one.
        descriptor = os.open(place.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "rb") as file:
            header = file.read(len(_SQLITE_HEADER))
    except OSError as error:
        raise StorageError(
            f"The database {place} cannot be opened for writing: {error.strerror};"
            " check the folder and its permissions."
        ) from error
    if header and header != _SQLITE_HEADER:
        raise StorageError(f"The file {place} is not a SQLite database; name another file.")
