"""From trouble to its end: what PagerDuty, ServiceNow and Apprise make of an alert."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from contracts.alert_servers import PagerDuty, ServiceNow
from http_receiver import Receiver, saying, silence
from trunkpulse.adapters.outbound import Outside
from trunkpulse.adapters.sinks.apprise import AppriseSink
from trunkpulse.adapters.sinks.pagerduty import PagerDutySink
from trunkpulse.adapters.sinks.servicenow import ServiceNowSink
from trunkpulse.model import Destination, EventStream, Reason, TrunkState
from trunkpulse.ports import (
    MAX_ALERT_MEMBERS,
    Alert,
    AlertKind,
    AlertMember,
    AlertSeverity,
    DeliveryOutcome,
)

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")
"""One of the services that Apprise loads imports it."""

OLD_KEY, NEW_KEY = "a" * 32, "b" * 32
ACCEPTED, TRY_LATER, REFUSED = (
    DeliveryOutcome.ACCEPTED,
    DeliveryOutcome.TRY_LATER,
    DeliveryOutcome.REFUSED,
)


@pytest.fixture
async def pagerduty() -> AsyncIterator[PagerDuty]:
    server = PagerDuty(frozenset({OLD_KEY, NEW_KEY}))
    await server.receiver.start()
    yield server
    await server.receiver.stop()


@pytest.fixture
async def servicenow() -> AsyncIterator[ServiceNow]:
    server = ServiceNow("trunkpulse", "correct-horse")
    await server.receiver.start()
    yield server
    await server.receiver.stop()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    await receiver.start()
    yield receiver
    await receiver.stop()


def a_stream(type_: str, url: str, secret: str, **more: str) -> EventStream:
    previous = more.pop("previous_secret", None)
    destination = Destination(
        type=type_,
        url=url,
        secret=secret,
        previous_secret=previous,
        options=tuple(more.items()),
    )
    return EventStream(id="noc", name="NOC", destination=destination, managed_by="edge.toml")


def pagerduty_sink(server: PagerDuty, key: str = OLD_KEY, **more: str) -> PagerDutySink:
    url = f"http://127.0.0.1:{server.receiver.port}/v2/enqueue"
    return PagerDutySink(a_stream("pagerduty", url, key, **more), Outside())


def servicenow_sink(
    server: ServiceNow, password: str = "correct-horse", **more: str
) -> ServiceNowSink:
    url = f"http://127.0.0.1:{server.receiver.port}"
    stream = a_stream("servicenow", url, password, username="trunkpulse", **more)
    return ServiceNowSink(stream, Outside())


def an_alert(kind: AlertKind = AlertKind.TRIGGER, *, total: int = 2) -> Alert:
    is_over = kind is AlertKind.RESOLVE
    members = tuple(
        AlertMember(
            trunk_id=f"t{number}",
            name=f"Trunk {number}",
            state=TrunkState.AVAILABLE if is_over else TrunkState.DOWN,
            reason=Reason.KEEPALIVE_FAILURE,
            since_ms=1_700_000_000_000,
        )
        for number in range(min(total, MAX_ALERT_MEMBERS))
    )
    return Alert(
        alert_id="alert-1",
        stream_id="noc",
        kind=kind,
        group=(("carrier", "acme"), ("region", "eu")),
        severity=AlertSeverity.INFO if is_over else AlertSeverity.CRITICAL,
        title=f"{total} trunks of carrier acme are down",
        summary=f"{total} trunks of carrier acme are down\nTrunk 0\nTrunk 1",
        members=members,
        total=total,
        total_down=0 if is_over else total,
        opened_ms=1_700_000_000_000,
        at_ms=1_700_000_015_000,
    )


# --- PagerDuty


async def test_one_incident_from_trigger_over_updates_to_resolve(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty)
    for kind in (AlertKind.TRIGGER, AlertKind.UPDATE, AlertKind.TRIGGER):
        assert (await sink.tell(an_alert(kind))).outcome is ACCEPTED
    assert list(pagerduty.incidents) == [(OLD_KEY, "alert-1")]
    assert (await sink.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    assert pagerduty.incidents == {}
    assert pagerduty.opened == 1
    await sink.close()


async def test_an_incident_says_what_is_wrong(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty)
    await sink.tell(an_alert())
    ((event,),) = pagerduty.incidents.values()
    payload = event["payload"]
    assert payload["summary"] == "2 trunks of carrier acme are down"
    assert payload["severity"] == "critical"
    assert payload["source"] == payload["group"] == "carrier acme, region eu"
    assert payload["timestamp"] == "2023-11-14T22:13:35.000+00:00"
    details = payload["custom_details"]
    assert (details["trunks"], details["trunksDown"], details["carrier"]) == (2, 2, "acme")
    assert [member["trunkId"] for member in details["members"]] == ["t0", "t1"]
    await sink.close()


async def test_a_severity_of_ones_own_replaces_ours(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty, severity="error")
    await sink.tell(an_alert())
    ((event,),) = pagerduty.incidents.values()
    assert event["payload"]["severity"] == "error"
    await sink.close()


async def test_ten_thousand_trunks_are_one_event_that_pagerduty_takes(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty)
    alert = replace(an_alert(total=10_000), title="x" * 5_000, alert_id="long " * 100)
    assert (await sink.tell(alert)).outcome is ACCEPTED
    assert (await sink.tell(replace(alert, kind=AlertKind.RESOLVE))).outcome is ACCEPTED
    assert pagerduty.incidents == {}
    assert len(pagerduty.receiver.requests[0].body) < 512 * 1024
    await sink.close()


async def test_what_an_older_key_opened_is_closed_with_it(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty)
    opened = await sink.tell(an_alert())
    await sink.close()
    assert OLD_KEY not in str(dict(opened.pinned))
    rotated = pagerduty_sink(pagerduty, NEW_KEY, previous_secret=OLD_KEY)
    await rotated.tell(replace(an_alert(AlertKind.UPDATE), pinned=opened.pinned))
    assert [key for key, _ in pagerduty.incidents] == [OLD_KEY]
    await rotated.tell(replace(an_alert(AlertKind.RESOLVE), pinned=opened.pinned))
    assert pagerduty.incidents == {}
    fresh = await rotated.tell(an_alert())
    assert [key for key, _ in pagerduty.incidents] == [NEW_KEY]
    assert fresh.pinned != opened.pinned
    await rotated.close()


async def test_without_a_pin_both_keys_are_told_of_the_end(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty)
    await sink.tell(an_alert())
    await sink.close()
    rotated = pagerduty_sink(pagerduty, NEW_KEY, previous_secret=OLD_KEY)
    assert (await rotated.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    assert pagerduty.incidents == {}
    await rotated.close()


async def test_an_older_key_that_is_revoked_holds_nothing_up(pagerduty: PagerDuty) -> None:
    pagerduty.keys = frozenset({NEW_KEY})
    rotated = pagerduty_sink(pagerduty, NEW_KEY, previous_secret=OLD_KEY)
    await rotated.tell(an_alert())
    assert (await rotated.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    assert pagerduty.incidents == {}
    await rotated.close()


async def test_a_key_that_pagerduty_does_not_know_is_refused(pagerduty: PagerDuty) -> None:
    sink = pagerduty_sink(pagerduty, "c" * 32)
    answer = await sink.tell(an_alert())
    assert answer.outcome is REFUSED
    assert "Invalid routing key" in answer.detail
    await sink.close()


# --- ServiceNow


async def test_an_alert_of_event_management_is_cleared(servicenow: ServiceNow) -> None:
    sink = servicenow_sink(servicenow)
    assert (await sink.tell(an_alert())).outcome is ACCEPTED
    assert servicenow.alerts == {"alert-1": "1"}
    degraded = replace(an_alert(AlertKind.UPDATE), severity=AlertSeverity.WARNING)
    assert (await sink.tell(degraded)).outcome is ACCEPTED
    assert servicenow.alerts == {"alert-1": "4"}
    assert (await sink.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    assert servicenow.alerts == {"alert-1": "0"}
    assert servicenow.incidents == {}
    await sink.close()


async def test_one_incident_is_opened_noted_on_and_resolved(servicenow: ServiceNow) -> None:
    sink = servicenow_sink(servicenow, mode="incident", assignment_group="NOC")
    for kind in (AlertKind.TRIGGER, AlertKind.TRIGGER, AlertKind.UPDATE):
        assert (await sink.tell(an_alert(kind))).outcome is ACCEPTED
    (incident,) = servicenow.incidents.values()
    assert (incident["urgency"], incident["assignment_group"]) == ("1", "NOC")
    assert incident["short_description"] == "2 trunks of carrier acme are down"
    assert "Trunk 1" in incident["work_notes"]
    assert (await sink.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    (incident,) = servicenow.incidents.values()
    assert (incident["state"], incident["close_code"]) == ("6", "Solution provided")
    await sink.close()


async def test_an_incident_that_is_over_is_not_gone_on_with(servicenow: ServiceNow) -> None:
    sink = servicenow_sink(servicenow, mode="incident")
    for kind in (AlertKind.TRIGGER, AlertKind.RESOLVE, AlertKind.TRIGGER):
        await sink.tell(an_alert(kind))
    states = [incident["state"] for incident in servicenow.incidents.values()]
    assert states == ["6", "1"]
    await sink.close()


async def test_with_no_incident_open_there_is_nothing_to_resolve(servicenow: ServiceNow) -> None:
    sink = servicenow_sink(servicenow, mode="incident")
    answer = await sink.tell(an_alert(AlertKind.RESOLVE))
    assert (answer.outcome, answer.detail) == (ACCEPTED, "no incident is open")
    assert servicenow.incidents == {}
    await sink.close()


@pytest.mark.parametrize("mode", ["event", "incident"])
async def test_a_password_that_is_wrong_may_be_put_right(servicenow: ServiceNow, mode: str) -> None:
    sink = servicenow_sink(servicenow, "no-horse", mode=mode)
    answer = await sink.tell(an_alert())
    assert answer.outcome is TRY_LATER
    assert answer.detail.startswith("401")
    await sink.close()


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b"{}", b'{"result": [{"sys_id": "../user"}]}', b"[" * 16_000],
)
async def test_a_look_up_that_is_not_servicenows_makes_no_incident(
    receiver: Receiver, body: bytes
) -> None:
    receiver.answer = saying(200, body)
    stream = a_stream(
        "servicenow", f"http://127.0.0.1:{receiver.port}", "x", username="u", mode="incident"
    )
    sink = ServiceNowSink(stream, Outside())
    assert (await sink.tell(an_alert())).outcome is TRY_LATER
    assert len(receiver.requests) == 1
    await sink.close()


# --- Apprise


def apprise_sink(*urls: str, timeout_seconds: float = 20) -> AppriseSink:
    stream = a_stream("apprise", "", "\n".join(urls))
    return AppriseSink(stream, Outside(), timeout_seconds=timeout_seconds)


async def test_a_notification_says_how_bad_it_is(receiver: Receiver) -> None:
    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/")
    for kind in (AlertKind.TRIGGER, AlertKind.RESOLVE):
        assert (await sink.tell(an_alert(kind))).outcome is ACCEPTED
    down, over = (json.loads(request.body) for request in receiver.requests)
    assert (down["type"], over["type"]) == ("failure", "success")
    assert down["title"] == "2 trunks of carrier acme are down"
    assert down["message"] == "Trunk 0\nTrunk 1"
    await sink.close()


async def test_who_has_been_told_is_not_told_again_because_another_failed(
    receiver: Receiver,
) -> None:
    other = Receiver()
    await other.start()
    other.answer = saying(503)
    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/", f"json://127.0.0.1:{other.port}/")
    answer = await sink.tell(an_alert())
    assert answer.outcome is TRY_LATER
    assert answer.detail.startswith("service 2: ")
    other.answer = saying(200)
    assert (await sink.tell(an_alert())).outcome is ACCEPTED
    assert (len(receiver.requests), len(other.requests)) == (1, 2)
    await other.stop()
    await sink.close()


async def test_a_service_that_hangs_ends_with_the_deadline_and_holds_up_no_other(
    receiver: Receiver,
) -> None:
    hanging = Receiver()
    await hanging.start()
    hanging.answer = silence
    sink = apprise_sink(
        f"json://127.0.0.1:{hanging.port}/?rto=1",
        f"json://127.0.0.1:{receiver.port}/",
        timeout_seconds=0.5,
    )
    answer = await sink.tell(an_alert())
    assert (answer.outcome, answer.detail) == (
        TRY_LATER,
        "service 1 did not take it within 0.5 seconds",
    )
    assert len(receiver.requests) == 1
    await hanging.left.wait()
    await hanging.stop()
    await sink.close()


async def test_a_notification_that_succeeds_after_the_deadline_is_not_sent_again(
    receiver: Receiver,
) -> None:
    let_through = asyncio.Event()

    async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_through.wait()
        await saying(200)(reader, writer)

    receiver.answer = late
    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/?rto=30", timeout_seconds=0.5)
    assert (await sink.tell(an_alert())).outcome is TRY_LATER
    await receiver.came.wait()
    let_through.set()
    async with asyncio.timeout(30):
        while (await sink.tell(an_alert())).outcome is not ACCEPTED:
            pass
    assert len(receiver.requests) == 1
    assert (await sink.tell(an_alert(AlertKind.RESOLVE))).outcome is ACCEPTED
    assert len(receiver.requests) == 2
    await sink.close()


async def test_a_machine_without_threads_to_spare_is_a_passing_trouble(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_more(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/", timeout_seconds=5)
    with monkeypatch.context() as starved:
        starved.setattr(threading.Thread, "start", no_more)
        answer = await sink.tell(an_alert())
    assert (answer.outcome, answer.detail) == (TRY_LATER, "service 1: can't start new thread")
    assert (await sink.tell(an_alert())).outcome is ACCEPTED
    await sink.close()


async def test_the_loop_goes_on_while_apprise_sends(receiver: Receiver) -> None:
    receiver.answer = silence
    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/?rto=1")
    task = asyncio.create_task(sink.tell(an_alert()))
    await receiver.came.wait()  # the receiver is on this loop
    assert not task.done()
    assert (await task).outcome is TRY_LATER
    await sink.close()


async def test_a_url_that_apprise_makes_nothing_of_is_named_by_its_line(receiver: Receiver) -> None:
    sink = apprise_sink(f"json://127.0.0.1:{receiver.port}/", "pigeon://hush")
    answer = await sink.tell(an_alert())
    assert answer.outcome is TRY_LATER
    assert "line 2" in answer.detail
    assert "hush" not in f"{answer.detail} {answer.request} {answer.response}"
    await sink.close()
