"""What every message broker is held to as a destination: real ones, and a stand-in for Kafka."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest

from brokers.bench import EVENT_TYPE, Place, a_delivery
from brokers.kafka_stand_in import KafkaCluster, KafkaPlace
from brokers.nats_server import NatsPlace, running_nats
from brokers.rabbit import RabbitPlace
from brokers.redis_server import RedisPlace, running_redis
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.broker import BrokerSink
from trunkpulse.ports import DeliveryOutcome

ACCEPTED, TRY_LATER = DeliveryOutcome.ACCEPTED, DeliveryOutcome.TRY_LATER
PASSWORD = "open-sesame"
ENOUGH = 100
"""More messages than any test publishes."""


@pytest.fixture(params=["amqp", "kafka", "nats", "redis"])
async def place(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Place]:
    folder = tmp_path_factory.mktemp("broker")
    if request.param == "amqp":
        yield RabbitPlace(request.getfixturevalue("rabbit"), f"queue-{uuid.uuid4()}")
    elif request.param == "kafka":
        cluster = KafkaCluster(partitions=1)
        await cluster.start()
        yield KafkaPlace(cluster)
        await cluster.stop()
    elif request.param == "nats":
        with running_nats(folder) as server:
            place = NatsPlace(server)
            await place.add_stream()
            yield place
    else:
        with running_redis(folder) as server:
            yield RedisPlace(server)


@pytest.fixture
async def sink(place: Place) -> AsyncIterator[BrokerSink]:
    before = asyncio.all_tasks()
    sink = place.sink(Outside())
    yield sink
    await sink.close()
    left_behind = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left_behind:
        await asyncio.wait(left_behind, timeout=5)
    assert not [task for task in left_behind if not task.done()]


async def test_an_event_arrives_once_unchanged_and_described(
    place: Place, sink: BrokerSink
) -> None:
    delivery = a_delivery()
    answer = await sink.deliver(delivery)
    assert answer.outcome is ACCEPTED, answer
    (received,) = await place.received(ENOUGH)
    assert received.body == delivery.body
    assert received.content_type == "application/json"
    assert received.attributes == {
        "specversion": "1.0",
        "id": "evt_1",
        "source": "/trunkpulse/edge-1",
        "type": EVENT_TYPE,
        "subject": "carrier-a",
        "time": "2023-03-15T17:47:31.230Z",
    }
    assert "evt_1" in answer.request
    assert answer.response


async def test_one_connection_serves_many_deliveries_at_once(
    place: Place, sink: BrokerSink
) -> None:
    deliveries = [a_delivery(f"evt_{n}", trunk=f"carrier-{n}") for n in range(40)]
    answers = await asyncio.gather(*(sink.deliver(each) for each in deliveries))
    assert {answer.outcome for answer in answers} == {ACCEPTED}, answers
    received = await place.received(ENOUGH)
    assert sorted(each.id for each in received) == sorted(each.event_id for each in deliveries)
    by_id = {each.id: each.body for each in received}
    assert by_id == {each.event_id: each.body for each in deliveries}


async def test_events_of_a_trunk_stay_in_order_among_those_of_others(
    place: Place, sink: BrokerSink
) -> None:
    trunks = [f"carrier-{number}" for number in range(1, 6)]

    async def one_after_another(trunk: str) -> None:
        for number in range(8):
            answer = await sink.deliver(a_delivery(f"{trunk}/{number}", trunk))
            assert answer.outcome is ACCEPTED

    await asyncio.gather(*(one_after_another(trunk) for trunk in trunks))
    received = await place.received(ENOUGH)
    for trunk in trunks:
        of_trunk = [each.id for each in received if each.attributes["subject"] == trunk]
        assert of_trunk == [f"{trunk}/{number}" for number in range(8)]


async def test_after_a_lost_acknowledgement_the_same_id_comes_again(place: Place) -> None:
    sink = place.sink(Outside(), timeout_seconds=2)
    assert (await sink.deliver(a_delivery("evt_0"))).outcome is ACCEPTED
    await place.freeze()
    try:
        answer = await sink.deliver(a_delivery("evt_1"))
    finally:
        await place.thaw()
    assert answer.outcome is TRY_LATER
    assert "no ac" in answer.detail
    again = await sink.deliver(a_delivery("evt_1"))
    assert again.outcome is ACCEPTED, again
    ids = [each.id for each in await place.received(ENOUGH)]
    assert ids[0] == "evt_0"
    assert set(ids) == {"evt_0", "evt_1"}
    assert len(ids) <= (2 if place.drops_repeats else 3)
    await sink.close()


async def test_a_broker_that_was_killed_is_connected_to_again_and_has_kept_what_it_confirmed(
    place: Place, sink: BrokerSink
) -> None:
    assert (await sink.deliver(a_delivery("evt_0"))).outcome is ACCEPTED
    await place.kill()
    answers = [await sink.deliver(a_delivery("evt_1")) for _ in range(2)]
    assert {answer.outcome for answer in answers} == {TRY_LATER}
    assert answers[-1].detail == "Connection refused"
    await place.restart()
    again = await sink.deliver(a_delivery("evt_1"))
    assert again.outcome is ACCEPTED, again
    assert [each.id for each in await place.received(ENOUGH)] == ["evt_0", "evt_1"]


async def test_those_under_way_are_told_at_once_when_the_connection_ends(
    place: Place, sink: BrokerSink
) -> None:
    assert (await sink.deliver(a_delivery("evt_0"))).outcome is ACCEPTED
    await place.freeze()
    under_way = [
        asyncio.create_task(sink.deliver(a_delivery(f"evt_{n}", trunk=f"carrier-{n}")))
        for n in range(1, 9)
    ]
    await asyncio.sleep(0)
    await place.kill()
    async with asyncio.timeout(3):  # an acknowledgement is waited for five seconds
        answers = await asyncio.gather(*under_way)
    assert {answer.outcome for answer in answers} == {TRY_LATER}
    await place.restart()


async def test_a_cancelled_delivery_leaves_the_connection_to_the_others(
    place: Place, sink: BrokerSink
) -> None:
    assert (await sink.deliver(a_delivery("evt_0"))).outcome is ACCEPTED
    await place.freeze()
    try:
        cancelled = asyncio.create_task(sink.deliver(a_delivery("evt_1", "carrier-b")))
        other = asyncio.create_task(sink.deliver(a_delivery("evt_2")))
        await asyncio.sleep(0)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    finally:
        await place.thaw()
    assert (await other).outcome is ACCEPTED
    assert (await sink.deliver(a_delivery("evt_3"))).outcome is ACCEPTED


async def test_a_cancelled_connection_is_opened_by_the_next(place: Place) -> None:
    sink = place.sink(Outside())
    first = asyncio.create_task(sink.deliver(a_delivery("evt_1")))
    await asyncio.sleep(0)
    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


async def test_closing_is_safe_to_repeat_and_before_any_delivery(place: Place) -> None:
    sink = place.sink(Outside())
    await sink.close()
    await sink.deliver(a_delivery())
    await sink.close()
    await sink.close()


async def test_closing_does_not_wait_for_a_broker_that_says_nothing(place: Place) -> None:
    sink = place.sink(Outside())
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await place.freeze()
    try:
        async with asyncio.timeout(8):
            await sink.close()
    finally:
        await place.thaw()


async def test_the_password_is_in_no_log(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sink = place.sink(Outside(), timeout_seconds=2)
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await place.freeze()
    try:
        assert (await sink.deliver(a_delivery())).outcome is TRY_LATER
        await sink.close()
    finally:
        await place.thaw()
    assert PASSWORD not in caplog.text
