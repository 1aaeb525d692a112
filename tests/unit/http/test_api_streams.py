"""Streams made and changed through the API; what the file declares is read-only there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx2
import pytest

from trunkpulse.adapters.http.api.paging import Catalogue
from trunkpulse.adapters.http.api.streams import list_streams
from trunkpulse.events.delivery import DeliveryProgress
from unit.http.api_world import FILE, running

STREAMS = "/api/v2/events/streams"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOOK = {"type": "webhook", "url": "https://example.com/hook?token=t0ken", "secret": SECRET}
PAGERS: dict[str, Any] = {"id": "pagers", "carriers": ["acme"], "destination": HOOK}


async def make(http: httpx2.AsyncClient, **members: object) -> dict[str, Any]:
    answer = await http.post(STREAMS, json={**PAGERS, **members})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert isinstance(made, dict)
    return made


def problem(answer: httpx2.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert isinstance(detail, str)
    assert detail.endswith(".")
    return detail


@pytest.mark.parametrize("url", ["http://10.0.0.1/hook", "http://[::1]:9000/"])
async def test_a_url_of_an_address_that_events_may_not_go_to_is_refused(url: str) -> None:
    async with running() as world, world.client() as http:
        there = {"type": "webhook", "url": url}
        answer = await http.post(STREAMS, json={**PAGERS, "destination": there})
        assert "where events may not go; to permit it, add" in problem(answer, 422)
        assert answer.json()["errors"][0]["field"] == "body.destination.url"
        await make(http)
        patch = {"destination": {**there, "secret": None}}
        answer = await http.patch(f"{STREAMS}/pagers", json=patch)
        assert "where events may not go" in problem(answer, 422)
        assert world.lanes.streams["pagers"].destination.url == HOOK["url"]


async def test_a_stream_that_is_made_is_shown_without_its_secret_and_delivered_to() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(STREAMS, json=PAGERS)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{STREAMS}/pagers"
        shown = answer.json()
        assert shown == (await http.get(f"{STREAMS}/pagers")).json()
        assert (shown["managedBy"], shown["enabled"], shown["paused"]) == (None, True, False)
        assert shown["carriers"] == ["acme"]
        assert shown["destination"] == {
            "type": "webhook",
            "url": "https://example.com/hook?…",
            "hasSecret": True,
            "hasPreviousSecret": False,
            "headerNames": [],
        }
        assert SECRET not in answer.text
        assert world.lanes.streams["pagers"].destination.secret == SECRET
        listed = (await http.get(STREAMS)).json()["entities"]
        assert [each["id"] for each in listed] == ["audit", "noc", "pagers"]
        (row,) = await world.store.load_streams()
        assert SECRET not in repr(row) + json.dumps(row.definition)
        assert "t0ken" not in json.dumps([row.definition, dict(row.secrets)])


async def test_a_stream_that_is_made_is_told_of_the_next_change() -> None:
    async with running() as world, world.client() as http:
        await make(http, reasonCodes=["*"])
        await make(http, id="others", carriers=["umbrella"], reasonCodes=["*"])
        world.succeed("carrier-a")
        await world.pipeline.recorder.flushed()
        now_ms = world.context.now_ms()
        taken = await world.store.claim("pagers", now_ms=now_ms, limit=9, lease_ms=1)
        assert [each.trunk_id for each in taken] == ["carrier-a"]
        assert await world.store.claim("others", now_ms=now_ms, limit=9, lease_ms=1) == []


async def test_the_progress_of_all_streams_is_gathered_once_for_a_page_of_them() -> None:
    async with running() as world:
        gathered: list[str] = []

        def progress() -> Mapping[str, DeliveryProgress]:
            gathered.append("progress")
            return world.progress

        context = replace(world.context, deliveries=progress)
        streams = Catalogue(lambda: context.subscriptions.all)
        page = await list_streams(context, streams)
    assert len(page.entities) == 2
    assert gathered == ["progress"]


async def test_the_options_of_a_destination_are_shown_by_the_names_that_set_them() -> None:
    async with running() as world, world.client() as http:
        destination = {
            "type": "kafka",
            "url": "kafka://kafka.example.com:9092",
            "topic": "trunks",
            "saslMechanism": "PLAIN",
            "username": "u",
            "secret": "p4ssw0rd",
            "tls": True,
        }
        shown = await make(http, destination=destination)
        assert shown["destination"].items() >= {
            "topic": "trunks", "saslMechanism": "PLAIN", "username": "u", "tls": True,
            "hasSecret": True,
        }.items()  # fmt: skip
        assert "p4ssw0rd" not in json.dumps(shown)


async def test_a_stream_that_alerts_says_how() -> None:
    async with running() as world, world.client() as http:
        shown = await make(
            http,
            destination={"type": "pagerduty", "secret": "0123456789abcdef0123456789abcdef"},
            alerts={"groupBy": ["carrier"]},
        )
        assert shown["alerts"]["groupBy"] == ["carrier"]
        assert shown["alerts"]["groupWaitSeconds"] == 15


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"id": "n o"}, "body.id"),
        ({"destination": {"type": "webhook"}}, "body.destination.url"),
        ({"trunks": ["carrier-a", "nobody"]}, "body.trunks[1]"),
        ({"reason_codes": ["*"]}, "body.reason_codes"),
        ({"destination": {**HOOK, "secret": "hunter2"}}, "body.destination.secret"),
    ],
)
async def test_a_mistake_is_a_422_that_names_the_field(members: dict[str, Any], field: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(STREAMS, json={**PAGERS, **members})
        problem(answer, 422)
        assert [error["field"] for error in answer.json()["errors"]] == [field]
        assert "hunter2" not in answer.text
        assert await world.store.load_streams() == []


@pytest.mark.parametrize("body", ["[]", "1", '"x"', "null", "{", '{"a": ' * 4000, ""])
async def test_what_is_no_object_is_a_422_or_400(body: str) -> None:
    async with running() as world, world.client() as http:
        headers = {"content-type": "application/json"}
        answer = await http.post(STREAMS, content=body, headers=headers)
        assert answer.status_code in (400, 422)
        problem(answer, answer.status_code)


async def test_half_a_character_is_refused_before_anything_is_written() -> None:
    async with running() as world, world.client() as http:
        body = json.dumps(
            {**PAGERS, "destination": {"type": "apprise", "secret": "json://a\ud800"}}
        )
        headers = {"content-type": "application/json"}
        problem(await http.post(STREAMS, content=body, headers=headers), 422)
        assert await world.store.load_streams() == []


async def test_an_id_is_given_once_over_file_and_api() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        assert "pagers already" in problem(await http.post(STREAMS, json=PAGERS), 409)
        of_file = await http.post(STREAMS, json={**PAGERS, "id": "noc"})
        assert "noc already" in problem(of_file, 409)
        assert len(world.lanes.streams) == 3


async def test_a_destination_that_can_never_work_is_refused_and_nothing_is_kept() -> None:
    async with running() as world, world.client() as http:
        world.lanes.impossible.add(HOOK["url"])
        answer = await http.post(STREAMS, json=PAGERS)
        assert "impossible" in problem(answer, 422)
        assert answer.json()["errors"][0]["field"] == "body.destination"
        assert await world.store.load_streams() == []
        assert (await http.get(f"{STREAMS}/pagers")).status_code == 404


async def test_without_a_database_nothing_is_made_and_nothing_is_applied() -> None:
    async with running() as world, world.client() as http:
        await make(http, reasonCodes=["*"])
        before = world.lanes.streams
        world.store.plugged = False
        problem(await http.post(STREAMS, json={**PAGERS, "id": "late"}), 503)
        problem(await http.patch(f"{STREAMS}/pagers", json={"paused": True}), 503)
        problem(await http.delete(f"{STREAMS}/pagers"), 503)
        world.store.plugged = True
        assert world.lanes.streams == before
        world.succeed("carrier-a")
        await world.pipeline.recorder.flushed()
        assert await world.store.next_due_ms("late") is None
        assert await world.store.next_due_ms("pagers") is not None
        listed = (await http.get(STREAMS)).json()["entities"]
        assert [each["id"] for each in listed] == ["audit", "noc", "pagers"]


@pytest.mark.parametrize("media_type", ["application/json", "application/merge-patch+json"])
async def test_a_patch_changes_what_it_names(media_type: str) -> None:
    async with running() as world, world.client() as http:
        await make(http, name="Pagers")
        patch = {"carriers": None, "regions": ["eu"], "destination": {"headers": {"X-A": "t0ken"}}}
        answer = await http.patch(
            f"{STREAMS}/pagers", content=json.dumps(patch), headers={"content-type": media_type}
        )
        shown = answer.json()
        assert (shown["name"], shown["carriers"], shown["regions"]) == ("Pagers", [], ["eu"])
        assert shown["destination"]["headerNames"] == ["X-A"]
        assert "t0ken" not in answer.text
        applied = world.lanes.streams["pagers"].destination
        assert (applied.secret, applied.headers) == (SECRET, (("X-A", "t0ken"),))
        (row,) = await world.store.load_streams()
        assert row.revision == 2


async def test_a_patch_that_would_take_the_secret_elsewhere_is_refused() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        patch = {"destination": {"url": "https://evil.example.com/hook"}}
        answer = await http.patch(f"{STREAMS}/pagers", json=patch)
        assert "must be given again" in problem(answer, 422)
        assert world.lanes.streams["pagers"].destination.url == HOOK["url"]


async def test_a_stream_is_paused_resumed_disabled_and_enabled() -> None:
    async with running() as world, world.client() as http:
        await make(http)
        seen = []
        for action in ("pause", "pause", "disable", "resume", "enable"):
            shown = (await http.post(f"{STREAMS}/pagers/{action}")).json()
            seen.append((shown["enabled"], shown["paused"]))
            applied = world.lanes.streams["pagers"]
            assert (applied.enabled, applied.paused) == seen[-1]
        assert seen == [(True, True), (True, True), (False, True), (False, False), (True, False)]
        (row,) = await world.store.load_streams()
        assert row.revision == 5  # what changes nothing is not written


async def test_a_stream_is_deleted_with_what_waits_for_it() -> None:
    async with running() as world, world.client() as http:
        await make(http, reasonCodes=["*"])
        world.succeed("carrier-a")
        await world.pipeline.recorder.flushed()
        assert await world.store.next_due_ms("pagers") is not None
        answer = await http.delete(f"{STREAMS}/pagers")
        assert (answer.status_code, answer.content) == (204, b"")
        assert await world.store.next_due_ms("pagers") is None
        assert await world.store.load_streams() == []
        assert set(world.lanes.streams) == {"audit", "noc"}
        assert (await http.get(f"{STREAMS}/pagers")).status_code == 404
        assert (await make(http))["id"] == "pagers"


async def test_a_stream_of_the_file_may_be_tried_again_when_it_was_given_up() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(f"{STREAMS}/noc/enable")
        assert (answer.status_code, answer.json()["enabled"]) == (200, True)
        assert world.lanes.enabled == ["noc"]
        assert FILE in problem(await http.post(f"{STREAMS}/audit/enable"), 409)
        assert world.lanes.enabled == ["noc"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "noc"),
        ("DELETE", "noc"),
        *(("POST", f"noc/{action}") for action in ("pause", "resume", "disable")),
    ],
)
async def test_what_the_file_declares_is_a_409_that_names_the_file(method: str, path: str) -> None:
    async with running() as world, world.client() as http:
        body = {"paused": True} if method == "PATCH" else None
        answer = await http.request(method, f"{STREAMS}/{path}", json=body)
        assert FILE in problem(answer, 409)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "nobody"),
        ("PATCH", "nobody"),
        ("DELETE", "nobody"),
        *(("POST", f"nobody/{action}") for action in ("pause", "resume", "disable", "enable")),
    ],
)
async def test_a_stream_that_is_not_there_is_a_404(method: str, path: str) -> None:
    async with running() as world, world.client() as http:
        body: dict[str, object] | None = {} if method == "PATCH" else None
        answer = await http.request(method, f"{STREAMS}/{path}", json=body)
        assert "nobody" in problem(answer, 404)


async def test_the_example_of_the_documentation_works_and_names_only_what_there_is() -> None:
    async with running() as world, world.client() as http:
        document = (await http.get("/api/v2/openapi.json")).json()
        operations = document["paths"][STREAMS], document["paths"][f"{STREAMS}/{{stream_id}}"]
        schema = operations[0]["post"]["requestBody"]["content"]["application/json"]["schema"]
        (example,) = schema["examples"]
        assert (await http.post(STREAMS, json=example)).status_code == 201
        assert set(schema["required"]) == {"id", "destination"}
        assert set(example) < set(schema["properties"])
        assert set(example["destination"]) < set(schema["properties"]["destination"]["properties"])
        patch = operations[1]["patch"]["requestBody"]["content"]["application/json"]["schema"]
        answer = await http.patch(f"{STREAMS}/{example['id']}", json=patch["examples"][0])
        assert (answer.status_code, answer.json()["carriers"]) == (200, [])
