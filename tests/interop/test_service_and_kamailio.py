"""``trunkpulse serve`` as a process, real carriers, and everybody who listens to it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import signal
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from http_receiver import Receiver, Request
from interop.journal import DEADLINE_SECONDS
from interop.peers.kamailio import Kamailio
from interop.peers.processes import PeerProcess, running_process
from interop.service import TRUNKPULSE, Service, responding, serving, trunkpulse
from interop.settings import config_file

pytestmark = pytest.mark.interop

KEY = bytes(range(32))
SECRET = f"whsec_{base64.b64encode(KEY).decode()}"

STREAM = """
[[event_streams]]
id = "noc"
reason_codes = ["*"]
[event_streams.destination]
type = "webhook"
url = "{url}"
secret = "env:NOC_WEBHOOK_SECRET"
"""

ROUTE = """
[[routes]]
id = "everywhere"
numbers = ["+1"]
trunks = [{ id = "carrier-a", priority = 1 }, { id = "carrier-b", priority = 2 }]
"""


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


async def hooks(receiver: Receiver, number: int) -> list[Request]:
    """What the webhook was told, once that is so much."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(receiver.requests) < number:
            receiver.came.clear()
            await receiver.came.wait()
    return receiver.requests


def verified(request: Request) -> dict[str, Any]:
    """The event of a delivery whose signature is the one of Standard Webhooks 1.0."""
    headers = request.headers
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + request.body
    mac = base64.b64encode(hmac.digest(KEY, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{mac}"
    event: dict[str, Any] = json.loads(request.body)
    assert event["metadata"]["eventId"] == headers["webhook-id"]
    return event


def told(events: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(event["previousState"], event["state"], event["reasonCode"]) for event in events]


async def listed(service: Service, folder: Path) -> dict[str, str]:
    """What ``trunkpulse trunks list --json`` says: trunk to state."""
    outcome = await trunkpulse("trunks", "list", "--json", "--data", str(folder), folder=folder)
    assert outcome.code == 0, outcome.output
    return {each["id"]: each["state"] for each in json.loads(outcome.output)["entities"]}


async def changed(service: PeerProcess, trunk: str, state: str, times: int) -> None:
    """Returns when the service has logged so many changes of the trunk to this state."""
    start = f"event=trunk.changed trunk={trunk} state={state} "

    def look(lines: Sequence[str]) -> bool | None:
        return True if sum(start in line for line in lines) >= times else None

    await service.lines.until(look)


async def test_outage_and_recovery_reach_the_webhook_the_list_and_the_tail(
    kamailio: Kamailio, receiver: Receiver, tmp_path: Path
) -> None:
    stream = STREAM.format(url=receiver.url)
    config = config_file(tmp_path, {"carrier-a": kamailio.uri}, more=stream)
    async with serving(config, NOC_WEBHOOK_SECRET=SECRET) as service:
        tail = (*TRUNKPULSE, "events", "tail", "--follow", "--json", "--data", str(tmp_path))
        async with running_process(*tail, folder=tmp_path) as tailing:
            await hooks(receiver, 1)
            assert await listed(service, tmp_path) == {"carrier-a": "AVAILABLE"}
            await kamailio.answers(5)
            await kamailio.kill()
            answered = kamailio.answered
            await hooks(receiver, 2)
            assert await listed(service, tmp_path) == {"carrier-a": "DOWN"}
            await kamailio.start()
            await hooks(receiver, 3)
            assert await listed(service, tmp_path) == {"carrier-a": "AVAILABLE"}
            followed = [json.loads(line) for line in await tailing.lines.count(3)]

            service.process.signal(signal.SIGTERM)
            assert await service.process.ended() == 0

    events = [verified(request) for request in receiver.requests]
    assert told(events) == [
        ("UNKNOWN", "AVAILABLE", "KEEPALIVE_RESTORED"),
        ("AVAILABLE", "DOWN", "NETWORK_ERROR"),
        ("DOWN", "AVAILABLE", "KEEPALIVE_RESTORED"),
    ]
    assert followed == events
    assert [event["metadata"]["sequence"] for event in events] == [1, 2, 3]
    down = events[1]
    assert down["entityId"] == "carrier-a"
    assert down["metadata"]["failedAttempts"] == 3
    # Kamailio's own account: the last answer that it told of was received after it was sent, and
    # the failure that counts came after that.
    last_success_ms = down["metadata"]["lastSuccessfulKeepalive"]
    [evidence] = down["metadata"]["evidence"]
    assert int(answered[-1] * 1000) <= last_success_ms < evidence["at"] <= down["timestamp"]


async def test_calls_move_to_the_other_carrier_and_back(
    kamailio: Kamailio, second_kamailio: Kamailio, tmp_path: Path
) -> None:
    trunks = {"carrier-a": kamailio.uri, "carrier-b": second_kamailio.uri}
    async with serving(config_file(tmp_path, trunks, more=ROUTE)) as service:

        async def candidates() -> tuple[list[str], list[tuple[str, str]]]:
            decision: dict[str, Any] = await service.post(
                "/api/v2/routing/decide", {"to": "+15551230001"}
            )
            return (
                [each["trunkId"] for each in decision["candidates"]],
                [(each["trunkId"], each["reasonCode"]) for each in decision["skipped"]],
            )

        await changed(service.process, "carrier-a", "AVAILABLE", 1)
        await changed(service.process, "carrier-b", "AVAILABLE", 1)
        assert await candidates() == (["carrier-a", "carrier-b"], [])

        await kamailio.kill()
        await changed(service.process, "carrier-a", "DOWN", 1)
        assert await candidates() == (["carrier-b"], [("carrier-a", "NETWORK_ERROR")])

        await kamailio.start()
        await changed(service.process, "carrier-a", "AVAILABLE", 2)
        assert await candidates() == (["carrier-a", "carrier-b"], [])


async def test_service_watches_a_respond_process_until_it_is_gone(tmp_path: Path) -> None:
    async with responding(tmp_path) as place:
        config = config_file(tmp_path, {"bench": f"sip:{place}"})
        async with serving(config) as service:
            await changed(service.process, "bench", "AVAILABLE", 1)
            assert await listed(service, tmp_path) == {"bench": "AVAILABLE"}
            service.process.signal(signal.SIGTERM)
            assert await service.process.ended() == 0
    async with serving(config) as service:
        # What the first life recorded is the past of the second one.
        await changed(service.process, "bench", "DOWN", 1)
        outcome = await trunkpulse(
            "events", "tail", "--json", "--data", str(tmp_path), folder=tmp_path
        )
        events = [json.loads(line) for line in outcome.output.splitlines()]
        assert told(events) == [
            ("UNKNOWN", "AVAILABLE", "KEEPALIVE_RESTORED"),
            ("AVAILABLE", "DOWN", "NETWORK_ERROR"),
        ]
        assert [event["metadata"]["sequence"] for event in events] == [1, 2]
