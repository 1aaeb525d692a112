"""Access tokens: signed texts that say which client asks, and for what (RFC 9068).

A token is taken only if everything about it is right: its type, the one algorithm there is, a key
of ours by its id, the signature, issuer, audience and time. Which key and algorithm to use is
never the token's choice: headers that bring a key along are refused, and ``none`` is no algorithm.

What a token says is what was true when it was made. What is true now is asked of the client, so
whatever is taken from it works at once: see ``adapters.http.api.gate``.

To verify a signature takes a quarter of a millisecond, and the same token comes with each request
of its client. So what the last tokens say is remembered by their digests, once it is proved;
whether the key, the issuer and the time are still right is looked at each time.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import GuestProtocol, OKPKey
from joserfc.jws import JWSRegistry

from trunkpulse.access import Permission, permission_of_scope
from trunkpulse.adapters.signing import ALGORITHM, LONGEST_TOKEN_SECONDS, SigningKey, SigningKeys
from trunkpulse.admission.clients import Client
from trunkpulse.ports import Clock

__all__ = [
    "AUDIENCE",
    "LEEWAY_SECONDS",
    "AccessToken",
    "AccessTokens",
    "IssuedToken",
    "TokenInvalid",
    "looks_like_jwt",
]

AUDIENCE: Final = "urn:trunkpulse:api"
TYPE: Final = "at+jwt"
LEEWAY_SECONDS: Final = 5
"""By so much the clocks of two machines may differ that sign with the same keys."""
LONGEST_CHARACTERS: Final = 4096
MOST_REMEMBERED: Final = 4096
"""Tokens whose signature need not be verified again; some 2 KiB each."""
_HEADERS: Final = {"typ", "alg", "kid"}
_registry = JWSRegistry(algorithms=[ALGORITHM])


class TokenInvalid(Exception):
    """It proves nothing; the message is one phrase for a person, and repeats nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuedToken:
    """What a client gets."""

    text: str
    expires_in_seconds: int
    permissions: frozenset[Permission]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """What a token says, all of it proved."""

    id: str
    client_id: str
    generation: int
    permissions: frozenset[Permission]
    expires_ms: int
    """From then on it is void; the leeway is in it already."""


class _Verified(NamedTuple):
    """What a token says, and the key that signed it."""

    claims: Mapping[str, object]
    key: SigningKey


class AccessTokens:
    """Makes them and reads them."""

    def __init__(
        self,
        keys: SigningKeys,
        clock: Clock,
        *,
        issuer: Callable[[], str],
        lifetime_seconds: Callable[[], int],
    ) -> None:
        """Both callables are asked anew for each token."""
        self._keys = keys
        self._clock = clock
        self.issuer = issuer
        self._lifetime_seconds = lifetime_seconds
        self._verified: dict[bytes, _Verified] = {}
        """By the digest of the token, the one that came first before the others."""

    def issue(self, client: Client, permissions: Collection[Permission]) -> IssuedToken:
        """A token for ``client``; ``permissions`` are some of its own."""
        key = self._keys.signer()
        lifetime = min(self._lifetime_seconds(), LONGEST_TOKEN_SECONDS)
        now = int(self._clock.wall())
        claims: dict[str, object] = {
            "iss": self.issuer(),
            "aud": AUDIENCE,
            "sub": client.id,  # RFC 9068 2.2: no person is involved
            "client_id": client.id,
            "scope": " ".join(sorted(each.scope for each in permissions)),
            "jti": secrets.token_urlsafe(16),
            "iat": now,
            "exp": now + lifetime,
            "generation": client.generation,
        }
        header = {"typ": TYPE, "alg": ALGORITHM, "kid": key.id}
        text = jwt.encode(header, claims, key.jwk, registry=_registry, default_type=None)
        return IssuedToken(
            text=text, expires_in_seconds=lifetime, permissions=frozenset(permissions)
        )

    def read(self, text: str) -> AccessToken:
        """What the token says; raises TokenInvalid."""
        if len(text) > LONGEST_CHARACTERS:
            raise TokenInvalid("it is longer than any token of this service")
        claims = self._claims_of(text)
        if claims.get("iss") != self.issuer() or claims.get("aud") != AUDIENCE:
            raise TokenInvalid("it is for another service")
        return self._proved(claims)

    def _claims_of(self, text: str) -> Mapping[str, object]:
        """What the token says, its signature proved with a key that is still in use."""
        digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
        known = self._verified.get(digest)
        if known is not None and self._keys.verifier(known.key.id) is known.key:
            return known.claims
        verified = self._verify(text)
        if known is None and len(self._verified) >= MOST_REMEMBERED:
            del self._verified[next(iter(self._verified))]
        self._verified[digest] = verified
        return verified.claims

    def _verify(self, text: str) -> _Verified:
        keys: list[SigningKey] = []

        def find_key(signed: GuestProtocol) -> OKPKey:
            keys.append(self._key_of(signed))
            return keys[-1].jwk

        try:
            token = jwt.decode(text, find_key, registry=_registry)
        except (JoseError, ValueError) as error:
            # All of what joserfc and JSON find wrong; what it was helps only whoever forges.
            raise TokenInvalid("it was not signed by this service") from error
        return _Verified(token.claims, keys[-1])

    def _key_of(self, signed: GuestProtocol) -> SigningKey:
        header = signed.headers()
        if set(header) != _HEADERS or header["typ"] != TYPE:
            raise TokenInvalid("it is no access token of this service")
        key = self._keys.verifier(header["kid"])
        if key is None:
            raise TokenInvalid("the key that signed it is not in use any more")
        return key

    def _proved(self, claims: Mapping[str, object]) -> AccessToken:
        """What the claims say, once the signature says that we made them."""
        issued, expires = claims.get("iat"), claims.get("exp")
        client_id, token_id = claims.get("client_id"), claims.get("jti")
        generation, scope = claims.get("generation"), claims.get("scope")
        if (
            not isinstance(issued, int)
            or not isinstance(expires, int)
            or not isinstance(generation, int)
            or not isinstance(client_id, str)
            or not isinstance(token_id, str)
            or not isinstance(scope, str)
        ):
            raise TokenInvalid("it is no access token of this service")
        now = self._clock.wall()
        if now >= expires + LEEWAY_SECONDS:
            raise TokenInvalid("it has expired")
        if now < issued - LEEWAY_SECONDS:
            raise TokenInvalid("it is from the future; check the clocks")
        permissions = (permission_of_scope(each) for each in scope.split())
        return AccessToken(
            id=token_id,
            client_id=client_id,
            generation=generation,
            permissions=frozenset(each for each in permissions if each is not None),
            expires_ms=(expires + LEEWAY_SECONDS) * 1000,
        )


def looks_like_jwt(text: str) -> bool:
    """True if it is built like one (RFC 7519): three parts."""
    return text.count(".") == 2
