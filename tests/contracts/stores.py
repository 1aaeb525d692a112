"""What the store contracts share: the adapters under test, and commits to feed them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trunkpulse.adapters.storage.database import DatabaseStore
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.model import Destination, EventStream, Reason, StateChange, TargetState, TrunkState
from trunkpulse.ports import HealthCommit, StoredHealth, StoredTarget

Store = MemoryStore | DatabaseStore

NOW_MS = 1_700_000_000_000


class StillClock:
    """A clock that a test sets; nothing in these tests depends on time passing."""

    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return NOW_MS / 1000


@dataclass
class Shelf:
    """Opens the one store of a test, again and again, as a program does at each start."""

    opener: Callable[[], Awaitable[Store]]
    opened: list[Store] = field(default_factory=list)

    async def open(self) -> Store:
        store = await self.opener()
        self.opened.append(store)
        return store

    async def reopen(self) -> Store:
        await self.opened[-1].close()
        return await self.open()


def url_of(file: Path) -> str:
    return f"sqlite:///{file}"


async def open_sqlite(file: Path, *, instance_id: str = "edge-1") -> DatabaseStore:
    return await DatabaseStore.open(url_of(file), instance_id=instance_id, clock=StillClock())


def change_of(trunk_id: str, sequence: int, *, at_ms: int | None = None) -> StateChange:
    """Odd sequences are failures, even ones recoveries."""
    failed = sequence % 2 == 1
    return StateChange(
        event_id=f"{trunk_id}-{sequence}",
        trunk_id=trunk_id,
        trunk_name=f"Trunk {trunk_id}",
        sequence=sequence,
        at_ms=NOW_MS + sequence if at_ms is None else at_ms,
        previous_state=TrunkState.AVAILABLE if failed else TrunkState.DOWN,
        state=TrunkState.DOWN if failed else TrunkState.AVAILABLE,
        reason=Reason.KEEPALIVE_FAILURE if failed else Reason.KEEPALIVE_RESTORED,
        failed_attempts=3 if failed else 0,
        last_success_ms=NOW_MS - 1,
        instance_id="edge-1",
        region="us-east",
    )


def commit_of(
    trunk_id: str,
    sequence: int,
    *,
    tell: Sequence[str] = (),
    opened: Sequence[str] = (),
    closed: Sequence[str] = (),
    at_ms: int | None = None,
) -> HealthCommit:
    change = change_of(trunk_id, sequence, at_ms=at_ms)
    down = change.state is TrunkState.DOWN
    return HealthCommit(
        health=StoredHealth(
            trunk_id=trunk_id,
            state=change.state,
            reason=change.reason,
            sequence=sequence,
            since_ms=change.at_ms,
            admin_enabled=True,
            targets=(
                StoredTarget(
                    f"sip:{trunk_id}.example.com",
                    TargetState.DOWN if down else TargetState.AVAILABLE,
                    change.last_success_ms,
                ),
            ),
        ),
        change=change,
        tell=tuple(tell),
        opened=tuple(opened),
        closed=tuple(closed),
    )


def stream(stream_id: str) -> EventStream:
    destination = Destination(type="webhook", url="http://127.0.0.1:9/hook")
    return EventStream(id=stream_id, name=stream_id, destination=destination)
