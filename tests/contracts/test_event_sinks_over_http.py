"""What every destination that is reached over HTTP is held to, against faithful receivers."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Protocol

import pytest

from contracts.alert_servers import PagerDuty, ServiceNow
from http_receiver import Receiver, hang_up, saying, silence
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks import make_sink
from trunkpulse.events.envelope import encode
from trunkpulse.model import (
    AttemptEvidence,
    Destination,
    EventStream,
    FailureKind,
    Reason,
    StateChange,
    TargetState,
    TrunkState,
)
from trunkpulse.ports import Delivery, DeliveryOutcome, EventSink

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
"""One of the services that Apprise loads imports it."""

ACCEPTED, TRY_LATER, REFUSED = (
    DeliveryOutcome.ACCEPTED,
    DeliveryOutcome.TRY_LATER,
    DeliveryOutcome.REFUSED,
)
SIGNING_KEY = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ROUTING_KEY = "R0UTINGK3Y" * 3 + "00"
PASSWORD = "correct-horse-battery"
APPRISE_TOKEN = "apprisetoken99"


class LosingAnswers(Protocol):
    def __call__(self, *, is_lost: bool) -> None: ...


@dataclass
class Far:
    """A destination, the receiver behind it, and what has come to pass there."""

    stream: EventStream
    receiver: Receiver
    happened: Callable[[], list[str]]
    """Each thing that a delivery brought about, by the key that it has at the receiver."""
    token: str
    """What must not be seen."""
    lose_answers: LosingAnswers
    """Do what is asked and break the connection before the answer is out, or no longer."""
    says_retry_after: bool = True
    refusal: int | None = 400
    """A status that means never; None if there is none."""


def stream_to(type_: str, url: str, secret: str, **options: str) -> EventStream:
    return EventStream(
        id="noc",
        name="NOC",
        destination=Destination(type=type_, url=url, secret=secret, options=tuple(options.items())),
        managed_by="edge.toml",
    )


def webhook(receiver: Receiver) -> Far:
    def lose(*, is_lost: bool) -> None:
        receiver.answer = hang_up if is_lost else saying(200)

    return Far(
        stream_to("webhook", receiver.url, SIGNING_KEY),
        receiver,
        lambda: [request.headers["webhook-id"] for request in receiver.requests],
        SIGNING_KEY[6:],
        lose,
        refusal=None,
    )


def pagerduty(receiver: Receiver) -> Far:
    server = PagerDuty(frozenset({ROUTING_KEY}), receiver)

    def lose(*, is_lost: bool) -> None:
        server.loses_answers = is_lost

    url = f"http://127.0.0.1:{receiver.port}/v2/enqueue"
    return Far(
        stream_to("pagerduty", url, ROUTING_KEY),
        receiver,
        lambda: [key for _, key in server.incidents],
        ROUTING_KEY,
        lose,
    )


def servicenow(receiver: Receiver, mode: str) -> Far:
    server = ServiceNow("trunkpulse", PASSWORD, receiver)

    def lose(*, is_lost: bool) -> None:
        server.loses_answers = is_lost

    url = f"http://127.0.0.1:{receiver.port}"
    return Far(
        stream_to("servicenow", url, PASSWORD, username="trunkpulse", mode=mode),
        receiver,
        lambda: [
            *server.alerts,
            *(incident["correlation_id"] for incident in server.incidents.values()),
        ],
        PASSWORD,
        lose,
    )


def apprise(receiver: Receiver) -> Far:
    def lose(*, is_lost: bool) -> None:
        receiver.answer = hang_up if is_lost else saying(200)

    return Far(
        stream_to("apprise", "", f"json://127.0.0.1:{receiver.port}/{APPRISE_TOKEN}?rto=0.5"),
        receiver,
        lambda: [json.loads(request.body)["title"] for request in receiver.requests],
        APPRISE_TOKEN,
        lose,
        says_retry_after=False,
        refusal=None,
    )


KINDS: dict[str, Callable[[Receiver], Far]] = {
    "webhook": webhook,
    "pagerduty": pagerduty,
    "servicenow events": lambda receiver: servicenow(receiver, "event"),
    "servicenow incidents": lambda receiver: servicenow(receiver, "incident"),
    "apprise": apprise,
}


@pytest.fixture(params=KINDS)
async def far(request: pytest.FixtureRequest) -> AsyncIterator[Far]:
    receiver = Receiver()
    await receiver.start()
    yield KINDS[request.param](receiver)
    await receiver.stop()


@pytest.fixture
async def sink(far: Far) -> AsyncIterator[EventSink]:
    sink = make_sink(far.stream, Outside())
    yield sink
    await sink.close()


def a_delivery(attempts: int = 0) -> Delivery:
    change = StateChange(
        event_id="evt_1",
        trunk_id="carrier-a",
        trunk_name="Köln 1",
        sequence=1,
        at_ms=1_700_000_000_000,
        previous_state=TrunkState.AVAILABLE,
        state=TrunkState.DOWN,
        reason=Reason.KEEPALIVE_FAILURE,
        failed_attempts=3,
        last_success_ms=None,
        instance_id="edge-1",
        region="eu",
        evidence=(
            AttemptEvidence(
                target="sip:192.0.2.1:5060", state=TargetState.DOWN, failure=FailureKind.TIMEOUT
            ),
        ),
    )
    return Delivery(
        id=1,
        stream_id="noc",
        trunk_id="carrier-a",
        event_id="evt_1",
        position=1,
        body=encode(change),
        attempts=attempts,
        created_ms=1_700_000_000_000,
    )


async def test_an_event_is_delivered_once(far: Far, sink: EventSink) -> None:
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is ACCEPTED
    assert len(far.happened()) == 1


async def test_after_a_lost_answer_it_is_the_same_once_more(far: Far, sink: EventSink) -> None:
    far.lose_answers(is_lost=True)
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert answer.detail
    far.lose_answers(is_lost=False)
    assert (await sink.deliver(a_delivery(attempts=1))).outcome is ACCEPTED
    assert len(far.receiver.requests) >= 2
    assert len(set(far.happened())) == 1


@pytest.mark.parametrize("status", [301, 408, 429, 500, 503])
async def test_what_may_pass_is_tried_later(far: Far, sink: EventSink, status: int) -> None:
    location = f"http://127.0.0.1:{far.receiver.port}/elsewhere"
    far.receiver.answer = saying(status, retry_after="120", location=location)
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert len(far.receiver.requests) == 1
    if far.says_retry_after:
        assert answer.detail.startswith(str(status))
        assert answer.retry_after_seconds == 120


async def test_a_permanent_refusal_is_one(far: Far, sink: EventSink) -> None:
    if far.refusal is None:
        answer_code, expected = 400, TRY_LATER
    else:
        answer_code, expected = far.refusal, REFUSED
    far.receiver.answer = saying(answer_code, b"never that")
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is expected
    assert answer.retry_after_seconds is None


async def test_who_is_not_there_is_asked_later(far: Far, sink: EventSink) -> None:
    await far.receiver.stop()
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is TRY_LATER
    assert answer.detail


async def test_a_cancelled_delivery_ends_at_once_and_the_next_one_arrives(
    far: Far, sink: EventSink
) -> None:
    proper = far.receiver.answer
    far.receiver.answer = silence
    task = asyncio.create_task(sink.deliver(a_delivery()))
    await far.receiver.came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    far.receiver.answer = proper
    assert (await sink.deliver(a_delivery())).outcome is ACCEPTED


async def test_what_is_put_down_of_a_delivery_holds_no_secret(
    far: Far, sink: EventSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = f"{far.token} is not welcome".encode()
    proper = far.receiver.answer
    for answer in (proper, saying(500, said), saying(400, said), hang_up):
        far.receiver.answer = answer
        told = await sink.deliver(a_delivery())
        put_down = f"{told.request} {told.response} {told.detail} {caplog.text}"
        assert told.request
        assert far.token not in put_down


@pytest.mark.parametrize("type_", ["webhook", "pagerduty"])
async def test_a_token_in_the_url_is_struck_out_however_the_far_side_spells_it(type_: str) -> None:
    receiver = Receiver()
    await receiver.start()
    receiver.answer = saying(
        400, b"no /p?token=SEKRIT%2B123&pass+word; token SEKRIT+123 and SEKRIT%2B123, pass word"
    )
    url = f"http://127.0.0.1:{receiver.port}/p?token=SEKRIT%2B123&pass+word"
    secret = SIGNING_KEY if type_ == "webhook" else ROUTING_KEY
    sink = make_sink(stream_to(type_, url, secret), Outside())
    answer = await sink.deliver(a_delivery())
    await sink.close()
    await receiver.stop()
    put_down = f"{answer.request} {answer.response} {answer.detail}"
    assert "***" in answer.response
    assert "SEKRIT" not in put_down
    assert "pass word" not in put_down


async def test_closing_twice_is_safe(far: Far, sink: EventSink) -> None:
    await sink.deliver(a_delivery())
    await sink.close()
    await sink.close()


async def test_a_stream_that_came_over_the_api_does_not_reach_this_machine(far: Far) -> None:
    if far.stream.destination.type == "apprise":
        return  # refused when it is made: see test_sink_destinations
    sink = make_sink(replace(far.stream, managed_by=None), Outside())
    answer = await sink.deliver(a_delivery())
    await sink.close()
    assert answer.outcome is TRY_LATER
    assert answer.request == ""  # nothing was sent
    assert far.receiver.connections == 0
