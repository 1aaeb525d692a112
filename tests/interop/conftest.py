"""The peers that tests ask for; each is gone when its test is over."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from interop.peers.kamailio import Kamailio, running_kamailio


@pytest.fixture
async def kamailio(tmp_path: Path) -> AsyncIterator[Kamailio]:
    """A Kamailio that answers OPTIONS."""
    async with running_kamailio(tmp_path / "kamailio") as far_side:
        yield far_side


@pytest.fixture
async def second_kamailio(tmp_path: Path) -> AsyncIterator[Kamailio]:
    """Another one, on an address of its own."""
    async with running_kamailio(tmp_path / "second-kamailio") as far_side:
        yield far_side
