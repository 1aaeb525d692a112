"""SIGHUP: the file is read again; a good one changes what it changes, a bad one nothing at all."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from torture.peers import Carrier, Hook, World, cseqs_rise, world
from torture.service import (
    Installation,
    Service,
    answer_of,
    decided,
    http,
    route,
    sentences,
    states,
    stream,
    trunk,
)

BACKGROUND = "[trunks.keepalive]\ninterval_seconds = 0.2\n"


@dataclass
class Running:
    """One installation with two trunks, a route and a stream, and carriers to spare."""

    service: Service
    installation: Installation
    a: Carrier
    b: Carrier
    spare: Carrier
    hook: Hook

    def parts(self) -> list[str]:
        return [
            trunk("a", self.a.uri),
            trunk("b", self.b.uri),
            route("us", "a", "b"),
            stream("audit", self.hook.url),
        ]

    async def reload(self, *parts: str) -> None:
        """Have this file applied."""
        self.installation.write(*parts)
        done = len(self.service.logged("configuration.applied"))
        self.service.process.send_signal(signal.SIGHUP)
        await self.service.until_logged("configuration.applied", done + 1)

    async def refused(self) -> list[str]:
        """Have the file read that is there now, and refused; what was said about it."""
        done = len(self.service.logged("configuration.refused"))
        self.service.process.send_signal(signal.SIGHUP)
        await self.service.until_logged("configuration.refused", done + 1)
        return sentences(
            line["problem"] for line in self.service.logged("configuration.refused")[done:]
        )

    async def nothing_has_changed(self) -> None:
        """The old configuration runs on, and a good file is still taken."""
        await self.a.until_asked(3)
        await self.b.until_asked(3)
        cseqs_rise(self.a)
        cseqs_rise(self.b)
        assert self.spare.asked == []
        async with http(self.service) as api:
            assert await states(api) == {"a": "AVAILABLE", "b": "AVAILABLE"}
            assert await decided(api) == ["a", "b"]
            streams = await answer_of(api, "/api/v2/events/streams")
            assert [each["id"] for each in streams["entities"]] == ["audit"]
        self.b.up = False
        await self.hook.until_told(3)
        await self.reload(*self.parts(), trunk("spare", self.spare.uri))
        await self.spare.until_asked(1)


@asynccontextmanager
async def begun(outside: World, installation: Installation) -> AsyncIterator[Running]:
    """Up, with both trunks AVAILABLE and said to be so."""
    a, b, spare = [outside.carrier() for _ in range(3)]
    hook = await outside.hook()
    installation.write(
        trunk("a", a.uri), trunk("b", b.uri), route("us", "a", "b"), stream("audit", hook.url)
    )
    async with installation.running(outside.watch) as service:
        await hook.until_told(2)
        yield Running(service, installation, a, b, spare, hook)


async def test_a_new_trunk_is_probed_and_the_others_are_not_disturbed(
    installation: Installation,
) -> None:
    async with world() as outside, begun(outside, installation) as now:
        await now.reload(*now.parts(), trunk("spare", now.spare.uri))
        await now.hook.until_told(3)
        await now.a.until_asked(3)
        cseqs_rise(now.a)
        cseqs_rise(now.b)
        assert [event["entityId"] for event in now.hook.events()[2:]] == ["spare"]
        async with http(now.service) as api:
            assert set(await states(api)) == {"a", "b", "spare"}


async def test_a_removed_trunk_is_probed_no_more_and_the_others_are_not_disturbed(
    installation: Installation,
) -> None:
    async with world() as outside, begun(outside, installation) as now:
        await now.reload(trunk("a", now.a.uri), route("us", "a"), stream("audit", now.hook.url))
        asked = len(now.b.asked)
        await now.a.until_asked(10)
        assert len(now.b.asked) <= asked + 1  # one may have been on its way
        cseqs_rise(now.a)
        async with http(now.service) as api:
            assert set(await states(api)) == {"a"}
            assert await decided(api) == ["a"]
        assert len(now.hook.requests) == 2


async def test_a_changed_trunk_keeps_its_state_and_its_count(installation: Installation) -> None:
    async with world() as outside, begun(outside, installation) as now:
        _, *others = now.parts()
        changed = trunk("a", now.a.uri, more='name = "Renamed"\n' + BACKGROUND)
        await now.reload(changed, *others)
        await now.a.until_asked(3)
        cseqs_rise(now.a)
        cseqs_rise(now.b)
        async with http(now.service) as api:
            entity = await answer_of(api, "/api/v2/telephony/trunks/a")
        assert (entity["name"], entity["state"]) == ("Renamed", "AVAILABLE")
        assert entity["keepalive"]["intervalSeconds"] == 0.2
        assert now.service.logged("configuration.applied")[-1]["changed"] == "1"
        assert len(now.hook.requests) == 2


async def test_a_changed_route_decides_the_next_call(installation: Installation) -> None:
    async with world() as outside, begun(outside, installation) as now, http(now.service) as api:
        assert await decided(api) == ["a", "b"]
        parts = now.parts()
        parts[2] = route("us", "b", "a")
        await now.reload(*parts)
        assert await decided(api) == ["b", "a"]
        await now.a.until_asked(3)
        cseqs_rise(now.a)


async def test_streams_come_and_go(installation: Installation) -> None:
    async with world() as outside, begun(outside, installation) as now:
        late = await outside.hook()
        await now.reload(*now.parts(), stream("late", late.url))
        now.b.up = False
        await now.hook.until_told(3)
        await late.until_told(1)
        await now.reload(*now.parts()[:3], stream("late", late.url))
        now.b.up = True
        await late.until_told(2)
        assert [event["state"] for event in late.events()] == ["DOWN", "AVAILABLE"]
        assert len(now.hook.requests) == 3
        cseqs_rise(now.a)


MISTAKES = {
    "bad TOML": "[[trunks]\n",
    "an unknown key": "[keepalives]\ninterval_seconds = 1\n",
    "a good trunk and a bad one": 'TRUNK\n[[trunks]]\nid = "bad"\ntargets = ["sip:"]\n',
    "a route to a trunk that is not there": 'TRUNK\n[[routes]]\nid = "r"\ntrunks = [{id = "x"}]\n',
    "an unusable source": 'TRUNK\n[trunks.advanced]\nsource = "192.0.2.1:0"\n',
    "an unusable destination": (
        'TRUNK\n[[event_streams]]\nid = "new"\n'
        '[event_streams.destination]\ntype = "webhook"\nurl = "http://1.2.3.999/hook"\n'
    ),
    "an unset secret": (
        'TRUNK\n[[event_streams]]\nid = "new"\n[event_streams.destination]\ntype = "webhook"\n'
        'url = "http://127.0.0.1:9/hook"\nsecret = "env:TORTURE_UNSET"\n'
    ),
}
"""What a file may say wrongly; TRUNK is a trunk that would be right."""


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_a_bad_file_is_refused_whole(installation: Installation, mistake: str) -> None:
    async with world() as outside, begun(outside, installation) as now:
        good = trunk("spare", now.spare.uri)
        if mistake == "bad TOML":
            installation.write(good, MISTAKES[mistake])
        else:
            installation.write(MISTAKES[mistake].replace("TRUNK", good))
        assert len(await now.refused()) == 1
        await now.nothing_has_changed()


async def test_a_deleted_file_is_refused(installation: Installation) -> None:
    async with world() as outside, begun(outside, installation) as now:
        installation.config.unlink()
        [sentence] = await now.refused()
        assert "cannot be read" in sentence
        await now.nothing_has_changed()


async def test_an_undelivered_event_outlives_a_refused_file(installation: Installation) -> None:
    async with world() as outside, begun(outside, installation) as now:
        now.hook.open.clear()
        now.b.up = False
        await now.hook.until_told(3)
        installation.write(MISTAKES["an unusable destination"].replace("TRUNK", ""))
        await now.refused()
        assert installation.undelivered() == 1
        now.hook.open.set()
        await outside.watch.until(lambda: now.hook.finished == 3, "the answer")
        assert len(now.hook.requests) == 3
