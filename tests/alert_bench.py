"""What tests of the lane of alerts share: a destination of alerts, and what alerts go by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.board import Board
from trunkpulse.events.alert_book import AlertGrounds
from trunkpulse.events.maintenance import Maintenance
from trunkpulse.model import (
    AlertSettings,
    Destination,
    EventStream,
    Reason,
    StateChange,
    Trunk,
    TrunkState,
)
from trunkpulse.ports import (
    Alert,
    Delivery,
    DeliveryOutcome,
    HealthCommit,
    SinkAnswer,
    StoredHealth,
)

TAKEN = SinkAnswer(outcome=DeliveryOutcome.ACCEPTED, detail="202 Accepted")
LATER = SinkAnswer(outcome=DeliveryOutcome.TRY_LATER, detail="503 Service Unavailable")


class Pager:
    """A destination of alerts whose answers the test gives; it remembers what came."""

    def __init__(self) -> None:
        self.alerts: list[Alert] = []
        self.events: list[Delivery] = []
        self.takes_events = asyncio.Event()
        """While it is not set, nobody answers to an event by itself."""
        self.takes_events.set()
        self.answer: Callable[[Alert], Awaitable[SinkAnswer]] = self._take
        self.came = asyncio.Event()
        self.closed = False

    async def _take(self, _alert: Alert) -> SinkAnswer:
        return TAKEN

    async def tell(self, alert: Alert) -> SinkAnswer:
        self.alerts.append(alert)
        self.came.set()
        return await self.answer(alert)

    async def deliver(self, delivery: Delivery) -> SinkAnswer:
        await self.takes_events.wait()
        self.events.append(delivery)
        return TAKEN

    async def close(self) -> None:
        self.closed = True


class Surroundings:
    """The trunks and the maintenance that alerts go by."""

    def __init__(self, store: MemoryStore | DatabaseStore) -> None:
        self.trunks: dict[str, Trunk] = {}
        self.board = Board()
        self.ready = True
        self.maintenance = Maintenance(store, lambda: None)
        self.grounds = AlertGrounds(
            store=store,
            maintenance=self.maintenance,
            trunk=self.trunks.get,
            status=self.board.status,
            region="us-east",
            ready=lambda: self.ready,
        )

    def add(self, *trunk_ids: str, carrier: str | None = "acme") -> None:
        for trunk_id in trunk_ids:
            self.trunks[trunk_id] = Trunk(
                id=trunk_id,
                name=f"Trunk {trunk_id}",
                targets=(f"sip:{trunk_id}.example",),
                carrier=carrier,
            )


def alerting_stream(settings: AlertSettings | None = None, stream_id: str = "noc") -> EventStream:
    destination = Destination(type="pagerduty", url="https://pager.example/")
    return EventStream(
        id=stream_id,
        name=stream_id,
        destination=destination,
        alerts=settings or AlertSettings(),
    )


def told_commit(
    trunk_id: str, sequence: int, state: TrunkState, at_ms: int, *, stream_id: str = "noc"
) -> HealthCommit:
    """A trunk is in this state from now on, and the stream is told."""
    well = state is TrunkState.AVAILABLE
    change = StateChange(
        event_id=f"{trunk_id}-{sequence}",
        trunk_id=trunk_id,
        trunk_name=f"Trunk {trunk_id}",
        sequence=sequence,
        at_ms=at_ms,
        previous_state=TrunkState.DOWN if well else TrunkState.AVAILABLE,
        state=state,
        reason=Reason.KEEPALIVE_RESTORED if well else Reason.KEEPALIVE_FAILURE,
        failed_attempts=0 if well else 3,
        last_success_ms=None,
        instance_id="edge-1",
        region="us-east",
    )
    health = StoredHealth(
        trunk_id=trunk_id,
        state=state,
        reason=change.reason,
        sequence=sequence,
        since_ms=at_ms,
        admin_enabled=True,
    )
    return HealthCommit(health=health, change=change, tell=(stream_id,))
