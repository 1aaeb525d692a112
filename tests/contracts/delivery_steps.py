"""What tests of deliveries do with a store: record, claim, end, list."""

from __future__ import annotations

from contracts.stores import NOW_MS, Store, commit_of
from trunkpulse.ports import (
    Delivery,
    DeliveryReport,
    DeliveryResult,
    DeliveryState,
)

LEASE_MS = 60_000
DAY_MS = 24 * 3600 * 1000


async def record(
    store: Store, trunk_id: str, *sequences: int, tell: str = "noc", at_ms: int | None = None
) -> None:
    commits = [commit_of(trunk_id, n, tell=[tell], at_ms=at_ms) for n in sequences]
    assert not await store.commit(commits)


async def claim(store: Store, stream_id: str = "noc", *, at_ms: int = NOW_MS) -> list[Delivery]:
    return await store.claim(stream_id, now_ms=at_ms, limit=100, lease_ms=LEASE_MS)


async def end(
    store: Store,
    result: DeliveryResult,
    *,
    stream_id: str = "noc",
    at_ms: int = NOW_MS,
    due_ms: int | None = None,
    attempt: int = 1,
) -> list[str]:
    """Claim what is due and have it end like this; the event ids."""
    claimed = await claim(store, stream_id, at_ms=at_ms)
    await store.settle(
        [
            DeliveryReport(
                delivery_id=each.id,
                stream_id=stream_id,
                result=result,
                at_ms=at_ms,
                due_ms=due_ms,
                detail="said so",
                attempt=attempt,
                duration_ms=12,
                request="POST /hook",
                response="503 try later",
            )
            for each in claimed
        ]
    )
    return [each.event_id for each in claimed]


async def deliver_all(store: Store, stream_id: str = "noc", *, at_ms: int = NOW_MS) -> list[str]:
    """Deliver until nothing is due; the event ids in the order in which they were sent."""
    sent: list[str] = []
    while now := await end(store, DeliveryResult.DELIVERED, stream_id=stream_id, at_ms=at_ms):
        sent += now
    return sent


async def listed(
    store: Store,
    stream_id: str = "noc",
    *,
    state: DeliveryState | None = None,
    trunk_id: str | None = None,
) -> list[str]:
    found = await store.deliveries(stream_id, state=state, trunk_id=trunk_id)
    return [each.event_id for each in found]
