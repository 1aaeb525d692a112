from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from random import Random

import pytest
from structlog.testing import capture_logs

from delivery_bench import OK, Bench, Receiver, always, never
from trunkpulse.adapters.storage.memory import MemoryStore
from trunkpulse.events.delivery import Deliveries
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Delivery, DeliveryReport, DestinationInvalid, SinkAnswer
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
    *,
    store: MemoryStore | None = None,
) -> None:
    async def main() -> None:
        bench = Bench()
        bench.store = store or bench.store
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


class HangingStore(MemoryStore):
    """A store that answers until it is told to hang, and then never again."""

    def __init__(self) -> None:
        super().__init__()
        self.hanging = False
        self.settlements: list[int] = []
        """How many reports each call brought."""

    async def claim(
        self, stream_id: str, *, now_ms: int, limit: int, lease_ms: int
    ) -> list[Delivery]:
        await self._hang_if_told()
        return await super().claim(stream_id, now_ms=now_ms, limit=limit, lease_ms=lease_ms)

    async def settle(self, reports: Sequence[DeliveryReport]) -> None:
        self.settlements.append(len(reports))
        await self._hang_if_told()
        await super().settle(reports)

    async def _hang_if_told(self) -> None:
        if self.hanging:
            await asyncio.Event().wait()


MANY = tuple(f"s{n}" for n in range(15))


async def start_a_send_to_each(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
    await deliveries.apply([a_stream(stream_id) for stream_id in MANY])
    await bench.record("t", tell=MANY)
    deliveries.wake(MANY)
    for stream_id in MANY:
        await to.made[stream_id][0].came.wait()


def test_a_stop_settles_all_streams_with_one_call() -> None:
    store = HangingStore()

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await start_a_send_to_each(bench, deliveries, to)
        await deliveries.drain(3)
        assert store.settlements == [len(MANY)]
        now_ms = round(bench.clock.wall() * 1000)
        assert {await store.next_due_ms(stream_id) for stream_id in MANY} == {now_ms}

    run_deliveries(scenario, dict.fromkeys(MANY, never), store=store)


def test_a_stop_takes_a_second_at_most_beyond_its_deadline_if_the_store_hangs() -> None:
    store = HangingStore()

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await start_a_send_to_each(bench, deliveries, to)
        store.hanging = True
        deliveries.wake(MANY[:7])  # these hang in a claim, the others in the last settlement
        await bench.clock.advance(0.001)
        started = bench.clock.monotonic()
        with capture_logs() as logs:
            await deliveries.drain(3)
        assert 3 <= bench.clock.monotonic() - started <= 4
        assert [(log["event"], log["streams"], log["deliveries"]) for log in logs] == [
            ("delivery.unsettled", 15, 15)
        ]
        assert all(made[0].closed for made in to.made.values())

    run_deliveries(scenario, dict.fromkeys(MANY, never), store=store)


def test_a_stop_settles_the_others_while_a_silent_destination_is_being_closed() -> None:
    class BusyStore(HangingStore):
        async def settle(self, reports: Sequence[DeliveryReport]) -> None:
            await asyncio.sleep(0.1)  # it writes something else first
            await super().settle(reports)

    async def soon(_delivery: Delivery) -> SinkAnswer:
        await asyncio.sleep(0.2)
        return OK

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("silent"), a_stream("b")])
        silent = to.made["silent"][0]

        async def close_slowly() -> None:
            await asyncio.sleep(1)
            silent.closed = True

        silent.close = close_slowly  # type: ignore[method-assign] # what it leads to is silent
        await bench.record("t", tell=("b",))
        deliveries.wake(["b"])
        await to.made["b"][0].came.wait()
        with capture_logs() as logs:
            await deliveries.drain(0.3)
        assert not logs
        assert silent.closed
        assert await bench.store.next_due_ms("b") is None

    run_deliveries(scenario, {"b": soon}, store=BusyStore())


def test_a_stop_overtakes_a_stream_that_was_changed_and_is_still_ending() -> None:
    store = HangingStore()

    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await start_a_send_to_each(bench, deliveries, to)
        await deliveries.apply([a_stream(id_, url="http://127.0.0.1:9/new") for id_ in MANY])
        started = bench.clock.monotonic()
        await deliveries.drain(3)
        assert bench.clock.monotonic() - started == pytest.approx(3)
        assert store.settlements == [len(MANY)]

    run_deliveries(scenario, dict.fromkeys(MANY, never), store=store)


def test_a_sink_that_cannot_even_be_closed_does_not_end_the_others() -> None:
    async def scenario(bench: Bench, deliveries: Deliveries, to: Destinations) -> None:
        await deliveries.apply([a_stream("a"), a_stream("b")])

        async def break_down() -> None:
            to.made["a"][0].closed = True
            raise RuntimeError("a bug")

        to.made["a"][0].close = break_down  # type: ignore[method-assign] # the sink's own defect
        with capture_logs() as logs:
            await deliveries.apply([a_stream("b")])
            await bench.clock.advance(1)
        assert [(log["event"], log["stream"]) for log in logs] == [("delivery.sink_failed", "a")]
        await bench.record("t", tell=("b",))
        deliveries.wake(["b"])
        await bench.clock.advance(1)
        assert to.made["b"][0].accepted == ["t-1"]

    run_deliveries(scenario)
