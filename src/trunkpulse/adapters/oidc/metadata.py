"""What a provider says of itself, where, and with which keys it signs (OpenID Connect Discovery).

Both are asked for when somebody first signs in, and again after an hour. A token that is signed
with a key that we have not seen has the keys read again at once, so the provider may change them
at any time; but not more often than once a minute, for anybody can send a token with such a key.
"""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, KeySet

from trunkpulse.adapters.oidc.asking import Asking, Json
from trunkpulse.adapters.oidc.errors import ProviderAway
from trunkpulse.ports import Clock

__all__ = ["Metadata", "Provider"]

GOOD_FOR_SECONDS: Final = 3600.0
KEYS_EVERY_SECONDS: Final = 60.0
MOST_KEYS: Final = 50
_DISCOVERY: Final = "/.well-known/openid-configuration"
_ASYMMETRIC: Final = frozenset({"RSA", "EC", "OKP"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """What of the discovery document counts."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    says_issuer: bool
    """It names itself when it sends the browser back (RFC 9207)."""
    takes_basic: bool
    """Our secret may stand in the Authorization header."""


class Provider:
    """One issuer; what it says is kept for a while."""

    def __init__(self, issuer: str, asking: Asking, clock: Clock) -> None:
        self.issuer = issuer
        self._asking = asking
        self._clock = clock
        self._turn = asyncio.Lock()
        self._metadata: tuple[Metadata, float] | None = None
        self._keys: tuple[KeySet, float] | None = None

    async def metadata(self) -> Metadata:
        """What it says of itself; raises ProviderAway."""
        async with self._turn:
            return await self._fresh_metadata()

    async def keys(self, key_id: str | None) -> KeySet:
        """The keys that it signs with, read again for one that is not among them yet.

        Raises ProviderAway.
        """
        async with self._turn:
            now = self._clock.monotonic()
            if self._keys is not None:
                keys, at = self._keys
                wanted = key_id is None or any(key.kid == key_id for key in keys)
                if now - at < (GOOD_FOR_SECONDS if wanted else KEYS_EVERY_SECONDS):
                    return keys
            metadata = await self._fresh_metadata()
            document = await self._asking.get(metadata.jwks_uri, "its keys")
            found = _keys_in(document)
            self._keys = found, now
            return found

    async def _fresh_metadata(self) -> Metadata:
        now = self._clock.monotonic()
        if self._metadata is not None and now - self._metadata[1] < GOOD_FOR_SECONDS:
            return self._metadata[0]
        url = self.issuer.rstrip("/") + _DISCOVERY
        document = await self._asking.get(url, "what it is")
        # Another issuer's document would let that one say who somebody is (Discovery 4.3).
        if document.get("issuer") != self.issuer:
            raise ProviderAway(
                "The OIDC provider calls itself something else than issuer under [oidc] does; "
                "write it exactly as the provider does."
            )
        methods = document.get("token_endpoint_auth_methods_supported")
        found = Metadata(
            authorization_endpoint=self._place(document, "authorization_endpoint"),
            token_endpoint=self._place(document, "token_endpoint"),
            jwks_uri=self._place(document, "jwks_uri"),
            says_issuer=document.get("authorization_response_iss_parameter_supported") is True,
            takes_basic=not isinstance(methods, list) or "client_secret_basic" in methods,
        )
        self._metadata = found, now
        return found

    def _place(self, document: Json, member: str) -> str:
        """A URL of the document; only a provider on this machine may do without TLS."""
        url = document.get(member)
        try:
            parts = urlsplit(url if isinstance(url, str) else "")
            host = parts.hostname or ""
        except ValueError:
            host = ""
            parts = urlsplit("")
        if not isinstance(url, str) or not host or not url.isascii() or not url.isprintable():
            raise ProviderAway(f"The OIDC provider says nothing usable as its {member}.")
        if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
            raise ProviderAway(f"The OIDC provider's {member} is not https, so it is not used.")
        return url


def _keys_in(document: Json) -> KeySet:
    """Those that can be used; what a newer provider has besides does no harm."""
    listed = document.get("keys")
    found: list[Key] = []
    for each in listed[:MOST_KEYS] if isinstance(listed, list) else []:
        if not isinstance(each, dict) or each.get("kty") not in _ASYMMETRIC:
            continue
        if each.get("use", "sig") != "sig":
            continue
        try:
            found.append(JWKRegistry.import_key(each))
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not found:
        raise ProviderAway("The OIDC provider shows no key that it could sign with.")
    return KeySet(found)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
