"""kill -9 at a hundred moments: what anybody was told stays true, and nobody is told twice over.

Four installations, each with its own database, carriers and receivers, are killed side by side.
A moment of death is a count of things seen from outside (lines logged, OPTIONS, deliveries), so
that it falls anywhere from the first line of the program to deep in its work. Their processes are
forked from one that has imported the program: a hundred imports would take most of the time.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest

from nursery import nursery
from torture.ledger import Event, check_deliveries, check_history, check_states
from torture.peers import Carrier, Hook, World, world
from torture.service import Installation, Service, http, states, stream, trunk

SEED = 20261123
INSTALLATIONS = 4
KILLS = 25
"""Of each installation."""


def flapping(rng: random.Random) -> Iterator[bool]:
    up = True
    while True:
        for _ in range(rng.randint(1, 3)):
            yield up
        up = not up


class Reader:
    """Follows the event log over the API, through every life of the process."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self._cursor = "0"

    async def follow(self, service: Service) -> None:
        """Read each time that the process logs something; ends with the process."""
        with suppress(httpx2.TransportError):
            async with http(service) as client:
                while not service.has_ended:
                    lines = len(service.text)
                    await self.read(client)
                    await service.until_line(lines + 1)

    async def read(self, client: httpx2.AsyncClient) -> None:
        while True:
            answer = await client.get("/api/v2/events", params={"after": self._cursor})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            self.seen += page["entities"]
            self._cursor = page["nextCursor"]
            if not page["entities"]:
                return


class Victim:
    """An installation that is killed again and again while its carriers come and go."""

    def __init__(self, installation: Installation, outside: World, rng: random.Random) -> None:
        self.installation = installation
        self.outside = outside
        self.rng = rng
        self.reader = Reader()
        self.carriers: list[Carrier] = []
        self.trunks: list[str] = []

    async def prepare(self) -> None:
        self.carriers = [self.outside.carrier() for _ in range(6)]
        for carrier in self.carriers:
            carrier.script = flapping(self.rng)
        self.audit, self.noc = await self.outside.hook(), await self.outside.hook()
        *single, first, second = self.carriers
        targets = {f"single-{number}": [each.uri] for number, each in enumerate(single)}
        targets["pair"] = [first.uri, second.uri]
        self.trunks = list(targets)
        trunks = [trunk(trunk_id, *uris) for trunk_id, uris in targets.items()]
        self.installation.write(
            *trunks,
            stream("audit", self.audit.url),
            stream("noc", self.noc.url, reasons=None),
        )

    async def live_through(self, kills: int) -> None:
        await self.prepare()
        for _ in range(kills):
            await self.live_and_die()
        await self.end_calmly()

    async def live_and_die(self) -> None:
        service = await self.installation.spawn(self.outside.watch)
        reading: asyncio.Task[None] | None = None
        try:
            if self.rng.random() < 0.1:
                await service.until_logged("configuration.applied")  # dies before it is ready
            else:
                await service.until_logged("ready")
                reading = asyncio.create_task(self.reader.follow(service))
                count = self.rng.choice(self._counts(service))
                goal = count() + self.rng.randint(1, 12)
                await service.watch.until(
                    lambda: service.has_ended or count() >= goal, "the moment to die"
                )
            assert not service.has_ended, "\n".join(service.text)
        finally:
            if not service.has_ended:
                await service.kill()
            if reading is not None:
                await reading
        assert not service.logged("store.conflict")

    def _counts(self, service: Service) -> list[Callable[[], int]]:
        """What is counted down to a death."""
        return [
            lambda: len(service.logged("trunk.changed")),
            lambda: sum(len(carrier.asked) for carrier in self.carriers),
            lambda: len(self.audit.requests),
            lambda: self.noc.finished,
            lambda: len(self.reader.seen),
        ]

    async def end_calmly(self) -> None:
        """Two last lives: in one every carrier comes up, in the other nothing changes any more."""
        for carrier in self.carriers:
            carrier.script = None
            carrier.up = True
        async with self.installation.running(self.outside.watch) as service, http(service) as api:
            up = dict.fromkeys(self.trunks, "AVAILABLE")
            while True:
                lines = len(service.text)
                if await states(api) == up:
                    break
                await service.until_line(lines + 1)
            assert await service.end() == 0, "\n".join(service.text)
        events: list[Event] = [json.loads(body) for body in self.installation.events()]
        due = {
            self.audit: _ids(events),
            self.noc: _ids(filter(_is_for_the_noc, events)),
        }
        async with self.installation.running(self.outside.watch) as service, http(service) as api:
            await self.reader.read(api)
            while left := _missing(due):
                # However busy the machine is, there is progress.
                await self.outside.watch.until(
                    partial(_fewer_missing, due, left), f"another of {left} deliveries"
                )
            assert await states(api) == up
            assert await service.end() == 0, "\n".join(service.text)
            assert service.logged("trunk.changed") == []

    def check(self) -> None:
        log = self.installation.events()
        events: list[Event] = [json.loads(body) for body in log]
        check_history(events)
        check_states(
            events,
            self.installation.rows("SELECT trunk_id, state, sequence FROM trunk_health"),
        )
        assert self.installation.rows("PRAGMA integrity_check") == [("ok",)]
        assert self.installation.undelivered() == 0
        assert self.reader.seen == events
        assert len(events) > KILLS
        check_deliveries(log, self.audit.requests, events)
        check_deliveries(log, self.noc.requests, list(filter(_is_for_the_noc, events)))


def _missing(due: dict[Hook, set[str]]) -> int:
    return sum(len(ids - hook.told()) for hook, ids in due.items())


def _fewer_missing(due: dict[Hook, set[str]], than: int) -> bool:
    return _missing(due) < than


def _is_for_the_noc(event: Event) -> bool:
    """Its stream takes failures and the recoveries from them: all but the first good news."""
    return (event["previousState"], event["state"]) != ("UNKNOWN", "AVAILABLE")


def _ids(events: Iterable[Event]) -> set[str]:
    return {event["metadata"]["eventId"] for event in events}


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_hundred_kills_lose_nothing_and_repeat_no_change(
    tmp_path: Path, bytecode: Path
) -> None:
    async with AsyncExitStack() as stack:
        victims: list[Victim] = []
        forks = await asyncio.to_thread(stack.enter_context, nursery(tmp_path))
        for number in range(INSTALLATIONS):
            folder = tmp_path / str(number)
            folder.mkdir()
            outside = await stack.enter_async_context(world())
            rng = random.Random(SEED + number)
            victims.append(Victim(Installation(folder, bytecode, forks), outside, rng))
        async with asyncio.TaskGroup() as together:
            for victim in victims:
                together.create_task(victim.live_through(KILLS))
        for victim in victims:
            victim.check()
