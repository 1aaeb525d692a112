from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.responses import Response

from trunkpulse.adapters.http.api.conditional import (
    NotModified,
    check_match,
    etag_of,
    etag_of_value,
    tag,
)
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.ports import Document, DocumentKind
from unit.http.api_world import running

STREAMS = "/api/v2/events/streams"
WINDOWS = "/api/v2/telephony/maintenance"
STREAM = {"id": "own", "destination": {"type": "webhook", "url": "https://example.com/hook"}}
WINDOW = {"id": "w", "starts": "2026-12-06T02:00:00Z", "ends": "2026-12-06T05:00:00Z"}


def kept(revision: int, created_ms: int = 7) -> Document:
    return Document(
        kind=DocumentKind.ROUTE,
        id="x",
        definition={},
        revision=revision,
        created_ms=created_ms,
        changed_ms=9,
    )


def status_of(if_match: str | None, etag: str) -> int:
    try:
        check_match(if_match, etag)
    except Problem as problem:
        return problem.status.value
    return 200


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 200),
        ("*", 200),
        ('"3-7"', 200),
        ('"3-7.abc"', 200),
        ('"2-7", "3-7"', 200),
        (',"3-7",,', 200),
        ('"2-7"', 412),
        ('W/"3-7"', 412),
        ('"3"', 412),
        ("3-7", 422),
        ('"3-7" "2-7"', 422),
        ('"3-7', 422),
        ("", 422),
    ],
)
def test_if_match_compares_definitions_strongly(header: str | None, status: int) -> None:
    assert status_of(header, etag_of(kept(3))) == status
    assert status_of(header, '"3-7.other"') == status


def test_what_was_deleted_and_made_again_is_another() -> None:
    assert status_of(etag_of(kept(1, created_ms=7)), etag_of(kept(1, created_ms=8))) == 412
    assert etag_of(None) != etag_of(kept(1))
    assert etag_of_value(("a", 1)) == etag_of_value(("a", 1)) != etag_of_value(("a", 2))


@given(st.text(st.characters(codec="latin-1"), max_size=200))
def test_no_header_is_a_defect(header: str) -> None:
    assert status_of(header, '"1-2"') in (200, 412, 422)


@pytest.mark.parametrize("header", ['"1-7"', 'W/"1-7"', '"9-7", W/"1-7"', "*"])
def test_who_has_it_already_is_told_so(header: str) -> None:
    with pytest.raises(NotModified) as told:
        tag(Response(), etag_of(kept(1)), if_none_match=header)
    assert told.value.etag == '"1-7"'


def test_who_has_another_gets_it_with_its_tag() -> None:
    response = Response()
    tag(response, etag_of(kept(2)), if_none_match='"1-7"')
    assert response.headers["etag"] == '"2-7"'


async def _made(http: httpx2.AsyncClient, path: str, body: dict[str, Any]) -> str:
    made = await http.post(path, json=body)
    assert made.status_code == 201
    return str(made.headers["etag"])


async def test_the_second_of_two_who_change_a_stream_is_told_and_nothing_is_lost() -> None:
    async with running() as world, world.client() as http:
        read = await _made(http, STREAMS, STREAM)
        assert (await http.get(f"{STREAMS}/own")).headers["etag"] == read
        first = await http.patch(
            f"{STREAMS}/own", json={"name": "first"}, headers={"if-match": read}
        )
        assert first.status_code == 200
        assert first.headers["etag"] != read
        second = await http.patch(
            f"{STREAMS}/own", json={"name": "second"}, headers={"if-match": read}
        )
        assert second.status_code == 412
        assert second.headers["content-type"] == "application/problem+json"
        assert "has been changed since you read it" in second.json()["detail"]
        gone = await http.delete(f"{STREAMS}/own", headers={"if-match": read})
        assert gone.status_code == 412
        assert (await http.get(f"{STREAMS}/own")).json()["name"] == "first"
        again = await http.delete(f"{STREAMS}/own", headers={"if-match": first.headers["etag"]})
        assert again.status_code == 204


async def test_a_counter_that_moved_is_shown_and_keeps_nobody_from_saving() -> None:
    async with running() as world, world.client() as http:
        read = await _made(http, STREAMS, STREAM)
        unchanged = await http.get(f"{STREAMS}/own", headers={"if-none-match": read})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        assert unchanged.headers["etag"] == read
        world.progress["own"] = replace(world.progress["noc"], delivered=41)
        moved = await http.get(f"{STREAMS}/own", headers={"if-none-match": read})
        assert (moved.status_code, moved.json()["delivery"]["delivered"]) == (200, 41)
        saved = await http.patch(f"{STREAMS}/own", json={"name": "n"}, headers={"if-match": read})
        assert saved.status_code == 200


async def test_pausing_makes_another_stream_of_it_than_was_read() -> None:
    async with running() as world, world.client() as http:
        read = await _made(http, STREAMS, STREAM)
        paused = await http.post(f"{STREAMS}/own/pause")
        assert paused.headers["etag"] != read
        again = await http.post(f"{STREAMS}/own/pause")
        assert again.headers["etag"] == paused.headers["etag"]
        answer = await http.patch(f"{STREAMS}/own", json={"name": "n"}, headers={"if-match": read})
        assert answer.status_code == 412


async def test_what_the_file_declares_has_a_tag_and_stays_its_own() -> None:
    async with running() as world, world.client() as http:
        etag = (await http.get(f"{STREAMS}/noc")).headers["etag"]
        answer = await http.patch(f"{STREAMS}/noc", json={"name": "n"}, headers={"if-match": etag})
        assert answer.status_code == 409
        known = await http.get(f"{STREAMS}/noc", headers={"if-none-match": etag})
        assert known.status_code == 304


async def test_a_window_that_was_made_again_is_not_deleted_by_mistake() -> None:
    async with running() as world, world.client() as http:
        read = await _made(http, WINDOWS, WINDOW)
        known = await http.get(f"{WINDOWS}/w", headers={"if-none-match": read})
        assert known.status_code == 304
        assert (await http.delete(f"{WINDOWS}/w", headers={"if-match": '"x"'})).status_code == 412
        assert (await http.delete(f"{WINDOWS}/w", headers={"if-match": read})).status_code == 204
        other = await _made(http, WINDOWS, {**WINDOW, "carriers": ["acme"]})
        assert (await http.delete(f"{WINDOWS}/w", headers={"if-match": read})).status_code == 412
        assert (await http.delete(f"{WINDOWS}/w", headers={"if-match": other})).status_code == 204


async def test_a_header_that_is_no_tag_is_named() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(f"{STREAMS}/noc", headers={"if-none-match": "abc"})
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["field"] == "header.If-None-Match"


async def test_the_description_says_what_is_conditional() -> None:
    async with running() as world, world.client() as http:
        paths = (await http.get("/api/v2/openapi.json")).json()["paths"]
    one = paths[f"{STREAMS}/{{stream_id}}"]
    assert "ETag" in one["get"]["responses"]["200"]["headers"]
    assert "content" not in one["get"]["responses"]["304"]
    assert list(one["patch"]["responses"]["412"]["content"]) == ["application/problem+json"]
    assert "412" in one["delete"]["responses"]
    assert "ETag" in paths[STREAMS]["post"]["responses"]["201"]["headers"]
    assert "304" not in paths[STREAMS]["get"]["responses"]
