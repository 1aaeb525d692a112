from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from delivery_bench import OK, Bench, Receiver, always, never
from trunkpulse.events.delivery import Deliveries
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import (
    Delivery,
    DestinationInvalid,
    SinkAnswer,
)
from virtual_time import run_virtual


def a_stream(
    stream_id: str, *, url: str = "http://127.0.0.1:9/", enabled: bool = True
) -> EventStream:
    return EventStream(
        id=stream_id,
        name=stream_id,
        destination=Destination(type="test", url=url),
        enabled=enabled,
    )


class Destinations:
    """The receivers that were made, in order, for each stream."""

    def __init__(self, answers: dict[str, Callable[[Delivery], Awaitable[SinkAnswer]]]) -> None:
        self._answers = answers
        self.made: defaultdict[str, list[Receiver]] = defaultdict(list)

    def __call__(self, stream: EventStream) -> Receiver:
        if stream.destination.url == "invalid":
            raise DestinationInvalid("The destination is not valid.")
        receiver = Receiver(self._answers.get(stream.id, always(OK)))
        self.made[stream.id].append(receiver)
        return receiver


def run_deliveries(
    scenario: Callable[[Bench, Deliveries, Destinations], Awaitable[None]],
    answers: dict[str, Callable[[Delivery], Awaitable[SinkAnswer]]] | None = None,
) -> None:
    async def main() -> None:
        bench = Bench()
        destinations = Destinations(answers or {})
        async with asyncio.TaskGroup() as tasks:
            deliveries = Deliveries(
                tasks, outbox=bench.store, sink_for=destinations, clock=bench.clock, rng=Random(1)
            )
            await scenario(bench, deliveries, destinations)
            await deliveries.drain(0)
        everything = [receiver for made in destinations.made.values() for receiver in made]
        assert all(receiver.closed for receiver in everything)

    run_virtual(main)


def test_a_dead_receiver_does_not_delay_another_stream() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("dead"), a_stream("live")])
        await bench.record(*(f"t{n}" for n in range(200)), tell=("dead", "live"))
        started = bench.clock.monotonic()
        deliveries.wake(["dead", "live", "unknown"])
        await bench.clock.advance(1)
        live, dead = to.made["live"][0], to.made["dead"][0]
        assert len(live.accepted) == 200
        assert set(live.moments) == {started}
        assert len(dead.received) == 32
        assert deliveries.progress()["live"].delivered == 200
        assert deliveries.progress()["dead"].in_flight == 32

    run_deliveries(scenario, {"dead": never})


def test_an_unchanged_stream_is_not_disturbed() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a"), a_stream("b")])
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        (receiver,) = to.made["a"]
        await receiver.came.wait()
        await deliveries.apply([a_stream("c"), a_stream("a")])
        await bench.clock.advance(1)
        assert to.made["a"] == [receiver]
        assert receiver.open_trunks == ["t"]
        assert to.made["b"][0].closed
        assert sorted(deliveries.progress()) == ["a", "c"]

    run_deliveries(scenario, {"a": never})


def test_a_changed_stream_ends_its_sends_before_the_new_destination_gets_any() -> None:
    async def slow(_delivery: Delivery) -> SinkAnswer:
        await asyncio.sleep(5)
        return OK

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a")])
        await bench.record("t", tell=("a",))
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        await to.made["a"][0].came.wait()
        for url in ("http://127.0.0.1:9/second", "http://127.0.0.1:9/third"):
            await deliveries.apply([a_stream("a", url=url)])
        await bench.clock.advance(20)
        first, second, third = to.made["a"]
        assert (first.accepted, second.accepted, third.accepted) == (["t-1"], [], ["t-2"])
        assert third.moments[0] == first.moments[0] + 5
        assert [first.closed, second.closed, third.closed] == [True, True, False]

    run_deliveries(scenario, {"a": slow})


def test_a_removed_stream_stops_at_once() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a")])
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        (receiver,) = to.made["a"]
        await receiver.came.wait()
        moment = bench.clock.monotonic()
        await deliveries.apply([])
        await bench.clock.advance(0)
        await bench.clock.advance(0.001)
        assert receiver.closed
        assert bench.clock.monotonic() == pytest.approx(moment + 0.001)
        assert receiver.open_trunks == []

    run_deliveries(scenario, {"a": never})


def test_a_stream_that_comes_and_goes_before_it_ran_leaves_nothing_behind() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a")])
        await deliveries.apply([])
        await deliveries.apply([a_stream("a")])
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        await bench.clock.advance(1)
        assert to.made["a"][-1].accepted == ["t-1"]

    run_deliveries(scenario)


def test_a_disabled_stream_keeps_its_deliveries_until_it_is_enabled() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a", enabled=False)])
        await bench.record("t", tell=("a",))
        await bench.clock.advance(3600)
        assert to.made["a"] == []
        await deliveries.apply([a_stream("a")])
        await bench.clock.advance(1)
        assert to.made["a"][0].accepted == ["t-1"]

    run_deliveries(scenario)


def test_an_invalid_destination_changes_nothing() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a")])
        with pytest.raises(DestinationInvalid):
            await deliveries.apply([a_stream("b"), a_stream("a", url="invalid")])
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        await bench.clock.advance(1)
        assert to.made["a"][0].accepted == ["t-1"]
        assert sorted(deliveries.progress()) == ["a"]
        assert all(receiver.closed for receiver in to.made["b"])

    run_deliveries(scenario)


def test_removing_a_stream_cuts_short_the_end_of_its_former_destination() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a")])
        await bench.record("t", tell=("a",))
        deliveries.wake(["a"])
        await to.made["a"][0].came.wait()
        await deliveries.apply([a_stream("a", enabled=False)])
        await bench.clock.advance(1)
        assert to.made["a"][0].open_trunks == ["t"]
        await deliveries.apply([])
        await bench.clock.advance(0.001)
        assert to.made["a"][0].closed

    run_deliveries(scenario, {"a": never})


def test_draining_settles_every_stream_within_the_deadline() -> None:
    async def slow(_delivery: Delivery) -> SinkAnswer:
        await asyncio.sleep(3)
        return OK

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("slow"), a_stream("dead"), a_stream("idle")])
        await bench.record("t", tell=("slow", "dead"))
        deliveries.wake(["slow", "dead"])
        await to.made["dead"][0].came.wait()
        await to.made["slow"][0].came.wait()
        started = bench.clock.monotonic()
        await deliveries.drain(10)
        assert bench.clock.monotonic() - started == pytest.approx(10)
        assert await bench.store.next_due_ms("slow") is None
        assert await bench.store.next_due_ms("dead") == round(bench.clock.wall() * 1000)

    run_deliveries(scenario, {"slow": slow, "dead": never})
