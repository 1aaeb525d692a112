"""What stands in the way at a broker is told in its words, and passes when it is removed."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from brokers.bench import a_delivery, a_stream
from brokers.nats_server import STREAM, TOKEN, NatsPlace, running_nats
from brokers.processes import HOST, BrokerProcess, Trap
from brokers.rabbit import MOST_BYTES, RabbitPlace
from brokers.redis_server import PASSWORD, RedisPlace, running_redis
from certificates import Authority
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.model import EventStream
from trunkpulse.ports import DeliveryOutcome, DestinationInvalid

ACCEPTED = DeliveryOutcome.ACCEPTED
TRY_LATER = DeliveryOutcome.TRY_LATER
REFUSED = DeliveryOutcome.REFUSED

LOOPBACK = ipaddress.ip_network("127.0.0.1/32")


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisPlace]:
    with running_redis(tmp_path) as server:
        yield RedisPlace(server)


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsPlace]:
    with running_nats(tmp_path) as server:
        yield NatsPlace(server)


# --- RabbitMQ ------------------------------------------------------------------------------------


async def test_rabbitmq_an_exchange_that_is_missing_is_waited_for(rabbit: BrokerProcess) -> None:
    place = RabbitPlace(rabbit, "behind-an-exchange")
    stream = a_stream("amqp", place.url, PASSWORD, exchange="noc", routing_key="trunks")
    sink = make_sink(stream, Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "no exchange 'noc'" in answer.detail
    async with place.channel() as channel:
        exchange = await channel.declare_exchange("noc", durable=True)
        answer = await sink.deliver(a_delivery())
        assert (answer.outcome, answer.detail) == (
            TRY_LATER,
            "no queue takes the routing key 'trunks'",
        )
        queue = await channel.declare_queue(place.queue, durable=True)
        await queue.bind(exchange, "trunks")
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    assert [each.id for each in await place.received(9)] == ["evt_1"]
    await sink.close()


async def test_rabbitmq_a_queue_is_not_declared_where_that_is_not_wanted(
    rabbit: BrokerProcess,
) -> None:
    place = RabbitPlace(rabbit, "undeclared")
    stream = a_stream("amqp", place.url, PASSWORD, routing_key=place.queue, declare=False)
    sink = make_sink(stream, Outside())
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "no queue takes the routing key 'undeclared'",
    )
    await sink.close()


async def test_rabbitmq_a_queue_of_another_kind_is_used_as_it_is(rabbit: BrokerProcess) -> None:
    place = RabbitPlace(rabbit, "bounded")
    async with place.channel() as channel:
        await channel.declare_queue("bounded", durable=True, arguments={"x-max-length": 5})
    sink = place.sink(Outside())
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await sink.close()


async def test_rabbitmq_refuses_what_is_too_large_and_takes_what_follows(
    rabbit: BrokerProcess,
) -> None:
    place = RabbitPlace(rabbit, "small")
    sink = place.sink(Outside())
    answer = await sink.deliver(a_delivery(padding=MOST_BYTES))
    assert answer.outcome is REFUSED, answer
    assert str(MOST_BYTES) in answer.detail
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


async def test_rabbitmq_says_that_it_lets_nobody_in(rabbit: BrokerProcess) -> None:
    place = RabbitPlace(rabbit, "closed")
    sink = make_sink(a_stream("amqp", place.url, "wrong-secret"), Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "ACCESS_REFUSED" in answer.detail
    assert "wrong-secret" not in repr(answer)
    await sink.close()


# --- NATS ----------------------------------------------------------------------------------------


async def test_nats_a_stream_that_is_missing_is_waited_for(nats: NatsPlace) -> None:
    sink = nats.sink(Outside())
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "no JetStream stream takes the subject trunkpulse.events",
    )
    await nats.add_stream()
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (ACCEPTED, f"{STREAM} 1")
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (ACCEPTED, f"{STREAM} 1 (had it already)")
    await sink.close()


@pytest.mark.parametrize("padding", [5_000, 70_000])
async def test_nats_refuses_what_the_stream_or_the_server_calls_too_large(
    nats: NatsPlace, padding: int
) -> None:
    await nats.add_stream(max_msg_size=4096)
    sink = nats.sink(Outside())
    answer = await sink.deliver(a_delivery(padding=padding))
    assert answer.outcome is REFUSED, answer
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


async def test_nats_says_that_it_lets_nobody_in(nats: NatsPlace) -> None:
    sink = make_sink(a_stream("nats", nats.url, "wrong-secret", subject="events"), Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "Authorization Violation" in answer.detail
    assert "wrong-secret" not in repr(answer)
    await sink.close()


async def test_nats_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    own = authority.issue("localhost")
    more = f'tls {{ cert_file: "{own.cert_file}", key_file: "{own.key_file}" }}'
    with running_nats(tmp_path, more) as server:
        url = f"natss://localhost:{server.port}"
        stream = a_stream("nats", url, TOKEN, subject="events")
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        sink = make_sink(stream, Outside(tls=context))
        answer = await sink.deliver(a_delivery())
        assert answer.detail == "no JetStream stream takes the subject events"
        await sink.close()
        distrustful = make_sink(stream, Outside())
        answer = await distrustful.deliver(a_delivery())
        assert answer.outcome is TRY_LATER
        assert "certificate verify failed" in answer.detail
        await distrustful.close()


async def test_nats_sends_nothing_in_the_clear_to_a_server_without_the_tls_that_is_asked_for() -> (
    None
):
    heard = bytearray()
    left = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","headers":true,"max_payload":1048576}\r\n')
        while data := await reader.read(4096):
            heard.extend(data)
        writer.close()
        left.set()

    async with await asyncio.start_server(serve, HOST, 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = a_stream("nats", f"natss://{HOST}:{port}", TOKEN, subject="events")
        sink = make_sink(stream, Outside())
        answer = await sink.deliver(a_delivery())
        await left.wait()
        await sink.close()
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "the server does not offer TLS, which the url asks for",
    )
    assert heard == b""


# --- Redis ---------------------------------------------------------------------------------------


async def test_redis_a_key_of_another_type_is_told_of(redis: RedisPlace) -> None:
    async with redis.client() as client:
        await client.set(redis.key, "occupied")
    sink = redis.sink(Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "wrong kind of value" in answer.detail
    async with redis.client() as client:
        await client.delete(redis.key)
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await sink.close()


async def test_redis_the_stream_is_kept_at_about_its_length(redis: RedisPlace) -> None:
    stream = a_stream("redis", redis.url, PASSWORD, key=redis.key, max_length=10)
    sink = make_sink(stream, Outside())
    deliveries = [a_delivery(f"evt_{number}") for number in range(400)]
    await asyncio.gather(*(sink.deliver(each) for each in deliveries))
    async with redis.client() as client:
        assert 10 <= await client.xlen(redis.key) <= 200
    await sink.close()


async def test_redis_says_that_it_lets_nobody_in(redis: RedisPlace) -> None:
    sink = make_sink(a_stream("redis", redis.url, "wrong-secret", key="events"), Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "credentials" in answer.detail
    assert "wrong-secret" not in repr(answer)
    await sink.close()


async def test_redis_leaves_a_server_that_has_become_a_replica(redis: RedisPlace) -> None:
    sink = redis.sink(Outside())
    assert (await sink.deliver(a_delivery("evt_1"))).outcome is ACCEPTED
    async with redis.client() as client:
        await client.replicaof(HOST, "1")
        answer = await sink.deliver(a_delivery("evt_2"))
        assert answer.outcome is TRY_LATER
        await client.replicaof("NO", "ONE")
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


async def test_redis_over_tls(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "ca")
    with running_redis(tmp_path, authority.issue("localhost")) as server:
        url = f"rediss://localhost:{server.port}"
        stream = a_stream("redis", url, PASSWORD, key="events")
        context = ssl.create_default_context(cafile=str(authority.ca_file))
        sink = make_sink(stream, Outside(tls=context))
        assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
        await sink.close()
        distrustful = make_sink(stream, Outside())
        answer = await distrustful.deliver(a_delivery())
        assert answer.outcome is TRY_LATER
        assert "certificate verify failed" in answer.detail
        await distrustful.close()


# --- all of them ---------------------------------------------------------------------------------


OPTIONS: dict[str, dict[str, Any]] = {
    "amqp": {},
    "kafka": {"topic": "events"},
    "nats": {"subject": "events"},
    "redis": {"key": "events"},
}


def stream_to(type_: str, authority: str, *, trusted: bool = True) -> EventStream:
    return a_stream(type_, f"{type_}://{authority}", trusted=trusted, **OPTIONS[type_])


@pytest.mark.parametrize("type_", OPTIONS)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"])
async def test_what_the_api_made_does_not_lead_to_this_machine(
    trap: Trap, type_: str, host: str
) -> None:
    stream = stream_to(type_, f"{host}:{trap.port}", trusted=False)
    sink = make_sink(stream, Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "allow" in answer.detail
    assert not trap.visits
    await sink.close()


@pytest.mark.parametrize("type_", OPTIONS)
async def test_a_place_that_never_answers_is_given_up(trap: Trap, type_: str) -> None:
    stream = stream_to(type_, f"{HOST}:{trap.port}")
    module = __import__(f"trunkpulse.adapters.sinks.{type_}", fromlist=["sink_of"])
    sink = module.sink_of(stream, Outside(), timeout_seconds=1.0)
    before = asyncio.all_tasks()
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert answer.detail.startswith("no connection within 0.")
    await sink.close()
    left_behind = asyncio.all_tasks() - before
    if left_behind:
        await asyncio.wait(left_behind, timeout=5)
    assert not [task for task in left_behind if not task.done()]


CLIENTS = {"amqp": "aio_pika", "kafka": "aiokafka", "nats": "nats", "redis": "redis"}


@pytest.mark.parametrize("type_", OPTIONS)
def test_a_client_that_is_not_installed_is_told_of_with_what_to_install(
    type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in list(sys.modules):
        if module == CLIENTS[type_] or module.startswith(f"{CLIENTS[type_]}."):
            monkeypatch.delitem(sys.modules, module)
    monkeypatch.delitem(sys.modules, f"trunkpulse.adapters.sinks.{type_}", raising=False)
    if type_ == "kafka":
        monkeypatch.delitem(sys.modules, "trunkpulse.adapters.sinks.kafka_link", raising=False)
    monkeypatch.setitem(sys.modules, CLIENTS[type_], None)
    with pytest.raises(DestinationInvalid, match=rf"install trunkpulse\[{type_}\]\.$"):
        make_sink(stream_to(type_, "broker.example.com"), Outside())


@pytest.mark.parametrize("type_", OPTIONS)
@pytest.mark.parametrize("authority", ["", "user:hush@broker:1", "broker:x", "broker:1?a=hush"])
def test_a_url_that_cannot_work_is_told_of_without_repeating_it(type_: str, authority: str) -> None:
    with pytest.raises(DestinationInvalid, match="event stream 'queue'") as refusal:
        make_sink(stream_to(type_, authority), Outside())
    assert "hush" not in str(refusal.value)


async def test_a_connection_is_not_used_once_its_address_is_no_longer_allowed(
    redis: RedisPlace,
) -> None:
    allowed = [LOOPBACK]
    stream = a_stream("redis", redis.url, PASSWORD, trusted=False, key=redis.key)
    sink = make_sink(stream, Outside(allow=lambda: allowed))
    assert (await sink.deliver(a_delivery("evt_1"))).outcome is ACCEPTED
    allowed.clear()
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is TRY_LATER
    assert [each.id for each in await redis.received(9)] == ["evt_1"]
    await sink.close()
