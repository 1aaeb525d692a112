"""A person who may be let in, and by which name they are known."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import Final

from trunkpulse.access.principal import UNLIMITED, Limits

__all__ = ["LONGEST_NAME_CHARACTERS", "User", "folded", "name_from"]

LONGEST_NAME_CHARACTERS: Final = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person with a name to sign in by."""

    id: str
    """Never given again, so nobody inherits what was another's."""
    name: str
    """To sign in by; two that differ in case alone are the same."""
    display_name: str | None = None
    email: str | None = None
    """By this address a provider's user is found who comes for the first time."""
    roles: tuple[str, ...] = ()
    """Ids of roles; they may do what any of them may."""
    limits: Limits = UNLIMITED
    enabled: bool = True
    password_hash: str | None = field(default=None, repr=False)
    """As argon2 writes it; None: they have none, and come by a provider."""
    must_change_password: bool = False
    """Until then they may do nothing else."""
    password_changed_ms: int | None = None
    """Never twice the same, so it tells one password from another."""
    password_ends_ms: int | None = None
    """From then on it lets nobody in; None: it is their own, and does not end."""
    subject: tuple[str, str] | None = None
    """The issuer and who it says they are; None: no provider knows them."""
    roles_by_provider: bool = False
    """Each time they sign in, their roles are those that the provider says."""
    networks: tuple[str, ...] = field(default=(), repr=False)
    """Where they have signed in, the last ones; guesses from elsewhere do not slow them there."""
    revision: int = 1
    created_ms: int = 0
    changed_ms: int = 0


def name_from(text: str) -> str:
    """``text`` as a name to sign in by, in one form; raises ValueError, to follow the key.

    Compatibility forms are one name (as with the profiles of RFC 8265), and it is one word, so
    that it can be given to a command and told apart in a log.
    """
    name = unicodedata.normalize("NFKC", text)
    if not 0 < len(name) <= LONGEST_NAME_CHARACTERS:
        raise ValueError(f"must have 1 to {LONGEST_NAME_CHARACTERS} characters")
    if not name.isprintable() or any(character.isspace() for character in name):
        raise ValueError("must be one word of printable characters")
    if name.startswith("-"):
        raise ValueError('must not begin with "-", which begins an option')
    return name


def folded(text: str) -> str:
    """What two names that are the same have in common."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
