"""The real vault, with a key that a test need not keep secret."""

from __future__ import annotations

from trunkpulse.adapters.keyring import Key, Keyring
from trunkpulse.adapters.vault import AesGcmVault

__all__ = ["a_vault"]


def a_vault(number: int = 1) -> AesGcmVault:
    """One whose key is its ``number``: what one of them seals, one of the same number opens."""
    return AesGcmVault(Keyring(lambda: (Key(number.to_bytes(32, "big")),)))
