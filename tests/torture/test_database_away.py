"""The database goes away under the running process: probing and routing go on, nothing is lost."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from torture.ledger import check_deliveries, check_history, check_states
from torture.peers import cseqs_rise, world
from torture.service import Installation, decided, http, route, states, stream, trunk


@contextmanager
def locked(installation: Installation) -> Iterator[None]:
    """As another program would: nobody else can write."""
    connection = sqlite3.connect(installation.database, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
        connection.close()


@pytest.mark.slow
async def test_a_locked_database_stops_neither_probes_nor_routes_and_loses_nothing(
    installation: Installation,
) -> None:
    async with world() as outside:
        a, b = outside.carrier(), outside.carrier()
        hook = await outside.hook()
        installation.write(
            trunk("a", a.uri),
            trunk("b", b.uri),
            route("us", "a", "b"),
            stream("audit", hook.url),
        )
        async with installation.running(outside.watch) as service, http(service) as api:
            await hook.until_told(2)
            with locked(installation):
                for up in (False, True, False):
                    a.up = up
                    state = "AVAILABLE" if up else "DOWN"
                    while (await states(api))["a"] != state:
                        await a.until_asked(1)
                    assert await decided(api) == (["a", "b"] if up else ["b"])
                await service.until_logged("store.unavailable")

                not_ready = await api.get("/readyz")
                assert not_ready.status_code == 503
                [problem] = not_ready.json()["problems"]
                assert problem.startswith("The database does not take what is decided")
                assert (await api.get("/healthz")).json() == {"status": "alive"}
                assert len(hook.requests) == 2
                refused = await api.post("/api/v2/telephony/trunks/b/disable")
                assert refused.status_code == 503
                assert await decided(api) == []
                await a.until_asked(3)
                cseqs_rise(a)

            await service.until_logged("store.available")
            await hook.until_told(6)
            while (await api.get("/readyz")).status_code != 200:
                await a.until_asked(1)
            assert await service.end() == 0

        log = installation.events()
        events = [json.loads(body) for body in log]
        check_history(events)
        check_states(
            events, installation.rows("SELECT trunk_id, state, sequence FROM trunk_health")
        )
        check_deliveries(log, hook.requests, events)
        assert [each["state"] for each in events if each["entityId"] == "a"] == [
            "AVAILABLE",
            "DOWN",
            "AVAILABLE",
            "DOWN",
        ]
        assert [each["reasonCode"] for each in events if each["entityId"] == "b"] == [
            "KEEPALIVE_RESTORED",
            "ADMIN_DISABLED",
        ]


@pytest.mark.slow
async def test_a_process_that_ends_while_the_database_is_away_finds_out_again(
    installation: Installation,
) -> None:
    async with world() as outside:
        a = outside.carrier()
        hook = await outside.hook()
        installation.write(trunk("a", a.uri), route("us", "a"), stream("audit", hook.url))
        async with installation.running(outside.watch) as service, http(service) as api:
            await hook.until_told(1)
            with locked(installation):
                a.up = False
                while await states(api) != {"a": "DOWN"}:
                    await a.until_asked(1)
                await service.until_logged("store.unavailable")
                assert await service.end() == 0
        assert len(installation.events()) == 1
        async with installation.running(outside.watch) as service:
            await hook.until_told(2)
            assert await service.end() == 0
        log = installation.events()
        events = [json.loads(body) for body in log]
        check_history(events)
        check_deliveries(log, hook.requests, events)
        assert [each["state"] for each in events] == ["AVAILABLE", "DOWN"]
