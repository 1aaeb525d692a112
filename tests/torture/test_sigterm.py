"""SIGTERM ends the process in order: within five seconds, and nothing is lost over the restart."""

from __future__ import annotations

import asyncio
import json
import signal
import socket

import httpx2
import pytest

from torture.ledger import check_deliveries, check_history
from torture.peers import Carrier, Hook, World, world
from torture.service import Installation, Service, answer_of, http, states, stream, trunk

ENDS_WITHIN_SECONDS = 5.0


async def first_events(outside: World, installation: Installation, *streams: str) -> list[Carrier]:
    carriers = [outside.carrier() for _ in range(3)]
    trunks = [trunk(f"t{number}", carrier.uri) for number, carrier in enumerate(carriers)]
    installation.write(*trunks, *streams)
    return carriers


async def ends_in_time(service: Service) -> int:
    async with asyncio.timeout(ENDS_WITHIN_SECONDS):
        return await service.end()


async def test_a_delivery_that_is_answered_while_stopping_is_not_repeated(
    installation: Installation,
) -> None:
    async with world() as outside:
        slow = await outside.hook()
        slow.open.clear()
        await first_events(outside, installation, stream("slow", slow.url))
        async with installation.running(outside.watch) as service:
            await slow.until_told(3)
            service.process.send_signal(signal.SIGTERM)
            await service.until_logged("stopping")
            slow.open.set()
            assert await ends_in_time(service) == 0
        assert installation.undelivered() == 0
        assert len(slow.requests) == 3


async def test_what_a_silent_receiver_holds_up_comes_again_after_the_restart(
    installation: Installation,
) -> None:
    async with world() as outside:
        silent, good = await outside.hook(), await outside.hook()
        silent.open.clear()
        streams = stream("silent", silent.url), stream("good", good.url)
        carriers = await first_events(outside, installation, *streams)
        async with installation.running(outside.watch) as service:
            await asyncio.gather(silent.until_told(3), good.until_told(3))
            carriers[0].up = False
            await good.until_told(4)
            assert await ends_in_time(service) == 0
        assert installation.undelivered() == 4
        silent.open.set()
        async with installation.running(outside.watch) as service:
            await silent.until_told(4)
            assert await ends_in_time(service) == 0
        assert installation.undelivered() == 0
        log = installation.events()
        events = [json.loads(body) for body in log]
        check_history(events)
        check_deliveries(log, silent.requests, events)
        check_deliveries(log, good.requests, events)
        assert len(good.requests) == 4


async def test_what_a_dead_receiver_missed_is_delivered_when_it_is_back(
    installation: Installation,
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused, and no one else's
        dead = f"http://127.0.0.1:{nobody.getsockname()[1]}/hook"
        async with world() as outside:
            back = await outside.hook()
            carriers = await first_events(outside, installation, stream("noc", dead))
            async with installation.running(outside.watch) as service, http(service) as api:
                while await _retried(api) < 3:
                    await carriers[0].until_asked(1)
                assert set((await states(api)).values()) == {"AVAILABLE"}
                assert await ends_in_time(service) == 0
            assert installation.undelivered() == 3
            trunks = [trunk(f"t{number}", each.uri) for number, each in enumerate(carriers)]
            installation.write(*trunks, stream("noc", back.url))
            async with installation.running(outside.watch) as service:
                await back.until_told(3)
                assert await ends_in_time(service) == 0
            log = installation.events()
            check_deliveries(log, back.requests, [json.loads(body) for body in log])
            assert len(back.requests) == 3


async def _retried(api: httpx2.AsyncClient) -> int:
    answer = await answer_of(api, "/api/v2/events/streams/noc")
    return int(answer["delivery"]["retried"])


async def test_states_are_restored_and_not_announced_again(installation: Installation) -> None:
    async with world() as outside:
        hook = await outside.hook()
        carriers = await first_events(outside, installation, stream("audit", hook.url))
        carriers[2].up = False
        async with installation.running(outside.watch) as service:
            await hook.until_told(3)
            await _all_asked_again(carriers)
            assert await ends_in_time(service) == 0
        before = installation.events()
        async with installation.running(outside.watch) as service, http(service) as api:
            known = {"t0": "AVAILABLE", "t1": "AVAILABLE", "t2": "DOWN"}
            assert await states(api) == known
            await _all_asked_again(carriers)
            assert await states(api) == known
            assert service.logged("trunk.changed") == []
            carriers[2].up = True
            await hook.until_told(4)
            assert await ends_in_time(service) == 0
        assert installation.events()[:-1] == before
        last = hook.events()[-1]
        assert (last["previousState"], last["state"]) == ("DOWN", "AVAILABLE")
        assert len(hook.requests) == 4


async def test_the_last_successful_keepalive_survives_the_restart(
    installation: Installation,
) -> None:
    async with world() as outside:
        hook = await outside.hook()
        carriers = await first_events(outside, installation, stream("audit", hook.url))
        async with installation.running(outside.watch) as service:
            await hook.until_told(3)
            await _all_asked_again(carriers)
            assert await ends_in_time(service) == 0
        recovered_ms = max(event["timestamp"] for event in hook.events())
        for carrier in carriers:
            carrier.up = False
        async with installation.running(outside.watch) as service:
            await hook.until_told(6)
            assert await ends_in_time(service) == 0
        for event in hook.events()[3:]:
            assert event["state"] == "DOWN"
            # The success that is named came after the one that made the trunk AVAILABLE: it was
            # kept when the process ended, not only when the state changed.
            assert recovered_ms < event["metadata"]["lastSuccessfulKeepalive"] < event["timestamp"]


async def _all_asked_again(carriers: list[Carrier]) -> None:
    await asyncio.gather(*(carrier.until_asked(3) for carrier in carriers))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_during_the_start_ends_it_in_order(
    installation: Installation, number: signal.Signals
) -> None:
    async with world() as outside:
        hook: Hook = await outside.hook()
        await first_events(outside, installation, stream("audit", hook.url))
        service = await installation.spawn(outside.watch)
        await service.until_logged("configuration.applied")
        service.process.send_signal(number)
        assert await service.ended() == 0
        assert service.logged("stopped")
