"""A Kafka cluster as a destination: a stand-in, since no broker can be had from Debian or PyPI."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator

import pytest

from brokers.bench import a_delivery, a_stream
from brokers.kafka_stand_in import KafkaCluster, KafkaPlace
from brokers.processes import HOST, Trap
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.kafka import sink_of
from trunkpulse.ports import DeliveryOutcome

ACCEPTED = DeliveryOutcome.ACCEPTED
TRY_LATER = DeliveryOutcome.TRY_LATER
REFUSED = DeliveryOutcome.REFUSED

LOOPBACK = ipaddress.ip_network("127.0.0.1/32")
PASSWORD = "open-sesame"


@pytest.fixture
async def cluster() -> AsyncIterator[KafkaCluster]:
    cluster = KafkaCluster(nodes=2)
    await cluster.start()
    yield cluster
    await cluster.stop()


async def test_a_topic_that_is_missing_is_waited_for(cluster: KafkaCluster) -> None:
    cluster.topics.clear()
    sink = KafkaPlace(cluster).sink(Outside())
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "UNKNOWN_TOPIC_OR_PARTITION: topic events",
    )
    cluster.topics.add("events")
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await sink.close()


async def test_the_events_of_a_trunk_are_in_one_partition(cluster: KafkaCluster) -> None:
    sink = KafkaPlace(cluster).sink(Outside())
    for number in range(24):
        delivery = a_delivery(f"evt_{number}", trunk=f"carrier-{number % 6}")
        assert (await sink.deliver(delivery)).outcome is ACCEPTED
    places: dict[bytes, set[int]] = {}
    for partition, records in cluster.records.items():
        for record in records:
            places.setdefault(record.key, set()).add(partition)
    assert len(places) == 6
    assert {len(partitions) for partitions in places.values()} == {1}
    assert len(set.union(*places.values())) > 1
    await sink.close()


async def test_what_is_due_together_is_sent_together(cluster: KafkaCluster) -> None:
    sink = KafkaPlace(cluster).sink(Outside())
    assert (await sink.deliver(a_delivery("evt_0"))).outcome is ACCEPTED
    deliveries = [a_delivery(f"evt_{number}") for number in range(1, 31)]
    answers = await asyncio.gather(*(sink.deliver(each) for each in deliveries))
    assert {answer.outcome for answer in answers} == {ACCEPTED}
    assert cluster.batches == 2
    await sink.close()


async def test_follows_a_partition_to_its_new_leader(cluster: KafkaCluster) -> None:
    sink = KafkaPlace(cluster).sink(Outside())
    assert (await sink.deliver(a_delivery("evt_1"))).outcome is ACCEPTED
    cluster.leaders = {number: 1 - node for number, node in cluster.leaders.items()}
    answer = await sink.deliver(a_delivery("evt_2"))
    assert answer.outcome is TRY_LATER
    assert "NOT_LEADER" in answer.detail
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


async def test_a_partition_without_a_leader_is_waited_for(cluster: KafkaCluster) -> None:
    at_home = dict(cluster.leaders)
    cluster.leaders = dict.fromkeys(at_home, -1)
    sink = KafkaPlace(cluster).sink(Outside())
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "has no leader now" in answer.detail
    cluster.leaders = at_home
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await sink.close()


async def test_refuses_what_is_too_large_and_nothing_else(cluster: KafkaCluster) -> None:
    sink = KafkaPlace(cluster).sink(Outside())
    answer = await sink.deliver(a_delivery(padding=cluster.most_bytes))
    assert (answer.outcome, answer.detail) == (REFUSED, "MESSAGE_SIZE_TOO_LARGE")
    together = await asyncio.gather(
        sink.deliver(a_delivery(padding=cluster.most_bytes)), sink.deliver(a_delivery("evt_2"))
    )
    assert {answer.outcome for answer in together} == {TRY_LATER}
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    await sink.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_logs_in(cluster: KafkaCluster, mechanism: str) -> None:
    cluster.account = ("alice", PASSWORD)
    place = KafkaPlace(cluster)
    sink = place.sink(Outside(), secret=PASSWORD, username="alice", sasl_mechanism=mechanism)
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    await sink.close()
    for secret in ("wrong-secret", None):
        stranger = place.sink(Outside(), secret=secret, username="alice", sasl_mechanism=mechanism)
        answer = await stranger.deliver(a_delivery())
        assert (answer.outcome, answer.detail) == (
            TRY_LATER,
            "the broker does not let alice in: no",
        )
        await stranger.close()


async def test_says_which_ways_of_logging_in_a_broker_offers(cluster: KafkaCluster) -> None:
    cluster.account = ("alice", PASSWORD)
    cluster.mechanisms = ["GSSAPI"]
    sink = KafkaPlace(cluster).sink(Outside(), secret=PASSWORD, username="alice")
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "the broker does not offer PLAIN, but GSSAPI",
    )
    await sink.close()


async def test_a_connection_that_gave_no_answer_in_time_is_given_up(
    cluster: KafkaCluster,
) -> None:
    sink = KafkaPlace(cluster).sink(Outside(), timeout_seconds=0.5)
    assert (await sink.deliver(a_delivery("evt_1"))).outcome is ACCEPTED
    connections = cluster.connections
    cluster.freeze()
    answer = await sink.deliver(a_delivery("evt_2"))
    assert (answer.outcome, answer.detail) == (TRY_LATER, "no acknowledgement within 0.5 seconds")
    assert answer.response == ""
    cluster.thaw()
    assert (await sink.deliver(a_delivery("evt_2"))).outcome is ACCEPTED
    assert cluster.connections > connections
    await sink.close()


async def test_a_silent_broker_leaves_time_for_the_next(cluster: KafkaCluster, trap: Trap) -> None:
    url = f"kafka://{HOST}:{trap.port},{HOST}:{cluster.ports[0]}"
    sink = sink_of(a_stream("kafka", url, topic="events"), Outside(), timeout_seconds=2)
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED
    assert len(trap.visits) == 1
    await sink.close()


async def test_a_silent_leader_holds_up_its_own_partitions_alone(
    cluster: KafkaCluster, trap: Trap
) -> None:
    cluster.advertised_ports[1] = trap.port
    sink = KafkaPlace(cluster).sink(Outside(), timeout_seconds=2)
    trunks = [f"carrier-{number}" for number in range(12)]
    answers = await asyncio.gather(
        *(sink.deliver(a_delivery(f"evt-{trunk}", trunk)) for trunk in trunks)
    )
    written = {record.key.decode() for records in cluster.records.values() for record in records}
    assert 0 < len(written) < len(trunks)
    for trunk, answer in zip(trunks, answers, strict=True):
        if trunk in written:
            assert answer.outcome is ACCEPTED
        else:
            assert answer.detail == f"broker {HOST}:{trap.port}: no connection within 0.5 seconds"
    await sink.close()


async def test_a_broker_that_the_cluster_names_is_checked_too(cluster: KafkaCluster) -> None:
    cluster.advertised_host = "127.0.0.2"
    sink = KafkaPlace(cluster).sink(Outside(allow=lambda: [LOOPBACK]), trusted=False)
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert "127.0.0.2" in answer.detail
    assert cluster.connections == 1, "the one to which the configuration leads"
    await sink.close()
