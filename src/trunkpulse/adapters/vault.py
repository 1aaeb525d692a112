"""Secrets at rest: AES-256 in Galois/Counter Mode (NIST SP 800-38D), keys kept apart.

Against whom: whoever gets hold of the database alone (a copy, a backup, a disk that is sold). Not
against whoever has this machine, where the key is too.

A sealed text is ``v1.KEY.DATA``: the id of its key, then nonce, ciphertext and tag in base64. The
nonce is random; a key may seal 2^32 texts before two nonces meet with a chance worth speaking of,
and one seals a few thousand. Authenticated with it are the version, the key and the place that it
is kept in, so a sealed text that is copied to another stream or field does not open there: a
stream of one's own with somebody else's sealed token would be a way to have it sent to oneself.

Before it is sealed a text is padded to full blocks (ISO/IEC 7816-4), so that its length does not
tell a token of one kind from that of another.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkpulse.adapters.keyring import Key, Keyring, KeysUnusable
from trunkpulse.ports.secrets import SecretUnreadable

__all__ = ["AesGcmVault"]

NONCE_BYTES: Final = 12
BLOCK_BYTES: Final = 128
"""Texts up to one byte less look alike; so does each further block."""
_VERSION: Final = "v1"
_SEALED: Final = re.compile(rf"{_VERSION}\.([0-9a-f]{{8}})\.([A-Za-z0-9_=-]+)")
_END: Final = b"\x80"


class AesGcmVault:
    """``ports.secrets.Vault``, its keys from a ``Keyring``."""

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def seal(self, text: str, about: str) -> str:
        """See the port; with the keyring's current key. Raises KeysUnusable if there is none."""
        key = self._keys.current()
        nonce = os.urandom(NONCE_BYTES)
        plain = text.encode() + _END
        plain += bytes(-len(plain) % BLOCK_BYTES)
        sealed = AESGCM(key.secret).encrypt(nonce, plain, _bound_to(key, about))
        return f"{_VERSION}.{key.id}.{base64.urlsafe_b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, about: str) -> str:
        """See the port."""
        found = _SEALED.fullmatch(sealed)
        if found is None:
            raise SecretUnreadable(
                f"The secret of {about} in the database is damaged; set it again."
            )
        key_id, data = found.groups()
        key = self._key(key_id, about)
        try:
            raw = base64.urlsafe_b64decode(data)
            plain = AESGCM(key.secret).decrypt(
                raw[:NONCE_BYTES], raw[NONCE_BYTES:], _bound_to(key, about)
            )
        except (binascii.Error, ValueError, InvalidTag):
            raise SecretUnreadable(
                f"The secret of {about} in the database was changed by somebody else or belongs "
                "elsewhere; set it again."
            ) from None
        return plain[: plain.rindex(_END)].decode()

    def reseal(self, sealed: str, about: str) -> str:
        """The same secret sealed with the current key; ``sealed`` itself if it already is."""
        if sealed.startswith(f"{_VERSION}.{self._keys.current().id}."):
            return sealed
        return self.seal(self.open(sealed, about), about)

    def _key(self, key_id: str, about: str) -> Key:
        try:
            key = self._keys.find(key_id)
        except KeysUnusable as problem:
            raise SecretUnreadable(str(problem)) from problem
        if key is None:
            raise SecretUnreadable(
                f"The secret of {about} was sealed with the key {key_id}, which is not among the "
                "keys of this process; restore that key from your copy, or make anew what the "
                "secret is of."
            )
        return key


def _bound_to(key: Key, about: str) -> bytes:
    return f"trunkpulse secret\0{_VERSION}\0{key.id}\0{about}".encode()
