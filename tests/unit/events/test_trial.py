"""A test event goes straight to the destination and says what it is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from random import Random

import pytest
from structlog.testing import capture_logs

from delivery_bench import BUSY, GONE, OK, Receiver, always, never
from trunkpulse.events.trial import TRIAL_SECONDS, Trial, try_destination
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Alert, Delivery, DeliveryOutcome, DestinationInvalid, SinkAnswer
from virtual_time import VirtualClock, run_virtual

STREAM = EventStream(
    id="noc",
    name="NOC",
    destination=Destination(type="test", url="http://127.0.0.1:9/"),
    enabled=False,
    paused=True,
)


class AlertReceiver(Receiver):
    """A destination that opens something."""

    async def tell(self, alert: Alert) -> SinkAnswer:
        raise AssertionError("a test event is an event")


async def tried(receiver: Receiver) -> Trial:
    trial = await try_destination(
        STREAM,
        lambda _stream: receiver,
        clock=VirtualClock(),
        rng=Random(1),
        instance_id="edge-1",
        region="us-east",
    )
    assert receiver.closed
    return trial


def test_a_test_event_is_a_change_of_a_trunk_that_does_not_exist_and_says_so() -> None:
    async def main() -> None:
        receiver = Receiver(always(OK))
        trial = await tried(receiver)
        (delivery,) = receiver.received
        event = json.loads(delivery.body)
        assert list(event) == [
            "eventType",
            "timestamp",
            "entityId",
            "entityName",
            "state",
            "previousState",
            "reasonCode",
            "metadata",
        ]
        assert (event["eventType"], event["entityId"]) == (
            "telephony.trunks.stateChange",
            "trunkpulse-test",
        )
        assert event["metadata"]["test"] is True
        assert event["metadata"]["eventId"] == delivery.event_id == trial.event_id
        assert trial.answer == OK

    run_virtual(main)


@pytest.mark.parametrize("answer", [OK, BUSY])
def test_nothing_stays_open_at_a_destination_that_opens_something(answer: SinkAnswer) -> None:
    async def main() -> None:
        receiver = AlertReceiver(always(answer))
        trial = await tried(receiver)
        states = [json.loads(each.body)["state"] for each in receiver.received]
        assert states == (["DOWN", "AVAILABLE"] if answer is OK else ["DOWN"])
        assert trial.answer == answer

    run_virtual(main)


@pytest.mark.parametrize("taken", [BUSY, GONE])
def test_an_end_that_is_not_taken_is_told(taken: SinkAnswer) -> None:
    async def main() -> None:
        answers = iter([OK, taken])

        async def answer(_delivery: Delivery) -> SinkAnswer:
            return next(answers)

        trial = await tried(AlertReceiver(answer))
        assert trial.answer.outcome is taken.outcome
        assert trial.answer.detail == (
            f"the alert was opened, its end was not taken: {taken.detail}"
        )

    run_virtual(main)


def test_an_end_that_is_not_answered_in_time_is_told() -> None:
    async def main() -> None:
        async def answer(delivery: Delivery) -> SinkAnswer:
            down = json.loads(delivery.body)["state"] == "DOWN"
            return OK if down else await never(delivery)

        trial = await tried(AlertReceiver(answer))
        assert trial.answer.outcome is DeliveryOutcome.TRY_LATER
        assert trial.answer.detail == (
            "the alert was opened, its end was not taken: no answer within 25 seconds"
        )

    run_virtual(main)


def test_an_answer_comes_in_time_whatever_the_destination_does() -> None:
    async def main() -> None:
        trial = await tried(Receiver(never))
        assert trial.answer.detail == "no answer within 25 seconds"
        assert trial.duration_ms == TRIAL_SECONDS * 1000

    run_virtual(main)


def test_a_defect_in_what_speaks_to_the_destination_is_an_answer_too() -> None:
    async def fails(_delivery: Delivery) -> SinkAnswer:
        raise ValueError("a line that is longer than any line")

    async def main() -> None:
        with capture_logs() as logs:
            trial = await tried(Receiver(fails))
        assert trial.answer.outcome is DeliveryOutcome.TRY_LATER
        assert trial.answer.detail == "the destination's adapter failed"
        assert [(log["event"], log["stream"]) for log in logs] == [("delivery.sink_failed", "noc")]

    run_virtual(main)


def test_the_time_that_it_took_is_told() -> None:
    async def slow(_delivery: Delivery) -> SinkAnswer:
        await asyncio.sleep(1.5)
        return BUSY

    async def main() -> None:
        answer: Callable[[Delivery], Awaitable[SinkAnswer]] = slow
        assert (await tried(Receiver(answer))).duration_ms == 1500

    run_virtual(main)


def test_a_destination_that_can_never_work_is_refused() -> None:
    def refuse(stream: EventStream) -> Receiver:
        raise DestinationInvalid(f"The destination of {stream.id} is not valid.")

    async def main() -> None:
        with pytest.raises(DestinationInvalid):
            await try_destination(
                STREAM, refuse, clock=VirtualClock(), rng=Random(1), instance_id="i", region="r"
            )

    run_virtual(main)
