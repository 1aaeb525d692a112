"""What is in doubt is looked at until it is known, however long the database is away."""

from __future__ import annotations

import asyncio

from trunkpulse.ports import StoreUnavailable
from trunkpulse.provisioning.settling import Settling
from virtual_time import run_virtual


class Doubt:
    """Something that cannot be known before the ``looks``th look."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.at: list[float] = []

    async def settle(self) -> None:
        self.at.append(asyncio.get_running_loop().time())
        if len(self.at) < self.looks:
            raise StoreUnavailable("the plug is pulled")


def pauses(doubt: Doubt) -> list[float]:
    return [round(after - before, 6) for before, after in zip(doubt.at, doubt.at[1:], strict=False)]


def test_it_is_looked_at_again_after_growing_pauses_and_then_let_be() -> None:
    async def story() -> None:
        settling, doubt = Settling(), Doubt(looks=8)
        running = asyncio.create_task(settling.run())
        settling.doubt(doubt.settle)
        await asyncio.sleep(3600)
        running.cancel()
        assert pauses(doubt) == [1, 2, 4, 8, 16, 30, 30]

    run_virtual(story)


def test_one_that_cannot_be_known_yet_does_not_hold_up_another() -> None:
    async def story() -> None:
        settling, stubborn, easy = Settling(), Doubt(looks=100), Doubt(looks=1)
        running = asyncio.create_task(settling.run())
        settling.doubt(stubborn.settle)
        settling.doubt(easy.settle)
        await asyncio.sleep(10)
        assert len(easy.at) == 1
        assert len(stubborn.at) > 1
        running.cancel()

    run_virtual(story)


def test_what_is_doubted_twice_is_looked_at_once() -> None:
    async def story() -> None:
        settling, doubt = Settling(), Doubt(looks=1)
        settle = doubt.settle
        settling.doubt(settle)
        settling.doubt(settle)
        running = asyncio.create_task(settling.run())
        await asyncio.sleep(10)
        assert len(doubt.at) == 1
        later = Doubt(looks=2)  # after there was nothing left to look at
        settling.doubt(later.settle)
        await asyncio.sleep(10)
        assert pauses(later) == [1]
        running.cancel()

    run_virtual(story)
