"""What a lane leaves on record of each attempt."""

from __future__ import annotations

import asyncio
from random import Random

from delivery_bench import BUSY, OK, Bench, Receiver, always, in_turn
from trunkpulse.events.lane import StreamDelivery
from trunkpulse.ports import Delivery, DeliveryResult, RecordedAttempt, SinkAnswer
from virtual_time import run_virtual


async def attempts(bench: Bench) -> list[RecordedAttempt]:
    (delivery,) = await bench.store.deliveries("noc")
    return (await bench.store.attempts(delivery.id))[::-1]


def test_each_attempt_is_numbered_timed_and_quoted() -> None:
    async def main() -> None:
        bench = Bench()
        answers = in_turn(BUSY, OK)

        async def slow(delivery: Delivery) -> SinkAnswer:
            await asyncio.sleep(1.5)
            return await answers(delivery)

        await bench.record("a")
        await bench.run_for(bench.lane(Receiver(slow)), 60)
        assert [
            (each.attempt, each.result, each.duration_ms, each.response)
            for each in await attempts(bench)
        ] == [
            (1, DeliveryResult.RETRY, 1500, "503 Service Unavailable"),
            (2, DeliveryResult.DELIVERED, 1500, "200 OK"),
        ]

    run_virtual(main)


def test_an_attempt_that_is_cut_off_is_on_record_with_its_number() -> None:
    async def main() -> None:
        bench = Bench()

        async def once_and_never_again(delivery: Delivery) -> SinkAnswer:
            if delivery.attempts:
                await asyncio.Event().wait()
            return BUSY

        await bench.record("a")
        await bench.run_for(bench.lane(Receiver(once_and_never_again)), 20)
        assert [(each.attempt, each.response) for each in await attempts(bench)] == [
            (1, "503 Service Unavailable"),
            (2, "interrupted: the stream was stopped"),
        ]

    run_virtual(main)


def test_what_a_judge_hears_is_on_record_already() -> None:
    async def main() -> None:
        bench = Bench()
        heard: list[DeliveryResult] = []

        async def judge(reports: object) -> None:
            heard.extend(each.result for each in await attempts(bench))

        lane = StreamDelivery(
            "noc",
            Receiver(always(OK)),
            outbox=bench.store,
            clock=bench.clock,
            rng=Random(1),
            judge=judge,
        )
        await bench.record("a")
        await bench.run_for(lane, 1)
        assert heard == [DeliveryResult.DELIVERED]

    run_virtual(main)
