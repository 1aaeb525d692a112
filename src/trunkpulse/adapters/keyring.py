"""The keys that secrets are sealed with: a file of their own, or the environment.

One key a line, 32 random bytes in base64. The last one seals, all of them open, so a new key is
added at the end and an old one may go once nothing is sealed with it any more. A key's id is part
of its hash: nobody has to name keys, and an id cannot be given to the wrong one.

The file is made when the first secret is sealed, readable by its owner only. It is put in its
place whole, under a lock, so that a crash leaves no half of it and two processes that do so at
once agree on one. It is read again for each secret that is sealed and for each key that is not
known yet: after a rotation nothing has to be restarted.
"""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

__all__ = ["FILE_VARIABLE", "KEYS_VARIABLE", "Key", "Keyring", "KeysUnusable"]

FILE_NAME: Final = "trunkpulse.key"
KEYS_VARIABLE: Final = "TRUNKPULSE_KEY"
"""The keys themselves, separated by white space."""
FILE_VARIABLE: Final = "TRUNKPULSE_KEY_FILE"
"""Where the file is, if not beside the database."""

KEY_BYTES: Final = 32
MOST_KEYS: Final = 100
_LARGEST_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = 0o007
_HEADER: Final = (
    "# Opens the secrets in the database of trunkpulse. The last key seals, all of them open.\n"
    "# Keep a copy away from this machine, and never together with one of the database.\n"
)


class KeysUnusable(Exception):
    """There are no keys to work with; the message is one plain sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """32 bytes for AES-256."""

    secret: bytes = field(repr=False)

    @property
    def id(self) -> str:
        """Names it in what it seals: eight hexadecimal digits."""
        return hashlib.sha256(b"trunkpulse key id\0" + self.secret).hexdigest()[:8]

    def written(self) -> str:
        """As it stands in the file."""
        return base64.b64encode(self.secret).decode()


class Keyring:
    """The keys, the last of which seals."""

    def __init__(self, read: Callable[[], Sequence[Key]], file: Path | None = None) -> None:
        self._read = read
        self.file = file
        """Where a new key can be added; None: only whoever set the keys can."""
        self._keys = tuple(read())

    @classmethod
    def of(cls, data: Path, environ: Mapping[str, str]) -> Keyring:
        """The keys of this process; raises KeysUnusable. Without any, one is made when needed.

        ``data`` is the folder of the database. Reads the disk.
        """
        if text := environ.get(KEYS_VARIABLE, "").strip():
            keys = _parsed(text, f"the environment variable {KEYS_VARIABLE}")
            return cls(lambda: keys)
        named = environ.get(FILE_VARIABLE, "").strip()
        file = Path(named) if named else data / FILE_NAME
        return cls(lambda: _from_file(file), file)

    def current(self) -> Key:
        """The key that seals, made now if there is none; raises KeysUnusable. Uses the disk."""
        self._keys = tuple(self._read())
        if self._keys:
            return self._keys[-1]
        return self._add(only_the_first=True)

    def find(self, key_id: str) -> Key | None:
        """The key of this id; None if it is not there. May read the disk; raises KeysUnusable."""
        if found := self._known(key_id):
            return found
        self._keys = tuple(self._read())
        return self._known(key_id)

    def rotate(self) -> Key:
        """Add a key, which seals from now on; raises KeysUnusable. Uses the disk."""
        return self._add(only_the_first=False)

    def _known(self, key_id: str) -> Key | None:
        return next((key for key in self._keys if key.id == key_id), None)

    def _add(self, *, only_the_first: bool) -> Key:
        if self.file is None:
            raise KeysUnusable(
                f"The keys come from {KEYS_VARIABLE}, where no new one can be written; add "
                f"{KEY_BYTES} random bytes in base64 at its end."
            )
        try:
            with _locked(self.file):
                keys = _from_file(self.file)
                if not (keys and only_the_first):
                    keys = (*keys, Key(secrets.token_bytes(KEY_BYTES)))
                    if len(keys) > MOST_KEYS:
                        raise KeysUnusable(_too_many(f"the key file {self.file}"))
                    _write(self.file, keys)
        except OSError as error:
            raise KeysUnusable(
                f"The key file {self.file} cannot be written ({error.strerror}); check its folder "
                "and permissions."
            ) from error
        self._keys = keys
        return keys[-1]


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Alone with ``file``, whoever else wants to write it."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = os.open(file.parent, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
        os.fsync(folder)  # so that the file's name is on the disk before anything is sealed
    finally:
        os.close(folder)


def _write(file: Path, keys: Sequence[Key]) -> None:
    draft = file.with_name(f".{file.name}.new")
    draft.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(draft, flags, 0o600), "w", encoding="ascii") as stream:
        stream.write(_HEADER + "".join(f"{key.written()}\n" for key in keys))
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(file)


def _from_file(file: Path) -> tuple[Key, ...]:
    """The keys of ``file``, none if it does not exist."""
    try:
        with file.open("rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            content = stream.read(_LARGEST_FILE_BYTES + 1)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeysUnusable(
            f"The key file {file} cannot be read ({error.strerror}); check its permissions."
        ) from error
    if mode & _OTHERS:
        raise KeysUnusable(
            f"The key file {file} is open to every user of this machine; close it with "
            f'"chmod 600 {file}".'
        )
    lines = content.decode("ascii", "replace").split("\n")
    text = "\n".join(line for line in lines if not line.startswith("#"))
    if len(content) > _LARGEST_FILE_BYTES or not text.strip():
        raise KeysUnusable(f"The key file {file} is not one; restore it from your copy.")
    return _parsed(text, f"the key file {file}")


def _parsed(text: str, where: str) -> tuple[Key, ...]:
    """The keys in ``text``, which is never repeated."""
    words = text.split()
    if len(words) > MOST_KEYS:
        raise KeysUnusable(_too_many(where))
    keys: list[Key] = []
    for number, word in enumerate(words, 1):
        try:
            secret = base64.b64decode(word, validate=True)
        except (binascii.Error, ValueError):
            secret = b""
        if len(secret) != KEY_BYTES:
            raise KeysUnusable(
                f"Key {number} in {where} is not {KEY_BYTES} bytes in base64; restore it from your "
                'copy, or make one with "openssl rand -base64 32".'
            )
        keys.append(Key(secret))
    return tuple(keys)


def _too_many(where: str) -> str:
    return f"There are more than {MOST_KEYS} keys in {where}; take out those that seal nothing."
