"""Maintenance that is planned, shown and called off through the API."""

from __future__ import annotations

from typing import Any

import pytest

from trunkpulse.model import MaintenanceWindow
from unit.http.api_world import running

PATH = "/api/v2/telephony/maintenance"
MOVE: dict[str, Any] = {
    "id": "acme-move",
    "name": "Acme moves",
    "carriers": ["acme"],
    "starts": "2020-12-06T02:00:00+01:00",
    "ends": "2990-12-06T05:00:00+01:00",
}
PATCHES: dict[str, Any] = {
    "id": "patches",
    "repeat": "weekly",
    "days": ["sunday"],
    "at": "02:30",
    "durationSeconds": 7200,
    "timeZone": "Europe/Berlin",
}


async def test_a_window_is_planned_shown_and_called_off() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(PATH, json=MOVE)
        assert answer.status_code == 201
        assert answer.headers["location"] == f"{PATH}/acme-move"
        shown = answer.json()
        assert shown.pop("advice") == []
        assert shown == (await http.get(f"{PATH}/acme-move")).json()
        assert shown["starts"] == 1_607_216_400_000
        assert shown["until"] == shown["ends"]
        assert (shown["next"], shown["repeat"], shown["managedBy"]) == (None, None, None)
        now_ms = world.context.now_ms()
        assert world.maintenance.of("carrier-a", "acme", "us-east", now_ms) is not None
        assert [window.id for window in await world.store.load_windows()] == ["acme-move"]
        assert (await http.delete(f"{PATH}/acme-move")).status_code == 204
        assert (await http.get(f"{PATH}/acme-move")).status_code == 404
        assert world.maintenance.of("carrier-a", "acme", "us-east", now_ms) is None


async def test_a_window_that_comes_again_says_when_it_does_so_next() -> None:
    async with running() as world, world.client() as http:
        shown = (await http.post(PATH, json=PATCHES)).json()
        assert {key: shown[key] for key in PATCHES} == PATCHES
        assert shown["next"] > world.context.now_ms()
        assert shown["starts"] is None


async def test_names_that_no_trunk_has_are_advised_on() -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(PATH, json={**MOVE, "carriers": ["acme", "acne"]})
        assert answer.status_code == 201
        [advice] = answer.json()["advice"]
        assert (advice["code"], advice["where"]) == ("label_unknown", 'maintenance "acme-move"')
        assert 'no trunk has the carrier "acne" now' in advice["detail"]


async def test_windows_are_listed_by_id_page_by_page() -> None:
    async with running() as world, world.client() as http:
        for number in (2, 1, 3):
            await http.post(PATH, json={**MOVE, "id": f"w{number}"})
        first = (await http.get(PATH, params={"limit": 2})).json()
        assert [each["id"] for each in first["entities"]] == ["w1", "w2"]
        second = (await http.get(PATH, params={"cursor": first["nextCursor"]})).json()
        assert [each["id"] for each in second["entities"]] == ["w3"]


async def test_what_the_file_declares_is_read_only() -> None:
    async with running() as world, world.client() as http:
        world.maintenance.declare(
            [
                MaintenanceWindow(
                    id="acme-move", name="n", starts_ms=0, ends_ms=1, managed_by="edge.toml"
                )
            ]
        )
        answer = await http.delete(f"{PATH}/acme-move")
        assert answer.status_code == 409
        assert "declared in edge.toml" in answer.json()["detail"]
        assert (await http.post(PATH, json=MOVE)).status_code == 409
        assert (await http.delete(f"{PATH}/other")).status_code == 404


@pytest.mark.parametrize(
    ("document", "field", "words"),
    [
        ({**MOVE, "id": "a b"}, "body.id", "a name of 1 to 128 letters"),
        ({**MOVE, "ends": "2020-01-01T00:00:00Z"}, "body.ends", "must be after starts"),
        ({**MOVE, "starts": "soon"}, "body.starts", "a moment such as"),
        ({**MOVE, "trunks": ["carrier-a", "nope"]}, "body.trunks[1]", "there is no trunk"),
        ({**MOVE, "colour": "red"}, "body.colour", "is not known here"),
        ({**PATCHES, "timeZone": "Mars/Base"}, "body.timeZone", "a time zone such as"),
        ({**PATCHES, "at": "02:00Z"}, "body.at", "set timeZone instead"),
        ({**PATCHES, "durationSeconds": 1}, "body.durationSeconds", "60 to 604800"),
        ({**PATCHES, "days": []}, "body.days", "must name the days"),
        ({**PATCHES, "repeat": "yearly"}, "body.repeat", "'daily' or 'weekly'"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_a_mistake_is_named_with_its_member(
    document: dict[str, Any], field: str, words: str
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(PATH, json=document)
        assert answer.status_code == 422
        (error,) = answer.json()["errors"]
        assert error["field"] == field
        assert words in error["detail"]
        assert answer.json()["detail"].endswith(".")
        assert await world.store.load_windows() == []


async def test_a_trunk_and_why_it_is_down_show_the_maintenance_that_goes_on() -> None:
    async with running() as world, world.client() as http:
        made = (
            await http.post(PATH, json={**MOVE, "carriers": [], "trunks": ["carrier-a"]})
        ).json()
        expected = {"id": "acme-move", "name": "Acme moves", "until": made["ends"]}
        trunks = "/api/v2/telephony/trunks"
        assert (await http.get(f"{trunks}/carrier-a")).json()["maintenance"] == expected
        assert (await http.get(f"{trunks}/carrier-a/explain")).json()["maintenance"] == expected
        assert (await http.get(f"{trunks}/carrier-b")).json()["maintenance"] is None
