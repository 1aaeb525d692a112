"""Whatever is asked, the answer is never a 500: the transport raises what would become one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from unit.http.api_world import running

BAD = frozenset({400, 404, 405, 409, 413, 415, 421, 422})
FINE = frozenset({200, 202})

wire_text = st.text(max_size=40) | st.sampled_from(
    ["\x00", "..", "carrier-a", "MQ", "=", "9" * 30, "-1", "1e9", "+", "٣", "null", "\ud7ff"]
)
paths = st.sampled_from(
    [
        "/api/v2/telephony/trunks",
        "/api/v2/telephony/trunks/{}",
        "/api/v2/telephony/trunks/{}/history",
        "/api/v2/telephony/trunks/{}/explain",
        "/api/v2/events",
        "/api/v2/events/streams",
        "/api/v2/events/streams/{}",
        "/api/v2/routing/routes",
        "/api/v2/routing/routes/{}",
        "/{}",
    ]
)
names = st.sampled_from(
    ["state", "carrier", "region", "direction", "q", "limit", "cursor", "after", "trunkId"]
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)
numbers = st.from_regex(r"(sip:|tel:)?\+?[0-9]{0,18}[;@a-z]{0,6}", fullmatch=True)
calls = st.dictionaries(
    st.sampled_from(["to", "from", "direction", "region"]), json_values | numbers
)


def ask(question: Callable[[httpx2.AsyncClient], Awaitable[httpx2.Response]]) -> httpx2.Response:
    async def run() -> httpx2.Response:
        async with running() as world, world.client() as http:
            return await question(http)

    return asyncio.run(run())


def check(answer: httpx2.Response) -> None:
    assert answer.status_code in FINE | BAD, answer.text
    if answer.status_code in BAD:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        assert problem["detail"]


@given(paths, wire_text, st.lists(st.tuples(names, wire_text), max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_query_is_a_500(path: str, part: str, query: list[tuple[str, str]]) -> None:
    parameters = "&".join(f"{name}={quote(value, safe='')}" for name, value in query)
    url = f"{path.format(quote(part, safe=''))}?{parameters}"
    check(ask(lambda http: http.get(url)))


@given(json_values | calls)
@settings(max_examples=60, deadline=None)
def test_no_call_is_a_500(body: Any) -> None:
    headers = {"content-type": "application/json"}
    content = json.dumps(body)
    check(ask(lambda http: http.post("/api/v2/routing/decide", content=content, headers=headers)))


@given(st.binary(max_size=60), st.sampled_from(["decide", "nothing"]))
@settings(max_examples=40, deadline=None)
def test_no_bytes_are_a_500(body: bytes, action: str) -> None:
    headers = {"content-type": "application/json"}
    check(ask(lambda http: http.post(f"/api/v2/routing/{action}", content=body, headers=headers)))
