"""Tokens that were called back before their time, until that has come (RFC 7009)."""

from __future__ import annotations

import contextlib
from typing import Final

from trunkpulse.admission.errors import TooManyKept
from trunkpulse.admission.keeping import load_all
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore

__all__ = ["MOST_REVOKED", "MOST_REVOKED_BY_ONE", "RevokedTokens"]

MOST_REVOKED: Final = 100_000
MOST_REVOKED_BY_ONE: Final = 10_000
"""So that no client uses up what there is for all."""


class RevokedTokens:
    """The ids of tokens that are void although nothing about them says so."""

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._tokens: dict[str, tuple[str, int]] = {}
        """By id, whose it was and from when on it says itself that it is void."""
        self._of_client: dict[str, int] = {}

    def __contains__(self, token_id: str) -> bool:
        return token_id in self._tokens

    def __len__(self) -> int:
        return len(self._tokens)

    async def load(self) -> None:
        """Read what was kept; call once, before anybody asks."""
        kept = await load_all(self._store, DocumentKind.REVOKED_TOKEN, most=MOST_REVOKED)
        for each in sorted(kept, key=lambda each: each.expires_ms or 0):
            self._note(each.id, str(each.definition.get("client", "")), each.expires_ms or 0)
        self.forget_expired()

    async def revoke(self, token_id: str, client_id: str, expires_ms: int) -> None:
        """From now on the token is void; safe to repeat.

        Raises TooManyKept and StoreUnavailable.
        """
        if token_id in self._tokens:
            return
        self.forget_expired()
        if (
            len(self._tokens) >= MOST_REVOKED
            or self._of_client.get(client_id, 0) >= MOST_REVOKED_BY_ONE
        ):
            raise TooManyKept(
                "More tokens have been revoked than can be remembered; ask for fewer tokens, or "
                "take the client's secret away, which voids all of its tokens."
            )
        now_ms = self._now_ms()
        document = Document(
            kind=DocumentKind.REVOKED_TOKEN,
            id=token_id,
            definition={"client": client_id},
            created_ms=now_ms,
            changed_ms=now_ms,
            expires_ms=expires_ms,
        )
        with contextlib.suppress(DocumentChanged):  # somebody revoked it in the same moment
            await self._store.save_documents([document])
        if token_id not in self._tokens:
            self._note(token_id, client_id, expires_ms)

    def forget_expired(self) -> None:
        """Let go of those that nobody would take any more; the store drops them by itself."""
        now_ms = self._now_ms()
        while self._tokens:  # in the order, as good as, in which they expire
            token_id, (client_id, expires_ms) = next(iter(self._tokens.items()))
            if expires_ms >= now_ms:
                return
            del self._tokens[token_id]
            left = self._of_client[client_id] - 1
            if left:
                self._of_client[client_id] = left
            else:
                del self._of_client[client_id]

    def _note(self, token_id: str, client_id: str, expires_ms: int) -> None:
        self._tokens[token_id] = (client_id, expires_ms)
        self._of_client[client_id] = self._of_client.get(client_id, 0) + 1

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)
