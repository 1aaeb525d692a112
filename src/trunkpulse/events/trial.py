"""A test event: the way to a destination, walked once by somebody who waits for the answer.

It goes straight through the sink and not through the outbox, so it also reaches the destination of
a stream that is paused, disabled or far behind. It is a change of a trunk that does not exist, and
says so in ``metadata.test``. A destination that opens something for a trunk that is down gets the
recovery too, so that nothing stays open; if it does not take that, the answer says so.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from trunkpulse.events.asking import answer_to
from trunkpulse.events.envelope import encode
from trunkpulse.model import EventStream, Reason, StateChange, TrunkState
from trunkpulse.ports import (
    AlertSink,
    Clock,
    Delivery,
    DeliveryOutcome,
    EventSink,
    SinkAnswer,
)

__all__ = ["TEST_TRUNK", "TRIAL_SECONDS", "Trial", "marked_as_test", "try_destination"]

TEST_TRUNK = "trunkpulse-test"
"""The ``entityId`` of a test event."""
TRIAL_SECONDS = 25.0
"""For all of it: longer than a sink takes of its own, shorter than a client waits."""

_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a destination said to a test event."""

    event_id: str
    answer: SinkAnswer
    duration_ms: int


async def try_destination(
    stream: EventStream,
    sink_for: Callable[[EventStream], EventSink],
    *,
    clock: Clock,
    rng: Random,
    instance_id: str,
    region: str,
) -> Trial:
    """Send ``stream`` a test event; answers within ``TRIAL_SECONDS``.

    Raises DestinationInvalid for a destination that can never work.
    """
    sink = sink_for(stream)
    started = clock.monotonic()
    event_id = str(UUID(int=rng.getrandbits(128), version=4))
    now_ms = round(clock.wall() * 1000)
    place = {"instance_id": instance_id, "region": region}
    down = _delivery(stream, event_id, now_ms, TrunkState.DOWN, **place)
    opened = False
    try:
        async with asyncio.timeout(TRIAL_SECONDS):
            answer = await _answer(sink, down)
            if answer.outcome is DeliveryOutcome.ACCEPTED and isinstance(sink, AlertSink):
                opened = True
                other_id = str(UUID(int=rng.getrandbits(128), version=4))
                back = TrunkState.AVAILABLE
                end = await _answer(sink, _delivery(stream, other_id, now_ms, back, **place))
                if end.outcome is not DeliveryOutcome.ACCEPTED:
                    answer = replace(end, detail=_left_open(end.detail))
    except TimeoutError:
        detail = f"no answer within {TRIAL_SECONDS:g} seconds"
        answer = SinkAnswer(
            outcome=DeliveryOutcome.TRY_LATER, detail=_left_open(detail) if opened else detail
        )
    finally:
        await sink.close()
    duration_ms = round((clock.monotonic() - started) * 1000)
    return Trial(event_id=event_id, answer=answer, duration_ms=duration_ms)


def marked_as_test(change: StateChange) -> str:
    """The JSON of ``change``, marked as a test."""
    event = json.loads(encode(change))
    event["metadata"]["test"] = True
    return _encoder.encode(event)


async def _answer(sink: EventSink, delivery: Delivery) -> SinkAnswer:
    return await answer_to(
        lambda: sink.deliver(delivery),
        within_seconds=None,
        stream=delivery.stream_id,
        event_id=delivery.event_id,
    )


def _left_open(detail: str) -> str:
    return f"the alert was opened, its end was not taken: {detail}"


def _delivery(
    stream: EventStream,
    event_id: str,
    now_ms: int,
    state: TrunkState,
    *,
    instance_id: str,
    region: str,
) -> Delivery:
    down = state is TrunkState.DOWN
    change = StateChange(
        event_id=event_id,
        trunk_id=TEST_TRUNK,
        trunk_name="Test event of trunkpulse",
        sequence=1 if down else 2,
        at_ms=now_ms,
        previous_state=TrunkState.AVAILABLE if down else TrunkState.DOWN,
        state=state,
        reason=Reason.KEEPALIVE_FAILURE if down else Reason.KEEPALIVE_RESTORED,
        failed_attempts=3 if down else 0,
        last_success_ms=now_ms,
        instance_id=instance_id,
        region=region,
    )
    return Delivery(
        id=0,
        stream_id=stream.id,
        trunk_id=TEST_TRUNK,
        event_id=event_id,
        position=0,
        body=marked_as_test(change),
        attempts=0,
        created_ms=now_ms,
    )
