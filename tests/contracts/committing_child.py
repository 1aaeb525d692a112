"""The victim of the kill test: commits as fast as it can and says what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from multiprocessing.connection import Connection
from pathlib import Path

from contracts.stores import commit_of, open_sqlite
from trunkpulse.ports import HealthStore

STREAMS = ("noc", "audit")
TRUNKS = tuple(f"trunk-{n}" for n in range(12))


def run(file: Path, seed: int, acknowledged: Connection) -> None:
    """Commit until killed; after each commit send its [(trunk id, sequence), …]."""
    asyncio.run(_commit_for_ever(file, seed, acknowledged))


async def _commit_for_ever(file: Path, seed: int, acknowledged: Connection) -> None:
    store = await open_sqlite(file)
    await store.release()
    loaded = await store.load()
    sequences = {trunk: loaded[trunk].sequence if trunk in loaded else 0 for trunk in TRUNKS}
    rng = random.Random(seed)
    # Two at once, so that a kill can also find one commit queued behind another.
    async with asyncio.TaskGroup() as group:
        for trunks in (TRUNKS[::2], TRUNKS[1::2]):
            group.create_task(_commit_some(store, trunks, sequences, rng, acknowledged))


async def _commit_some(
    store: HealthStore,
    trunks: tuple[str, ...],
    sequences: dict[str, int],
    rng: random.Random,
    acknowledged: Connection,
) -> None:
    while True:
        changing = rng.sample(trunks, rng.randint(1, len(trunks)))
        numbered = [(trunk, sequences[trunk] + 1) for trunk in changing]
        refused = await store.commit(
            [commit_of(trunk, number, tell=STREAMS) for trunk, number in numbered]
        )
        if refused:
            raise RuntimeError(f"Nobody else writes, yet these were refused: {sorted(refused)}.")
        sequences.update(numbered)
        acknowledged.send(numbered)
