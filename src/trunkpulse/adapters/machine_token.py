"""The key under the mat: how commands on the machine itself get in, without a client of their own.

While the service runs, a file beside its database says where its API listens and holds a token
that may do everything. It is readable by its owner only, as the database is, and whoever may read
that could change everything anyway. The token is random at each start and lives in memory and in
this file; at the end the file is removed.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["MachineToken", "TokenFileUnreadable", "machine_token_file", "new_machine_token"]

_FILE: Final = "machine.token"
_USUAL_DATABASE: Final = "trunkpulse.db"
_PREFIX: Final = "tpm_"
_LARGEST_FILE_BYTES: Final = 4096


class TokenFileUnreadable(Exception):
    """The file is there and of no use; the message is one plain sentence for a person."""


def machine_token_file(database: Path) -> Path:
    """Where it is, for the service with this database."""
    if database.name == _USUAL_DATABASE:
        return database.with_name(_FILE)
    return database.with_name(f"{database.name}.{_FILE}")  # two may live in one folder


def new_machine_token() -> str:
    """256 random bits."""
    return _PREFIX + secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class MachineToken:
    """What the file says."""

    url: str
    """Where the API listens."""
    token: str = field(repr=False)
    certificate: str | None = None
    """The file of what it shows over TLS; it need not name this machine, nor be vouched for."""

    @contextlib.contextmanager
    def in_file(self, file: Path) -> Iterator[None]:
        """The file is there for as long as the block runs, whole at any moment; raises OSError."""
        draft = file.with_name(f".{file.name}.new")
        draft.unlink(missing_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="ascii") as stream:
            document = {"url": self.url, "token": self.token, "certificate": self.certificate}
            json.dump({key: value for key, value in document.items() if value}, stream)
        draft.replace(file)
        try:
            yield
        finally:
            file.unlink(missing_ok=True)

    @classmethod
    def read(cls, file: Path) -> MachineToken | None:
        """What ``file`` says; None if there is none. Raises TokenFileUnreadable."""
        try:
            with file.open("rb") as stream:
                content = stream.read(_LARGEST_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TokenFileUnreadable(
                f"The machine token {file} cannot be read ({error.strerror}); run this as the "
                "user that trunkpulse runs as, or give a token with --token."
            ) from error
        try:
            document = json.loads(content)
            url, token = document["url"], document["token"]
            certificate = document.get("certificate")
        except (ValueError, KeyError, TypeError):
            url = token = certificate = None
        if not isinstance(url, str) or not isinstance(token, str):
            raise TokenFileUnreadable(
                f"The machine token {file} is not one; it is written anew when trunkpulse starts."
            )
        return cls(url, token, certificate if isinstance(certificate, str) else None)
