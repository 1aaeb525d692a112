"""Secrets stand outside the configuration: in the environment or in a file of their own.

Nothing here puts a secret, or a text that may be one, into a message.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trunkpulse.config.wording import printable

__all__ = ["Secrets", "sip_password"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}")
_PREFIX = "whsec_"
_LONGEST_PASSWORD_CHARACTERS = 256
_LARGEST_FILE_BYTES = 64 * 1024
_OTHERS = 0o077
"""The permissions of everybody but the file's owner."""
_HOW_TO_WRITE_IT = (
    'must be written "env:NAME" (an environment variable) or "file:PATH" '
    "(a file that holds nothing else), never as the secret itself"
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """Finds the secrets that a configuration points at."""

    folder: Path
    """Of the configuration file; ``file:`` paths start here."""
    environ: Mapping[str, str] = field(repr=False)
    exposed_files: set[str] = field(default_factory=set)
    """The files read so far, as the configuration names them, that other users may open."""

    def resolve(self, pointer: str) -> str:
        """The secret that ``env:NAME`` or ``file:PATH`` stands for, without white space around.

        Raises ValueError with what is wrong, to be read after the key's name.
        """
        kind, _, place = pointer.partition(":")
        # A pasted secret may by chance, or by mistake, begin like a pointer.
        if place and not place.startswith(_PREFIX):
            if kind == "env" and _VARIABLE.fullmatch(place):
                return self._from_environment(place)
            if kind == "file":
                return self._from_file(place)
        raise ValueError(_HOW_TO_WRITE_IT)

    def _from_environment(self, name: str) -> str:
        value = self.environ.get(name)
        if value is None:
            raise ValueError(
                f"points at the environment variable {name}, which is not set; "
                "set it for this process"
            )
        if not value.strip():
            raise ValueError(
                f"points at the environment variable {name}, which is empty; give it the secret"
            )
        return value.strip()

    def _from_file(self, name: str) -> str:
        file = printable(name)
        try:
            with (self.folder / name).open("rb") as stream:
                if os.fstat(stream.fileno()).st_mode & _OTHERS:
                    self.exposed_files.add(file)
                content = stream.read(_LARGEST_FILE_BYTES + 1)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise ValueError(
                f"points at the file {file}, which cannot be read ({reason or 'not a path'}); "
                "check that it exists and that this user may read it"
            ) from None
        if len(content) > _LARGEST_FILE_BYTES:
            raise ValueError(f"points at the file {file}, which is too large to be a secret")
        try:
            value = content.decode().strip()
        except UnicodeDecodeError:
            raise ValueError(
                f"points at the file {file}, which is not text; write the secret as text"
            ) from None
        if not value:
            raise ValueError(f"points at the file {file}, which is empty; write the secret into it")
        return value


def sip_password(secret: str) -> str:
    """``secret`` itself if it can be a password of digest authentication; raises ValueError."""
    if not secret.isprintable() or len(secret) > _LONGEST_PASSWORD_CHARACTERS:
        raise ValueError(
            "points at a secret that is no password; it must be one line of at most "
            f"{_LONGEST_PASSWORD_CHARACTERS} printable characters"
        )
    return secret
