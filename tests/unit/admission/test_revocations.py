"""Tokens that were called back are remembered until they would have expired, and no longer."""

from __future__ import annotations

import pytest

from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission import revocations
from trunkpulse.admission.errors import TooManyKept
from trunkpulse.admission.revocations import RevokedTokens
from unit.http.api_parts import SetClock


def in_seconds(clock: SetClock, seconds: float) -> int:
    return int((clock.wall() + seconds) * 1000)


async def test_a_revoked_token_is_remembered_over_a_restart_until_it_has_expired() -> None:
    store, clock = MemoryDocuments(), SetClock()
    revoked = RevokedTokens(store, clock)
    await revoked.revoke("long", "c", in_seconds(clock, 60))
    await revoked.revoke("short", "c", in_seconds(clock, 10))
    await revoked.revoke("short", "c", in_seconds(clock, 10))
    clock.seconds += 30
    again = RevokedTokens(store, clock)
    await again.load()
    assert ("long" in again, "short" in again, len(again)) == (True, False, 1)
    clock.seconds += 31
    again.forget_expired()
    assert "long" not in again
    assert await store.drop_expired(in_seconds(clock, 0)) == 2  # nothing is kept for ever


async def test_no_client_uses_up_the_room_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(revocations, "MOST_REVOKED", 5)
    monkeypatch.setattr(revocations, "MOST_REVOKED_BY_ONE", 3)
    clock = SetClock()
    revoked = RevokedTokens(MemoryDocuments(), clock)
    for number in range(3):
        await revoked.revoke(f"a{number}", "a", in_seconds(clock, 60))
    with pytest.raises(TooManyKept):
        await revoked.revoke("a3", "a", in_seconds(clock, 60))
    await revoked.revoke("b0", "b", in_seconds(clock, 60))
    await revoked.revoke("b1", "b", in_seconds(clock, 60))
    with pytest.raises(TooManyKept):
        await revoked.revoke("c0", "c", in_seconds(clock, 60))
    clock.seconds += 61
    await revoked.revoke("a3", "a", in_seconds(clock, 60))
    assert len(revoked) == 1
