"""What can go wrong with a database, as sentences that say what to do.

StorageError        the database cannot be used as it is: a person must act
                    (wrong file, no permission, newer schema); raised by open
StoreUnavailable    the database refused this once: the caller keeps its work and retries
                    (``trunkpulse.ports``; disk full, locked, server gone)
"""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError

__all__ = ["StorageError", "cause"]


class StorageError(Exception):
    """The database cannot be used as it is, and trying again will not help."""


_SQLITE_CAUSES = {
    sqlite3.SQLITE_BUSY: "another program keeps it locked; stop that program",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; check the folder and its permissions",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore it from a backup",
    sqlite3.SQLITE_FULL: "the disk is full; free some space",
    sqlite3.SQLITE_IOERR: "the disk reports an error; check the disk",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked; stop that program",
    sqlite3.SQLITE_NOTADB: "the file is not a database; name another file",
    sqlite3.SQLITE_READONLY: "it is read-only; make the file and its folder writable",
}

_PRIMARY_CODE = 0xFF
"""SQLite's extended result codes carry the primary one in their lowest byte."""


def cause(error: Exception) -> str:
    """One phrase for a person: why the database refused, and what to do where that is known."""
    original = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(original, sqlite3.Error):
        # The driver's own errors, such as a closed connection, carry no code.
        code = getattr(original, "sqlite_errorcode", 0) & _PRIMARY_CODE
        if code in _SQLITE_CAUSES:
            return _SQLITE_CAUSES[code]
    if isinstance(original, OSError) and original.strerror:
        return original.strerror
    return " ".join(str(original).split())
