"""What a node does now and then: old events go, the moments of good answers are kept."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence

from trunkpulse.admission.idempotency import KeptAnswers
from trunkpulse.ports import MachineClock, Store, StoreUnavailable
from trunkpulse.recorder import Recorder, TrunkRecord

__all__ = ["checkpoint", "prune"]

EVENTS_KEPT_SECONDS = 90 * 24 * 3600.0
PRUNE_EVERY_SECONDS = 3600.0
EXPIRED_BATCHES = 1000
"""Dropped each time at most; the rest an hour later."""
CHECKPOINT_SECONDS = 30.0
CHECKPOINT_TRUNKS = 250


async def prune(store: Store, clock: MachineClock, answers: KeptAnswers) -> None:
    """Events and settled deliveries are kept for 90 days; what is pending stays.

    What administrators made and has expired goes as well.
    """
    while True:
        await asyncio.sleep(PRUNE_EVERY_SECONDS)
        oldest_ms = int((clock.wall() - EVENTS_KEPT_SECONDS) * 1000)
        with contextlib.suppress(StoreUnavailable):  # an hour later is as good
            await store.prune(oldest_ms)
            answers.forget_expired()
            await _drop_expired(store, int(clock.wall() * 1000))


async def _drop_expired(store: Store, now_ms: int) -> None:
    """What has expired by now, some at a time."""
    for _ in range(EXPIRED_BATCHES):
        if not await store.drop_expired(now_ms):
            break


async def checkpoint(
    records: Callable[[], Mapping[str, TrunkRecord]],
    recorder: Recorder,
    some_ids: Callable[[int, int], Sequence[str]],
) -> None:
    """Have the moments of the last good answers outlive a crash, some trunks at a time.

    ``some_ids`` gives so many ids from a place in their order on.
    """
    after = 0
    while True:
        await asyncio.sleep(CHECKPOINT_SECONDS)
        present = records()
        trunk_ids = some_ids(after, CHECKPOINT_TRUNKS)
        for trunk_id in trunk_ids:
            record = present.get(trunk_id)
            if record is not None and recorder.available:
                recorder.enqueue(record)
        after = after + CHECKPOINT_TRUNKS if len(trunk_ids) == CHECKPOINT_TRUNKS else 0
