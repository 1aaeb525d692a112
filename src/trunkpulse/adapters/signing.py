"""The keys that access tokens are signed with: made, kept sealed, published, exchanged, forgotten.

A key goes through its life by the clock alone, so nothing has to be done in the right moment:

    published ── lead ──► signs ── until the next one does ──► verifies ── a token's life ──► gone

A new key is in ``/oauth/jwks`` for ``LEAD_SECONDS`` before it signs, longer than anybody may keep
a copy of that list, and an old one is known until the last token that it signed has expired. So
keys are exchanged without an outage. A key is exchanged after 90 days by itself, or when somebody
asks for it. If one has got into the wrong hands, the new key signs at once and all others are
forgotten: every token is void then. The new one says at rest which ones those are, so none of them
comes back with a restart, whether or not the database could be rid of them at that moment.

Ed25519 (RFC 8032) under its own name in JOSE (RFC 9864), which says the curve too; the older name
EdDSA stands for two curves.

At rest a key is sealed, the public half too: whoever could write to the database could else put in
a key of their own. A key that does not open (the key file was lost) is replaced by a new one; the
tokens that it signed are void.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.admission.keeping import load_all
from trunkpulse.ports import (
    Clock,
    Document,
    DocumentKind,
    DocumentStore,
    SecretUnreadable,
    Vault,
)

__all__ = [
    "ALGORITHM",
    "JWKS_MAX_AGE_SECONDS",
    "LEAD_SECONDS",
    "LONGEST_TOKEN_SECONDS",
    "ROTATION_SECONDS",
    "SigningKey",
    "SigningKeys",
]

log = structlog.get_logger(__name__)

ALGORITHM: Final = "Ed25519"
ROTATION_SECONDS: Final = 90 * 24 * 3600
JWKS_MAX_AGE_SECONDS: Final = 300
"""For so long others may keep what ``/oauth/jwks`` said."""
LEAD_SECONDS: Final = 2 * JWKS_MAX_AGE_SECONDS
LONGEST_TOKEN_SECONDS: Final = 3600
"""No token lives longer, whatever is configured."""
_GRACE_SECONDS: Final = 60
_MOST_KEYS: Final = 100
_INSTEAD_OF: Final = "instead_of"
"""The ids of keys that are void since this one is there."""
_SECRET: Final = "jwk"  # noqa: S105 - the name under which it is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """One of them."""

    id: str
    """The ``kid`` of what it signs."""
    jwk: OKPKey = field(repr=False)
    created_ms: int
    signs_from_ms: int
    """Until another one's moment has come."""

    def public(self) -> dict[str, object]:
        """As it is published (RFC 7517)."""
        return {**self.jwk.as_dict(private=False)}


class SigningKeys:
    """See the module's opening."""

    def __init__(self, store: DocumentStore, vault: Vault, clock: Clock) -> None:
        self._store = store
        self._vault = vault
        self._clock = clock
        self._changing = asyncio.Lock()
        self._keys: list[SigningKey] = []
        """In the order in which they sign."""
        self._void: set[str] = set()
        """Ids of keys that are void, and may be in the store still."""

    async def load(self) -> None:
        """Read what was kept, and make a first key if there is none; call once.

        Raises StoreUnavailable and AdmissionRefused.
        """
        async with self._changing:
            kept = await load_all(self._store, DocumentKind.SIGNING_KEY, most=_MOST_KEYS)
            self._void = {void for each in kept for void in _void_since(each)}
            kept = [each for each in kept if each.id not in self._void]
            opened = [await self._opened(each) for each in kept]
            self._keys = sorted(
                (each for each in opened if each is not None), key=lambda each: each.signs_from_ms
            )
            lost = [each.id for each, key in zip(kept, opened, strict=True) if key is None]
            if self._signer() is None:
                await self._add(self._now_ms())
            self._void.update(lost)
            await self._drop_void()

    @property
    def published(self) -> tuple[SigningKey, ...]:
        """Those by which a token may be verified, in the order in which they sign."""
        now_ms = self._now_ms()
        return tuple(each for each in self._keys if not self._is_over(each, now_ms))

    def signer(self) -> SigningKey:
        """The one that signs now."""
        signer = self._signer()
        assert signer is not None, "not loaded"
        return signer

    def verifier(self, key_id: object) -> SigningKey | None:
        """The key of this id; None if there is none, or none any more."""
        for each in self._keys:
            if each.id == key_id:
                return None if self._is_over(each, self._now_ms()) else each
        return None

    async def rotate(self) -> SigningKey:
        """Publish a new key, which signs once everybody can know it; the one that waits already."""
        async with self._changing:
            return await self._renewed()

    async def replace_all(self) -> SigningKey:
        """Sign with a new key at once and forget all others: all tokens are void.

        Raises StoreUnavailable; repeat it then, or one of the others may come back with a restart.
        """
        async with self._changing:
            void = self._void.union(each.id for each in self._keys)
            key = await self._add(self._now_ms(), instead_of=void)
            self._keys, self._void = [key], void
            log.info("oauth.keys_replaced", kid=key.id)
            await self._drop_void()
            return key

    async def tend(self) -> None:
        """Exchange a key that has signed for long enough, forget what is over."""
        async with self._changing:
            now_ms = self._now_ms()
            if now_ms - self._keys[-1].signs_from_ms >= ROTATION_SECONDS * 1000:
                await self._renewed()
            over = [each.id for each in self._keys if self._is_over(each, now_ms)]
            self._keys = [each for each in self._keys if each.id not in over]
            self._void.update(over)
            await self._drop_void()

    async def _drop_void(self) -> None:
        if self._void:
            await self._store.drop_documents(DocumentKind.SIGNING_KEY, sorted(self._void))
            self._void.clear()

    async def _renewed(self) -> SigningKey:
        now_ms = self._now_ms()
        newest = self._keys[-1]
        if newest.signs_from_ms > now_ms:
            return newest
        key = await self._add(now_ms + LEAD_SECONDS * 1000)
        log.info("oauth.key_added", kid=key.id, signs_from_ms=key.signs_from_ms)
        return key

    async def _add(self, signs_from_ms: int, instead_of: Collection[str] = ()) -> SigningKey:
        key_id = secrets.token_hex(8)
        jwk = OKPKey.generate_key("Ed25519", {"kid": key_id, "use": "sig", "alg": ALGORITHM})
        key = SigningKey(id=key_id, jwk=jwk, created_ms=self._now_ms(), signs_from_ms=signs_from_ms)
        text = json.dumps(jwk.as_dict(private=True))
        try:
            sealed = await asyncio.to_thread(self._vault.seal, text, _about(key_id))
        except KeysUnusable as problem:
            log.warning(
                "oauth.key_not_kept",
                problem=f"{problem} Until then the key that signs access tokens is kept in memory "
                "only, and the next start makes all tokens void.",
            )
        else:
            await self._store.save_documents(
                [
                    Document(
                        kind=DocumentKind.SIGNING_KEY,
                        id=key_id,
                        definition={
                            "signs_from_ms": signs_from_ms,
                            _INSTEAD_OF: sorted(instead_of),
                        },
                        secrets={_SECRET: sealed},
                        created_ms=key.created_ms,
                        changed_ms=key.created_ms,
                    )
                ]
            )
        self._keys = sorted([*self._keys, key], key=lambda each: each.signs_from_ms)
        return key

    async def _opened(self, document: Document) -> SigningKey | None:
        try:
            sealed = document.secrets.get(_SECRET, "")
            text = await asyncio.to_thread(self._vault.open, sealed, _about(document.id))
            jwk = OKPKey.import_key(json.loads(text))
        except (SecretUnreadable, JoseError, ValueError) as problem:
            reason = str(problem) if isinstance(problem, SecretUnreadable) else "It is damaged."
            log.warning(
                "oauth.key_lost",
                kid=document.id,
                problem=f"A key that signs access tokens cannot be used, so the tokens that it "
                f"signed are void and clients have to get new ones. {reason}",
            )
            return None
        moment = document.definition.get("signs_from_ms")
        return SigningKey(
            id=document.id,
            jwk=jwk,
            created_ms=document.created_ms,
            signs_from_ms=moment if isinstance(moment, int) else document.created_ms,
        )

    def _signer(self) -> SigningKey | None:
        """The newest one whose moment has come."""
        now_ms = self._now_ms()
        return next((key for key in reversed(self._keys) if key.signs_from_ms <= now_ms), None)

    def _is_over(self, key: SigningKey, now_ms: int) -> bool:
        """True if all that it can have signed has expired."""
        after = (LONGEST_TOKEN_SECONDS + _GRACE_SECONDS) * 1000
        following = self._keys[self._keys.index(key) + 1 :]
        return any(each.signs_from_ms + after <= now_ms for each in following)

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _void_since(document: Document) -> Sequence[str]:
    """The ids of keys that this one took the place of."""
    named = document.definition.get(_INSTEAD_OF)
    return [each for each in named if isinstance(each, str)] if isinstance(named, list) else ()


def _about(key_id: str) -> str:
    return f"{DocumentKind.SIGNING_KEY.value}:{key_id}:{_SECRET}"
