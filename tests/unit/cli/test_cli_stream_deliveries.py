"""``trunkpulse streams test``, ``deliveries``, ``delivery``, ``retry`` and ``replay``."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from contracts.stores import commit_of
from trunkpulse.cli.output import clock_time
from trunkpulse.model import AlertSettings
from trunkpulse.ports import (
    AlertAttempt,
    AlertKind,
    DeliveryOutcome,
    DeliveryReport,
    DeliveryResult,
    SinkAnswer,
)
from unit.cli.api_service import Service, service
from unit.http.api_world import NOW_MS, STREAMS


async def record(to: Service, sequence: int, result: DeliveryResult | None = None) -> None:
    """A change of trunk x, told to noc, and what became of that."""
    store = to.world.store
    commit = commit_of("x", sequence, tell=["noc"], at_ms=NOW_MS + sequence)
    assert not await store.commit([commit])
    if result is None:
        return
    (delivery,) = await store.claim("noc", now_ms=NOW_MS, limit=9, lease_ms=1000)
    report = DeliveryReport(
        delivery_id=delivery.id,
        stream_id="noc",
        result=result,
        at_ms=NOW_MS,
        due_ms=NOW_MS + 60_000,
        detail="503 Service Unavailable",
        duration_ms=31,
        request="POST http://127.0.0.1:9000/hook",
        response="503 Service Unavailable\nbusy",
    )
    await store.settle([report])


async def test_a_test_event_that_is_taken_says_what_was_answered() -> None:
    async with service() as to:
        to.world.destination.answer = SinkAnswer(
            outcome=DeliveryOutcome.ACCEPTED, detail="200 OK", request="POST /hook", response="200"
        )
        said = await to.said("streams", "test", "noc")
        assert said.splitlines() == [
            "200 OK after 0 ms",
            "  request  POST /hook",
            "  response 200",
        ]
        assert json.loads(await to.said("streams", "test", "noc", "--json"))["detail"] == "200 OK"


async def test_a_test_event_that_is_not_taken_ends_with_1() -> None:
    async with service() as to:
        to.world.destination.answer = SinkAnswer(
            outcome=DeliveryOutcome.REFUSED, detail="404 Not Found"
        )
        outcome = await to.command("streams", "test", "noc")
        assert outcome.code == 1
        assert outcome.out.startswith("404 Not Found after")
        assert outcome.err == (
            "The destination of noc did not take the test event; correct it, and test it again.\n"
        )


async def test_deliveries_are_listed_by_state() -> None:
    async with service() as to:
        assert await to.said("streams", "deliveries", "noc") == "There are no such deliveries.\n"
        await record(to, 1, DeliveryResult.DEAD)
        await record(to, 2)
        head, pending, dead = (await to.said("streams", "deliveries", "noc")).splitlines()
        columns = ["DELIVERY", "RECORDED", "OF", "STATE", "ATTEMPTS", "NEXT", "SETTLED", "SAID"]
        assert head.split() == columns
        assert pending.split()[3:] == ["x", "pending", "0", "now"]
        settled = clock_time(NOW_MS).split()
        assert dead.split()[3:] == ["x", "dead", "1", *settled, "503", "Service", "Unavailable"]
        letters = await to.said("streams", "deliveries", "noc", "--state", "dead")
        assert [line.split() for line in letters.splitlines()[1:]] == [dead.split()]
        outcome = await to.command("streams", "deliveries", "noc", "--state", "lost")
        assert (outcome.code, outcome.err) == (
            2,
            '--state must be one of pending, parked, delivered, dead, not "lost".\n',
        )


async def test_what_was_told_of_an_alert_is_among_them() -> None:
    async with service() as to:
        await record(to, 1, DeliveryResult.DELIVERED)
        attempt = AlertAttempt(
            stream_id="noc",
            alert_id="a-7",
            kind=AlertKind.RESOLVE,
            position=1,
            at_ms=NOW_MS + 50,
            duration_ms=9,
            result=DeliveryResult.DELIVERED,
            detail="202 Accepted",
            request="resolve of alert a-7 (3 trunks)",
            response="202 Accepted",
        )
        await to.world.store.note_attempts([attempt])
        _, resolve, event = (await to.said("streams", "deliveries", "noc")).splitlines()
        assert "  resolve of alert:a-7  " in resolve
        assert event.split()[3] == "x"
        said = (await to.said("streams", "delivery", "noc", "2")).splitlines()
        assert "of         resolve of alert:a-7" in said
        assert "  request  resolve of alert a-7 (3 trunks)" in said


async def test_one_delivery_is_shown_with_what_was_said() -> None:
    async with service() as to:
        await record(to, 1, DeliveryResult.PARKED)
        said = await to.said("streams", "delivery", "noc", "1")
        assert said.splitlines()[0] == "event      x-1  parked"
        assert "attempt 1" in said
        assert "  request  POST http://127.0.0.1:9000/hook" in said.splitlines()
        assert "  response busy" in said.splitlines()
        outcome = await to.command("streams", "delivery", "noc", "9")
        assert (outcome.code, outcome.err) == (
            1,
            "Stream noc has no delivery 9; those of pruned events are gone.\n",
        )


async def test_a_dead_letter_is_sent_again() -> None:
    async with service() as to:
        await record(to, 1, DeliveryResult.DEAD)
        said = await to.said("streams", "retry", "noc", "1")
        assert said == "Delivery 1 of x-1 is sent again now.\n"
        assert to.world.woken == ["noc"]


async def test_a_replay_goes_on_until_all_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trunkpulse.adapters.storage.memory_outbox.MAX_REPLAYED", 2)
    async with service() as to:
        for sequence in range(1, 6):
            await record(to, sequence, DeliveryResult.DELIVERED)
        await record(to, 6, DeliveryResult.PARKED)
        said = await to.said("streams", "replay", "noc", "--since", str(NOW_MS))
        assert said.splitlines() == [
            "5 events are delivered again.",
            "1 parked delivery is sent now.",
        ]
        listed = (await to.said("streams", "deliveries", "noc")).splitlines()[1:]
        assert sum(" x (replayed) " in line for line in listed) == 5
        again = json.loads(await to.said("streams", "replay", "noc", "--trunk", "x", "--json"))
        assert again == {
            "replayed": 0,
            "hurried": 1,
            "nextCursor": None,
            "tellsAlerts": False,
        }


async def test_a_replay_to_a_stream_that_tells_alerts_claims_no_delivery() -> None:
    async with service() as to:
        await to.world.subscriptions.apply_file([replace(STREAMS[0], alerts=AlertSettings())])
        await record(to, 1, DeliveryResult.DELIVERED)
        said = await to.said("streams", "replay", "noc", "--since", str(NOW_MS))
        assert said == (
            "1 event is taken up again by noc, which tells alerts: these go by how the trunks are"
            " now, and nothing is sent of what is over.\n"
        )


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (
            (),
            2,
            "Nothing says which events; give --event, --trunk, --since, --until or --dead.",
        ),
        (("--event", "nobody"), 1, "There is no event with the id nobody to replay."),
    ],
)
async def test_a_replay_of_nothing_says_so(
    options: tuple[str, ...], code: int, sentence: str
) -> None:
    async with service() as to:
        outcome = await to.command("streams", "replay", "noc", *options)
        assert (outcome.code, outcome.err) == (code, f"{sentence}\n")
