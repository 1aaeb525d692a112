"""The far ends of event streams, as a test of the API sees them."""

from __future__ import annotations

import asyncio

from trunkpulse.model import EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome, SinkAnswer


class Destinations:
    """The way to every destination: what was sent, and what is answered."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Delivery]] = []
        self.answer = SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="200 OK")
        self.hold: asyncio.Event | None = None
        """Nothing is answered before it is set."""
        self.came = asyncio.Event()

    def __call__(self, stream: EventStream) -> OneDestination:
        return OneDestination(self, stream.id)


class OneDestination:
    """One of them."""

    def __init__(self, all_: Destinations, stream_id: str) -> None:
        self._all = all_
        self._stream_id = stream_id

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        self._all.sent.append((self._stream_id, delivery))
        self._all.came.set()
        if self._all.hold is not None:
            await self._all.hold.wait()
        return self._all.answer

    async def close(self) -> None:
        """Nothing to release."""
