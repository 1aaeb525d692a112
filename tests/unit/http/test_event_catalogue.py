"""What programs are told of events: a JSON Schema for each type, and the AsyncAPI document."""

from __future__ import annotations

import re
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types

from trunkpulse.model import EventType
from unit.http.api_world import running

CATALOGUE = "/api/v2/events/catalogue"
ASYNCAPI = "/api/v2/asyncapi.json"


async def test_every_type_is_listed_and_leads_to_its_schema() -> None:
    async with running() as world, world.client() as http:
        listing = (await http.get(CATALOGUE)).json()
        assert {each["eventType"] for each in listing["entities"]} == set(EventType)
        assert listing["nextCursor"] is None
        assert "Ignore the keys that you do not know" in listing["rules"]
        for each in listing["entities"]:
            answer = await http.get(each["schemaPath"])
            assert answer.headers["content-type"] == "application/schema+json"
            schema = answer.json()
            Draft202012Validator.check_schema(schema)
            assert schema["properties"]["eventType"]["const"] == each["eventType"]
            assert schema["x-version"] == each["version"]
            assert schema["title"] == each["title"]


async def test_what_the_api_gives_is_valid_by_the_schema_that_it_gives() -> None:
    async with running() as world, world.client() as http:
        world.succeed("carrier-b")
        await world.flap("carrier-b", 2)
        schema = (await http.get(f"{CATALOGUE}/telephony.trunks.stateChange")).json()
        events = (await http.get("/api/v2/events")).json()["entities"]
        assert len(events) == 4
        for each in events:
            Draft202012Validator(schema).validate(each)


async def test_a_type_that_does_not_exist_is_a_404_that_names_those_that_do() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{CATALOGUE}/telephony.trunks.stateChanged")
        assert answer.status_code == 404
        assert "telephony.trunks.stateChange, telephony.prober.isolated" in answer.json()["detail"]


async def document() -> dict[str, Any]:
    async with running() as world, world.client() as http:
        answer = await http.get(ASYNCAPI)
        assert answer.headers["content-type"] == "application/vnd.aai.asyncapi+json;version=3.0.0"
        found = answer.json()
        assert isinstance(found, dict)
        return found


def resolved(whole: dict[str, Any], reference: dict[str, str]) -> Any:
    assert list(reference) == ["$ref"]
    place: Any = whole
    for step in reference["$ref"].removeprefix("#/").split("/"):
        place = place[step]
    return place


def references(part: Any) -> list[dict[str, str]]:
    if isinstance(part, dict):
        own = [part] if "$ref" in part else []
        return own + [each for member in part.values() for each in references(member)]
    if isinstance(part, list):
        return [each for member in part for each in references(member)]
    return []


async def test_the_asyncapi_document_has_what_version_3_asks_for() -> None:
    found = await document()
    assert found["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= set(found["info"])
    assert found["servers"]["instance"] == {"host": "127.0.0.1:8080", "protocol": "http"}
    assert set(found) <= {
        *("asyncapi", "info", "defaultContentType", "servers"),
        *("channels", "operations", "components"),
    }
    for each in references(found):
        resolved(found, each)
    names = re.compile(r"[a-zA-Z0-9._-]+")
    for kind in found["components"].values():
        assert all(names.fullmatch(name) for name in kind)
    for channel in found["channels"].values():
        assert "address" in channel
        assert channel["messages"]
    for operation in found["operations"].values():
        assert operation["action"] == "send"
        channel_path = operation["channel"]["$ref"]
        # A message of an operation is named by way of its channel, never of the components.
        for message in operation["messages"]:
            assert message["$ref"].startswith(f"{channel_path}/messages/")


async def test_every_channel_carries_every_event_with_headers_of_its_own() -> None:
    found = await document()
    assert found["channels"]["live"]["address"] == "/api/v2/events/live"
    for name in ("webhook", "queue", "live"):
        messages = [resolved(found, each) for each in found["channels"][name]["messages"].values()]
        events = [each for each in messages if each["name"] in set(EventType)]
        assert {each["name"] for each in events} == set(EventType)
        for each in events:
            assert each["headers"]["type"] == "object"
            payload = resolved(found, each["payload"])
            assert payload["properties"]["eventType"]["const"] == each["name"]
            Draft202012Validator.check_schema(payload)
            Draft202012Validator.check_schema(each["headers"])
    webhook = resolved(found, found["channels"]["webhook"]["messages"]["webhookTrunksStateChange"])
    assert {"webhook-id", "webhook-timestamp", "webhook-signature"} == set(
        webhook["headers"]["properties"]
    )
    queue = resolved(found, found["channels"]["queue"]["messages"]["queueTrunksStateChange"])
    assert queue["headers"]["required"] == ["specversion", "id", "source", "type"]


async def test_the_payloads_are_the_schemas_of_the_catalogue() -> None:
    found = await document()
    async with running() as world, world.client() as http:
        for event_type in EventType:
            schema = (await http.get(f"{CATALOGUE}/{event_type}")).json()
            payload = found["components"]["schemas"][event_type]
            assert {**schema, **payload} == schema
            assert set(schema) - set(payload) == {"$schema", "$id"}


async def test_the_end_of_a_live_stream_is_described_too() -> None:
    found = await document()
    (ended,) = (
        message
        for each in found["channels"]["live"]["messages"].values()
        if (message := resolved(found, each))["name"] == "feed.ended"
    )
    said = {"reason": "slow_reader", "detail": "x"}
    assert not list(Draft202012Validator(ended["payload"]).iter_errors(said))
    assert list(Draft202012Validator(ended["payload"]).iter_errors({**said, "reason": "mood"}))
