"""Signing in by somebody else's word: OpenID Connect, its authorization code flow with PKCE."""

from __future__ import annotations

from trunkpulse.adapters.oidc.errors import NotProved, ProviderAway
from trunkpulse.adapters.oidc.provider import WAY_BACK_SECONDS, Departure, OidcProvider

__all__ = ["WAY_BACK_SECONDS", "Departure", "NotProved", "OidcProvider", "ProviderAway"]
