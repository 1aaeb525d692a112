"""What every destination of events is held to, against a real receiver on loopback."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from http_receiver import Answer, Receiver, gibberish, hang_up, saying, silence
from interop.peers.ports import free_port
from trunkpulse import __version__
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks import exchange, make_sink
from trunkpulse.adapters.sinks.exchange import BODY_LIMIT_BYTES, EXCERPT_CHARACTERS
from trunkpulse.adapters.sinks.webhook import WebhookSink
from trunkpulse.model import Destination, EventStream
from trunkpulse.ports import Delivery, DeliveryOutcome

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NEWER = "whsec_" + base64.b64encode(bytes(range(32, 64))).decode()
BODY = json.dumps({"eventType": "telephony.trunks.stateChange", "entityName": "Köln"})


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


@dataclass
class Wall:
    """A wall clock that stands where the test puts it."""

    now: float

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def wall() -> Wall:
    return Wall(datetime.now(UTC).timestamp())


@pytest.fixture
async def sink(receiver: Receiver, wall: Wall) -> AsyncIterator[WebhookSink]:
    sink = WebhookSink(a_stream(receiver.url, SECRET), Outside(), wall=wall)
    yield sink
    await sink.close()


def a_stream(url: str, secret: str | None = None, **more: Any) -> EventStream:
    return EventStream(
        id="noc",
        name="NOC",
        destination=Destination(type="webhook", url=url, secret=secret, **more),
        managed_by="edge.toml",
    )


def a_delivery(event_id: str = "evt_1", attempts: int = 0) -> Delivery:
    return Delivery(
        id=1,
        stream_id="noc",
        trunk_id="carrier-a",
        event_id=event_id,
        position=1,
        body=BODY,
        attempts=attempts,
        created_ms=1_700_000_000_000,
    )


async def test_an_event_arrives_once_unchanged_and_signed(
    receiver: Receiver, sink: WebhookSink
) -> None:
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (DeliveryOutcome.ACCEPTED, "200 OK")
    (request,) = receiver.requests
    assert request.line == "POST /hook?token=hush HTTP/1.1"
    assert request.body == BODY.encode()
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"] == f"trunkpulse/{__version__}"
    assert request.headers["webhook-id"] == "evt_1"
    assert Webhook(SECRET).verify(request.body, request.headers) == json.loads(BODY)


async def test_the_signature_covers_the_body(receiver: Receiver, sink: WebhookSink) -> None:
    await sink.deliver(a_delivery())
    with pytest.raises(WebhookVerificationError):
        Webhook(SECRET).verify(receiver.requests[0].body + b" ", receiver.requests[0].headers)


async def test_while_a_secret_is_replaced_receivers_may_know_either(receiver: Receiver) -> None:
    sink = make_sink(a_stream(receiver.url, NEWER, previous_secret=SECRET), Outside())
    await sink.deliver(a_delivery())
    await sink.close()
    (request,) = receiver.requests
    assert request.headers["webhook-signature"].count(" ") == 1
    for known in (NEWER, SECRET):
        assert Webhook(known).verify(request.body, request.headers) == json.loads(BODY)


async def test_headers_of_ones_own_go_with_every_delivery_and_stay_unseen(
    receiver: Receiver,
) -> None:
    headers = (("Authorization", "Bearer hush-hush"), ("X-Team", "noc"))
    sink = make_sink(a_stream(receiver.url, headers=headers), Outside())
    receiver.answer = saying(500, b"hush-hush is wrong")
    answer = await sink.deliver(a_delivery())
    await sink.close()
    (request,) = receiver.requests
    assert request.headers["authorization"] == "Bearer hush-hush"
    assert request.headers["x-team"] == "noc"
    assert "Authorization: ***" in answer.request
    assert "hush" not in f"{answer.request} {answer.response} {answer.detail}"


async def test_it_is_put_down_what_was_asked_and_answered(
    receiver: Receiver, sink: WebhookSink
) -> None:
    receiver.answer = saying(500, b"full up")
    answer = await sink.deliver(a_delivery())
    asked, *headers = answer.request.splitlines()
    assert asked == f"POST http://127.0.0.1:{receiver.port}/hook"
    assert "webhook-id: evt_1" in headers
    assert "webhook-signature: ***" in headers
    assert answer.response == "500 Internal Server Error\n\nfull up"


async def test_without_a_secret_nothing_is_signed(receiver: Receiver) -> None:
    sink = make_sink(a_stream(receiver.url), Outside())
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED
    assert "webhook-signature" not in receiver.requests[0].headers
    await sink.close()


async def test_a_retry_has_the_same_id_a_fresh_timestamp_and_a_signature_of_its_own(
    receiver: Receiver, sink: WebhookSink, wall: Wall
) -> None:
    receiver.answer = saying(500)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.TRY_LATER
    wall.now += 90
    receiver.answer = saying(204)
    assert (await sink.deliver(a_delivery(attempts=1))).outcome is DeliveryOutcome.ACCEPTED
    first, second = (request.headers for request in receiver.requests)
    assert first["webhook-id"] == second["webhook-id"]
    assert int(second["webhook-timestamp"]) == int(first["webhook-timestamp"]) + 90
    for request in receiver.requests:
        Webhook(SECRET).verify(request.body, request.headers)


async def test_one_connection_serves_one_delivery_after_another(
    receiver: Receiver, sink: WebhookSink
) -> None:
    for status in (200, 500, 200):
        receiver.answer = saying(status, b"a body of some length")
        await sink.deliver(a_delivery())
    assert (len(receiver.requests), receiver.connections) == (3, 1)


@pytest.mark.parametrize("status", [301, 400, 401, 404, 418, 429, 500, 502, 503, 599])
async def test_anything_but_success_is_tried_later(
    receiver: Receiver, sink: WebhookSink, status: int
) -> None:
    receiver.answer = saying(status, b"try\r\n  again\x00 later")
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.retry_after_seconds) == (DeliveryOutcome.TRY_LATER, None)
    assert answer.detail.startswith(str(status))
    assert answer.detail.endswith(": try again later")


async def test_gone_is_the_end_of_the_receiver(receiver: Receiver, sink: WebhookSink) -> None:
    receiver.answer = saying(410)
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (DeliveryOutcome.GONE, "410 Gone")


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_in_seconds_is_handed_on(
    receiver: Receiver, sink: WebhookSink, status: int
) -> None:
    receiver.answer = saying(status, retry_after="120")
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.retry_after_seconds) == (DeliveryOutcome.TRY_LATER, 120)


async def test_retry_after_as_a_date_is_handed_on_in_seconds(
    receiver: Receiver, sink: WebhookSink, wall: Wall
) -> None:
    moment = datetime.fromtimestamp(int(wall.now), UTC) + timedelta(seconds=300)
    receiver.answer = saying(503, retry_after=format_datetime(moment, usegmt=True))
    answer = await sink.deliver(a_delivery())
    assert answer.retry_after_seconds == pytest.approx(300, abs=1)


async def test_a_redirect_is_not_followed(receiver: Receiver, sink: WebhookSink) -> None:
    receiver.answer = saying(307, location=f"http://127.0.0.1:{receiver.port}/elsewhere")
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is DeliveryOutcome.TRY_LATER
    assert answer.detail == "307 Temporary Redirect"
    assert len(receiver.requests) == 1


async def test_silence_ends_with_the_deadline_and_the_connection_with_it(
    receiver: Receiver,
) -> None:
    receiver.answer = silence
    sink = WebhookSink(a_stream(receiver.url), Outside(), timeout_seconds=0.5)
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        DeliveryOutcome.TRY_LATER,
        "no answer within 0.5 seconds",
    )
    await receiver.left.wait()
    receiver.answer = saying(200)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED
    await sink.close()


async def test_a_refused_connection_is_told_in_the_systems_words() -> None:
    url = f"http://127.0.0.1:{free_port('127.0.0.1')}/hook"
    sink = WebhookSink(a_stream(url), Outside())
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (DeliveryOutcome.TRY_LATER, "Connection refused")
    await sink.close()


async def test_a_tls_handshake_that_never_ends_is_given_up_and_closed(receiver: Receiver) -> None:
    url = receiver.url.replace("http:", "https:")  # the receiver waits for the end of a request
    sink = WebhookSink(a_stream(url), Outside(), timeout_seconds=0.5)
    answer = await sink.deliver(a_delivery())
    assert (answer.outcome, answer.detail) == (
        DeliveryOutcome.TRY_LATER,
        "no connection within 0.25 seconds",
    )
    await receiver.left.wait()
    await sink.close()


async def test_a_tls_failure_is_told_in_a_phrase() -> None:
    async def not_tls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(not_tls, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        sink = WebhookSink(a_stream(f"https://127.0.0.1:{port}/?token=hush"), Outside())
        answer = await sink.deliver(a_delivery())
        await sink.close()
    assert answer.outcome is DeliveryOutcome.TRY_LATER
    assert "SSL" in answer.detail
    assert "hush" not in answer.detail


@pytest.mark.parametrize("rude", [hang_up, gibberish])
async def test_a_broken_answer_is_tried_later(
    receiver: Receiver, sink: WebhookSink, rude: Answer
) -> None:
    receiver.answer = rude
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is DeliveryOutcome.TRY_LATER
    assert answer.detail
    receiver.answer = saying(200)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED


@pytest.mark.parametrize(
    ("status", "outcome"), [(200, DeliveryOutcome.ACCEPTED), (500, DeliveryOutcome.TRY_LATER)]
)
async def test_an_endless_body_is_cut_off(
    receiver: Receiver, sink: WebhookSink, status: int, outcome: DeliveryOutcome
) -> None:
    sent = 0

    async def flood(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 1000000000\r\n\r\n".encode())
        while True:
            writer.write(b"x" * 4096)
            sent += 4096
            await writer.drain()

    receiver.answer = flood
    answer = await sink.deliver(a_delivery())
    assert answer.outcome is outcome
    assert len(answer.detail) <= len("500 Internal Server Error: ") + EXCERPT_CHARACTERS
    await receiver.left.wait()
    # The rest of what was sent lies in the sockets' buffers, unread.
    assert BODY_LIMIT_BYTES <= sent < 32 * 1024 * 1024


async def test_a_body_that_breaks_off_does_not_unmake_the_acceptance(
    receiver: Receiver, sink: WebhookSink
) -> None:
    async def broken(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        writer.close()

    receiver.answer = broken
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED


async def test_a_body_that_outlasts_the_deadline_does_not_unmake_the_acceptance(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc")
        await silence(reader, writer)

    receiver.answer = endless
    monkeypatch.setattr(exchange, "BODY_SECONDS", 1.2)
    sink = WebhookSink(a_stream(receiver.url), Outside(), timeout_seconds=1.0)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED
    await receiver.left.wait()
    await sink.close()


async def test_a_cancelled_delivery_lets_go_of_its_connection(
    receiver: Receiver, sink: WebhookSink
) -> None:
    receiver.answer = silence
    task = asyncio.create_task(sink.deliver(a_delivery()))
    await receiver.came.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await receiver.left.wait()
    receiver.answer = saying(200)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED


async def test_cancelled_deliveries_do_not_use_up_the_pool(
    receiver: Receiver, sink: WebhookSink
) -> None:
    receiver.answer = silence
    for _ in range(3):
        tasks = [asyncio.create_task(sink.deliver(a_delivery())) for _ in range(40)]
        receiver.came.clear()
        await receiver.came.wait()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    receiver.answer = saying(200)
    assert (await sink.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED


async def test_closing_twice_is_safe(sink: WebhookSink) -> None:
    await sink.deliver(a_delivery())
    await sink.close()
    await sink.close()


async def test_proxies_of_the_environment_are_not_used(
    receiver: Receiver, sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    fresh = make_sink(a_stream(receiver.url), Outside())
    assert (await fresh.deliver(a_delivery())).outcome is DeliveryOutcome.ACCEPTED
    await fresh.close()


async def test_neither_the_secret_nor_the_query_is_logged(
    receiver: Receiver, sink: WebhookSink, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for status in (200, 500):
        receiver.answer = saying(status)
        await sink.deliver(a_delivery())
    assert "hush" not in caplog.text
    assert SECRET not in caplog.text
    assert SECRET.removeprefix("whsec_") not in caplog.text
