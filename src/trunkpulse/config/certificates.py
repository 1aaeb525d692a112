"""The files of a ``tls`` table: whether they can be used, and until when.

What is tried here is what a connection will do with them, so that a wrong file is one sentence at
the start and not a handshake that fails at night. Keys are read and forgotten; nothing of their
content gets into a message.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography import x509

from trunkpulse.config.wording import printable

__all__ = ["Certificates", "TlsFiles", "expiry"]

_LARGEST_FILE_BYTES = 1024 * 1024
"""Ten times what a system's list of authorities takes."""


class TlsFiles(NamedTuple):
    """Absolute paths; None for what is not set."""

    cert_file: str | None = None
    key_file: str | None = None
    ca_file: str | None = None


class _Locked(Exception):
    """A private key asks for a password."""


class Certificates:
    """Tries files that ``tls`` tables name; the same ones only once, however many trunks share."""

    def __init__(self) -> None:
        self._known: dict[TlsFiles, tuple[tuple[str, str], ...]] = {}

    def problems(self, files: TlsFiles) -> tuple[tuple[str, str], ...]:
        """(key, what is wrong with it), to be read after the key's name; empty if all is well."""
        found = self._known.get(files)
        if found is None:
            found = self._known[files] = tuple(_problems(files))
        return found


def expiry(file: str) -> datetime | None:
    """When the first certificate in ``file`` expires (UTC); None if it can no longer be read."""
    try:
        return x509.load_pem_x509_certificate(Path(file).read_bytes()).not_valid_after_utc
    except (OSError, ValueError):
        return None


def _problems(files: TlsFiles) -> Iterator[tuple[str, str]]:
    if files.key_file is not None and files.cert_file is None:
        yield "key_file", "must stand beside cert_file, the certificate that it belongs to"
    if files.ca_file is not None:
        yield from _of_authorities(files.ca_file)
    if files.cert_file is not None:
        yield from _of_identity(files.cert_file, files.key_file)


def _of_authorities(file: str) -> Iterator[tuple[str, str]]:
    try:
        content = _read(file)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=content.decode())
    except OSError as error:
        # SSLError is an OSError too: it comes from the content.
        wrong = _holds_no("certificate", file) if isinstance(error, ssl.SSLError) else str(error)
        yield "ca_file", wrong
    except ValueError:
        yield "ca_file", _holds_no("certificate", file)


def _of_identity(cert_file: str, key_file: str | None) -> Iterator[tuple[str, str]]:
    unreadable = False
    for key, file in (("cert_file", cert_file), ("key_file", key_file)):
        if file is not None:
            try:
                content = _read(file)
                if key == "cert_file":
                    x509.load_pem_x509_certificates(content)
            except OSError as error:
                unreadable = True
                yield key, str(error)
            except ValueError:
                unreadable = True
                yield key, _holds_no("certificate", file)
    if not unreadable:
        yield from _of_key(cert_file, key_file)


def _of_key(cert_file: str, key_file: str | None) -> Iterator[tuple[str, str]]:
    """Whether the private key, wherever it is, opens what the certificate locks."""
    key, file = ("cert_file", cert_file) if key_file is None else ("key_file", key_file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert_file, file, _refuse_password)
    except _Locked:
        yield (
            key,
            (
                f"points at the file {printable(file)}, whose private key is locked with a"
                " password; store it without one, readable by this user alone"
            ),
        )
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            yield (
                key,
                (
                    f"points at the file {printable(file)}, whose private key does not belong to"
                    " the certificate; check which of them is of another pair"
                ),
            )
        elif key_file is None:
            yield (
                key,
                (
                    f"points at the file {printable(file)}, which holds no private key; name its"
                    " key in key_file"
                ),
            )
        else:
            yield key, _holds_no("private key", file)


def _read(file: str) -> bytes:
    """What stands in ``file``; raises OSError with a phrase for a person."""
    try:
        with Path(file).open("rb") as stream:
            content = stream.read(_LARGEST_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise OSError(
            f"points at the file {printable(file)}, which cannot be read "
            f"({reason or 'not a path'}); check that it exists and that this user may read it"
        ) from None
    if len(content) > _LARGEST_FILE_BYTES:
        raise OSError(
            f"points at the file {printable(file)}, which is larger than 1 MiB; "
            "check that it is the right one"
        )
    return content


def _holds_no(what: str, file: str) -> str:
    return f"points at the file {printable(file)}, which holds no {what} in PEM; convert it to that"


def _refuse_password() -> str:
    # Without this, OpenSSL would ask for the password on the terminal.
    raise _Locked
