"""Certificates and keys to name in a configuration."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)


@dataclass(frozen=True)
class PemFiles:
    """Files by name: me.pem with me.key, both in both.pem, ca.pem, other.key and locked.key."""

    authority: trustme.CA
    contents: dict[str, bytes]

    def write(self, folder: Path) -> None:
        for name, content in self.contents.items():
            (folder / name).write_bytes(content)

    def expiring(self, moment: datetime) -> bytes:
        """A certificate, with its key, that expires at this moment."""
        return self.authority.issue_cert(
            "me", not_after=moment
        ).private_key_and_cert_chain_pem.bytes()


def made() -> PemFiles:
    authority = trustme.CA()
    mine, other = authority.issue_cert("sbc.example.com"), authority.issue_cert("other")
    key = mine.private_key_pem.bytes()
    locked = load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )
    return PemFiles(
        authority,
        {
            "ca.pem": authority.cert_pem.bytes(),
            "me.pem": mine.cert_chain_pems[0].bytes(),
            "me.key": key,
            "both.pem": mine.private_key_and_cert_chain_pem.bytes(),
            "other.key": other.private_key_pem.bytes(),
            "locked.key": locked,
        },
    )
