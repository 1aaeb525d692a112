from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from trunkpulse.adapters.http.api import trunk_index
from trunkpulse.adapters.turns import (
    GRACE_SECONDS,
    LOOK_SECONDS,
    OVERDUE_SECONDS,
    TURN_SECONDS,
    InTurn,
    Turns,
)
from unit.http.api_world import many, running


class LoopTurns:
    """Numbers the turns of the event loop, as a probe's timer would see them."""

    def __init__(self) -> None:
        self.number = 0
        self._loop = asyncio.get_running_loop()
        self._handle = self._loop.call_soon(self._next)

    def _next(self) -> None:
        self.number += 1
        self._handle = self._loop.call_soon(self._next)

    def stop(self) -> None:
        self._handle.cancel()


class Hand:
    """A clock that is set."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


async def test_only_one_has_its_turn_in_each_turn_of_the_loop_and_first_come_is_first() -> None:
    turns, loop_turns = Turns(), LoopTurns()
    called: list[tuple[int, int]] = []

    async def work(name: int) -> None:
        for _ in range(3):
            await turns.take()
            called.append((loop_turns.number, name))

    async with asyncio.TaskGroup() as tasks:
        for name in range(10):
            tasks.create_task(work(name))
    loop_turns.stop()
    moments = [moment for moment, _ in called]
    assert len(set(moments)) == 30
    assert [name for _, name in called] == [*range(10)] * 3


async def test_who_is_cancelled_while_waiting_holds_nobody_up() -> None:
    turns = Turns()
    first, second = (asyncio.create_task(turns.take()) for _ in range(2))
    await asyncio.sleep(0)
    assert len(turns) == 2
    first.cancel()
    await second
    assert len(turns) == 0
    assert first.cancelled() or await asyncio.wait([first])


async def test_work_goes_on_until_its_time_is_up() -> None:
    clock = Hand()
    turns, loop_turns = Turns(clock), LoopTurns()
    await turns.take()
    begun = loop_turns.number
    clock.seconds = TURN_SECONDS / 2
    await turns.give_way()
    assert loop_turns.number == begun
    clock.seconds = TURN_SECONDS
    await turns.give_way()
    given = loop_turns.number
    assert given > begun
    await turns.give_way()  # its time began anew
    assert loop_turns.number == given
    loop_turns.stop()


async def test_requests_begin_one_at_a_time() -> None:
    loop_turns = LoopTurns()
    begun: list[int] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        begun.append(loop_turns.number)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    door = InTurn(application, turns=Turns())
    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(door({"type": "http", "path": "/"}, receive, send))
    loop_turns.stop()
    assert len(set(begun)) == 20


class Probes:
    """Probes that are as late as is said."""

    def __init__(self) -> None:
        self.overdue_seconds = 0.0
        self.asked = asyncio.Event()

    def __call__(self) -> float:
        self.asked.set()
        return self.overdue_seconds


async def test_nobody_is_called_while_probes_are_overdue() -> None:
    clock, probes = Hand(), Probes()
    turns = Turns(clock, probes)
    probes.overdue_seconds = OVERDUE_SECONDS * 2
    clock.seconds = LOOK_SECONDS
    waiting = asyncio.create_task(turns.take())
    await probes.asked.wait()
    assert not waiting.done()
    probes.overdue_seconds = 0.0
    clock.seconds += LOOK_SECONDS
    await waiting


async def test_while_probes_stay_overdue_one_is_called_now_and_then() -> None:
    clock, probes = Hand(), Probes()
    turns = Turns(clock, probes)
    probes.overdue_seconds = OVERDUE_SECONDS * 2
    clock.seconds = LOOK_SECONDS
    called: list[int] = []

    async def work(name: int) -> None:
        await turns.take()
        called.append(name)

    async with asyncio.TaskGroup() as tasks:
        first, second = (tasks.create_task(work(name)) for name in range(2))
        await probes.asked.wait()
        assert called == []
        clock.seconds += GRACE_SECONDS
        await first
        assert called == [0]
        clock.seconds += GRACE_SECONDS
        await second


async def test_who_asks_whether_all_is_well_waits_for_nobody() -> None:
    clock, probes = Hand(), Probes()
    turns = Turns(clock, probes)
    probes.overdue_seconds = OVERDUE_SECONDS * 2
    clock.seconds = LOOK_SECONDS
    others = [asyncio.create_task(turns.take()) for _ in range(3)]
    await probes.asked.wait()
    answered = asyncio.Event()

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        answered.set()

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        raise AssertionError(message)

    await InTurn(application, turns=turns)({"type": "http", "path": "/readyz"}, receive, send)
    assert answered.is_set()
    assert not any(other.done() for other in others)
    probes.overdue_seconds = 0.0
    clock.seconds += LOOK_SECONDS
    await asyncio.gather(*others)


async def test_the_loop_turns_while_long_answers_are_put_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trunk_index, "SHELF", 64)
    async with running(trunks=many(1500)) as world:

        async def turns_for(path: str) -> int:
            loop_turns = LoopTurns()
            async with world.client() as http:
                answer = await http.get(path)
            loop_turns.stop()
            assert answer.status_code == 200
            return loop_turns.number

        quick = await turns_for("/healthz")
        clock = Hand()
        world.context.turns._clock = Impatient(clock)
        for path, steps in (
            ("/api/v2/telephony/trunks?limit=500", 500),
            ("/api/v2/telephony/trunks?state=DOWN", 20),
            ("/api/v2/telephony/trunks?q=no+such+trunk", 20),
            ("/api/v2/advice", 5),
            ("/metrics", 20),
        ):
            assert await turns_for(path) > quick + steps, path


class Impatient:
    """A clock by which every step has taken a turn's time."""

    def __init__(self, clock: Hand) -> None:
        self._clock = clock

    def __call__(self) -> float:
        self._clock.seconds += TURN_SECONDS
        return self._clock.seconds
