"""How people are let in, as the rest of the program sees it: checked, complete, frozen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["AccessSettings", "OidcSettings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """How people sign in."""

    first_administrator: str = "admin"
    """Who is made where there is nobody yet."""
    initial_password: str | None = field(default=None, repr=False)
    """Of the first administrator, until they come; None: one is made and printed once."""
    session_idle_seconds: float = 1800.0
    """A session ends after so long without a request."""
    session_seconds: float = 43_200.0
    """It ends after so long whatever happens."""
    sessions_per_user: int = 10
    """Beyond that the one that was used longest ago ends."""
    one_time_password_seconds: float = 259_200.0
    """A password that others gave somebody is good for so long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """The provider that people may sign in by (OpenID Connect)."""

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    """None: a public client; PKCE alone proves that it is we who come back."""
    display_name: str = "single sign-on"
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    roles_claim: str = "groups"
    """The claim that ``roles`` are looked up by."""
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By a value of that claim, the ids of our roles."""
    allow_signup: bool = False
    """Whoever has at least one role by that becomes a user when they first come."""
