"""The ``store`` that a contract is held against: every adapter in turn (a pytest plugin)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.stores import Shelf, Store, open_sqlite
from trunkpulse.adapters.storage.memory import MemoryStore


@pytest.fixture(params=["memory", "sqlite"])
async def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Shelf]:
    memory = MemoryStore()

    async def open_memory() -> Store:
        return memory

    async def open_file() -> Store:
        return await open_sqlite(tmp_path / "data" / "trunkpulse.db")

    openers = {"memory": open_memory, "sqlite": open_file}
    shelf = Shelf(openers[str(request.param)])
    yield shelf
    for store in shelf.opened:
        await store.close()


@pytest.fixture
async def store(shelf: Shelf) -> Store:
    return await shelf.open()
