from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.adapters.http.api.paging import Catalogue, Sort, cursor_of
from unit.http.api_world import World, running

TRUNKS = "/api/v2/telephony/trunks"
ROUTES = "/api/v2/routing/routes"
STREAMS = "/api/v2/events/streams"
WINDOWS = "/api/v2/telephony/maintenance"


@dataclass(frozen=True)
class Entry:
    id: str


IDS = st.lists(st.text("abcdé", min_size=1, max_size=3), unique=True, max_size=30)


@given(ids=IDS, limit=st.integers(1, 7), sort=st.sampled_from(Sort), hidden=st.sampled_from("abx"))
def test_pages_in_either_order_hold_everything_that_is_shown_once(
    ids: list[str], limit: int, sort: Sort, hidden: str
) -> None:
    entries = [Entry(each) for each in ids]
    catalogue = Catalogue(lambda: entries)
    found: list[str] = []
    cursor: str | None = None
    while True:
        page, cursor = catalogue.page(cursor, limit, lambda each: hidden not in each.id, sort)
        found += [each.id for each in page]
        if cursor is None:
            break
        assert len(page) == limit
    expected = sorted((each for each in ids if hidden not in each), reverse=sort is not Sort.ID)
    assert found == expected


async def _list(http: httpx2.AsyncClient, path: str, **query: Any) -> list[str]:
    answer = await http.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["entities"]]


@pytest.mark.parametrize(
    ("path", "ids"), [(ROUTES, ["eu", "us"]), (STREAMS, ["audit", "noc"]), (WINDOWS, ["a", "b"])]
)
async def test_lists_are_sorted_by_id_in_either_direction(path: str, ids: list[str]) -> None:
    async with running() as world, world.client() as http:
        await _plan(world, http)
        assert await _list(http, path) == ids
        assert await _list(http, path, sort="-id") == ids[::-1]
        first = (await http.get(path, params={"sort": "-id", "limit": 1})).json()
        rest = await _list(http, path, sort="-id", cursor=first["nextCursor"])
        assert [first["entities"][0]["id"], *rest] == ids[::-1]
        for query in ({"sort": "name"}, {"cursor": "%%"}):
            answer = await http.get(path, params=query)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == f"query.{next(iter(query))}"


async def test_trunks_are_sorted_by_id_or_state_in_either_direction() -> None:
    async with running() as world, world.client() as http:
        by_id = await _list(http, TRUNKS)
        await http.post(f"{TRUNKS}/carrier-b/disable")
        assert await _list(http, TRUNKS, sort="-id") == by_id[::-1]
        by_state = await _list(http, TRUNKS, sort="state")
        assert by_state[:2] == ["carrier-b", "off-by-file"]
        assert sorted(by_state) == by_id
        assert await _list(http, TRUNKS, sort="-state") == by_state[::-1]
        first = (await http.get(TRUNKS, params={"sort": "state", "limit": 1})).json()
        rest = await _list(http, TRUNKS, sort="state", cursor=first["nextCursor"])
        assert [first["entities"][0]["id"], *rest] == by_state
        for query, field in (
            ({"sort": "name"}, "query.sort"),
            ({"sort": "state", "cursor": cursor_of("carrier-a")}, "query.cursor"),
        ):
            answer = await http.get(TRUNKS, params=query)
            assert answer.status_code == 422
            assert answer.json()["errors"][0]["field"] == field


async def _plan(world: World, http: httpx2.AsyncClient) -> None:
    """One window that goes on, and one that does not."""
    for window_id, year in (("a", 2020), ("b", 2030)):
        body = {
            "id": window_id,
            "name": f"Work in {year}",
            "starts": f"{year}-01-01T00:00:00Z",
            "ends": "2030-12-31T00:00:00Z",
        }
        assert (await http.post(WINDOWS, json=body)).status_code == 201


@pytest.mark.parametrize(
    ("path", "query", "ids"),
    [
        (ROUTES, {"trunk": "carrier-b"}, ["us"]),
        (ROUTES, {"trunk": "nobody"}, []),
        (ROUTES, {"direction": "outbound"}, ["eu", "us"]),
        (ROUTES, {"direction": "inbound"}, []),
        (ROUTES, {"q": "U"}, ["eu", "us"]),
        (ROUTES, {"q": "eu"}, ["eu"]),
        (STREAMS, {"type": "webhook"}, ["audit", "noc"]),
        (STREAMS, {"type": "kafka"}, []),
        (STREAMS, {"enabled": "false"}, ["audit"]),
        (STREAMS, {"enabled": "true"}, ["noc"]),
        (STREAMS, {"q": "OPERATIONS"}, ["noc"]),
        (WINDOWS, {"goingOn": "true"}, ["a"]),
        (WINDOWS, {"goingOn": "false"}, ["b"]),
        (WINDOWS, {"q": "in 2030"}, ["b"]),
    ],
)
async def test_lists_are_filtered(path: str, query: dict[str, str], ids: list[str]) -> None:
    async with running() as world, world.client() as http:
        await _plan(world, http)
        assert await _list(http, path, **query) == ids


async def test_a_filter_that_is_neither_true_nor_false_is_named() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(STREAMS, params={"enabled": "perhaps"})
        assert answer.status_code == 422
        assert answer.json()["errors"] == [
            {"field": "query.enabled", "detail": "query.enabled must be true or false."}
        ]
