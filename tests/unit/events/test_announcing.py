"""What is decided about the prober is recorded once, in order, whenever the database is there."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from structlog.testing import capture_logs

from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.announcing import PENDING_LIMIT, Announcements
from trunkpulse.events.prober_envelope import decode_prober
from trunkpulse.model import IsolationEvidence, IsolationRule, ProberEvent, ProberState
from trunkpulse.ports import StoreUnavailable
from virtual_time import run_virtual


class Plugged(MemoryStore):
    def __init__(self) -> None:
        super().__init__()
        self.away = False

    async def record_prober(self, event: ProberEvent, tell: Sequence[str]) -> bool:
        if self.away:
            raise StoreUnavailable("the database does not answer")
        return await super().record_prober(event, tell)


def event(number: int) -> ProberEvent:
    return ProberEvent(
        event_id=f"e-{number}",
        instance_id="edge-1",
        region="default",
        sequence=0,
        at_ms=number,
        state=ProberState.ISOLATED if number % 2 else ProberState.CONNECTED,
        evidence=IsolationEvidence(rule=IsolationRule.LINK, since_ms=0, problem="down"),
    )


async def recorded(store: MemoryStore) -> list[tuple[int, ProberState]]:
    events = [decode_prober(each.body) for each in await store.read(limit=1000)]
    return [(each.sequence, each.state) for each in events]


def test_nothing_is_lost_or_out_of_turn_while_the_database_is_away() -> None:
    async def story() -> None:
        store = Plugged()
        store.away = True
        announcements = Announcements(
            store, "edge-1", writing=asyncio.Lock(), recorded=lambda _: None
        )
        task = asyncio.create_task(announcements.run())
        for number in range(1, 2 * PENDING_LIMIT + 2):
            announcements.add(event(number))
        await asyncio.sleep(10)
        assert await recorded(store) == []
        store.away = False
        await announcements.flushed()
        found = await recorded(store)
        assert [sequence for sequence, _ in found] == list(range(1, len(found) + 1))
        assert found[-1][1] is ProberState.ISOLATED
        evidence = await announcements.isolation_on_record(7)
        assert evidence is not None
        assert (evidence.rule, evidence.since_ms) == (IsolationRule.LINK, 0)
        task.cancel()

    run_virtual(story)


def test_an_isolation_whose_event_is_gone_is_still_one_and_begins_now() -> None:
    async def story() -> None:
        store = MemoryStore()
        await store.record_prober(replace(event(1), sequence=1), [])
        announcements = Announcements(
            store, "edge-1", writing=asyncio.Lock(), recorded=lambda _: None
        )
        await store.prune(1_000)
        evidence = await announcements.isolation_on_record(2_000)
        assert evidence is not None
        assert (evidence.rule, evidence.since_ms) == (IsolationRule.RESTART, 2_000)

    run_virtual(story)


def test_the_log_says_what_is_done_and_how_long_it_was() -> None:
    async def story() -> None:
        announcements = Announcements(
            MemoryStore(), "edge-1", writing=asyncio.Lock(), recorded=lambda _: None
        )
        with capture_logs() as lines:
            announcements.add(event(1))
            announcements.add(replace(event(2), at_ms=90_000))
        isolated, restored = lines
        assert (isolated["event"], isolated["log_level"]) == ("prober.isolated", "warning")
        assert isolated["since"] == "1970-01-01T00:00:00+00:00"
        assert isolated["done"] == "states are held"
        assert (restored["event"], restored["log_level"]) == ("prober.restored", "info")
        assert (restored["isolated_for_seconds"], restored["rule"]) == (90.0, "LINK")

    run_virtual(story)
