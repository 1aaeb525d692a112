"""How secrets rest in the database: sealed, with a key that is kept elsewhere."""

from __future__ import annotations

from typing import Protocol

__all__ = ["SecretUnreadable", "Vault"]


class SecretUnreadable(ValueError):
    """A sealed text cannot be opened; the message is one plain sentence for a person."""


class Vault(Protocol):
    """Seals texts. What is sealed for one place opens nowhere else."""

    def seal(self, text: str, about: str) -> str:
        """``text`` as printable ASCII that says nothing of it; each time another.

        ``about`` is the place that it is kept in, such as ``stream:noc:secret``.
        """

    def open(self, sealed: str, about: str) -> str:
        """What ``seal`` was given with the same ``about``; raises SecretUnreadable."""
