from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from html.parser import HTMLParser
from typing import Any

from trunkpulse.adapters.http.api.pages import render_page
from trunkpulse.adapters.http.api.route_table import route_table
from unit.http.api_world import running

UNTOLD = {"get /", "get /docs", "head /healthz", "head /readyz"}
"""Pages for people, and what GET says already; so not in the document."""
BY_THE_RFCS = {"MetadataOut", "JwkSetOut", "OAuthErrorOut", "TokenOut"}
"""What OAuth 2 says how to spell."""


ASKED = {"x-access": {"public": False, "permission": "<u>", "refusesLimited": False}}


async def document() -> dict[str, Any]:
    async with running() as world, world.client() as http:
        answer = await http.get("/api/v2/openapi.json")
        assert answer.status_code == 200
        found = answer.json()
        assert isinstance(found, dict)
        return found


def references(part: Any) -> set[str]:
    if isinstance(part, dict):
        own = {part["$ref"]} if isinstance(part.get("$ref"), str) else set()
        return own.union(*(references(each) for each in part.values()))
    if isinstance(part, list):
        return set().union(*(references(each) for each in part))
    return set()


async def test_the_document_has_every_endpoint_and_no_other() -> None:
    paths = (await document())["paths"]
    told = {f"{method} {path}" for path, item in paths.items() for method in item}
    async with running() as world:
        there = {f"{each.method.lower()} {each.path}" for each in route_table(world.app)}
    assert told == there - UNTOLD


async def test_the_document_is_sound() -> None:
    found = await document()
    assert found["openapi"].startswith("3.1")
    for reference in references(found):
        place: Any = found
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]
    operations = [each for item in found["paths"].values() for each in item.values()]
    names = [each["operationId"] for each in operations]
    assert len(set(names)) == len(names)
    for path, item in found["paths"].items():
        for operation in item.values():
            assert operation["description"]
            named = {
                each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"
            }
            assert named == set(re.findall(r"{(\w+)}", path))


async def test_the_document_speaks_camel_case_and_of_problems() -> None:
    found = await document()
    for name, schema in found["components"]["schemas"].items():
        for key in () if name in BY_THE_RFCS else schema.get("properties", ()):
            assert re.fullmatch(r"[a-z][a-zA-Z]*", key), (name, key)
    listing = found["paths"]["/api/v2/telephony/trunks"]["get"]
    assert {each["name"] for each in listing["parameters"]} == {
        *("state", "carrier", "region", "direction", "q", "sort", "limit", "cursor"),
    }
    invalid = listing["responses"]["422"]["content"]
    assert list(invalid) == ["application/problem+json"]
    events = found["paths"]["/api/v2/events"]["get"]["parameters"]
    assert {each["name"] for each in events} == {
        *("trunkId", "eventType", "carrier", "region", "state", "reasonCode"),
        *("from", "to", "order", "after", "cursor", "limit"),
    }


class Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


async def test_the_page_lists_every_endpoint_and_loads_nothing() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get("/docs")
        assert answer.text == (await http.get("/")).text
        assert answer.headers["content-type"].startswith("text/html")
        page = Page()
        page.feed(answer.text)
        assert page.open == []
        assert not {"script", "link", "img", "iframe"} & set(page.tags)
        assert all(link.startswith("/") for link in page.links)
        for link in page.links:
            assert (await http.get(link)).status_code == 200
        for path, operations in (await document())["paths"].items():
            for method in operations:
                assert f">{method.upper()}</b> {path}</h3>" in answer.text


async def test_the_page_shows_the_members_of_a_body_and_an_example_that_works() -> None:
    async with running() as world, world.client() as http:
        text = unescape((await http.get("/docs")).text)
        for member, says in {
            "to": "in body: string; required. E.164, a sip:",
            "from": "in body: string or null; optional. The caller",
            "direction": "in body: inbound, outbound or both; optional, outbound if absent.",
            "region": "in body: string or null; optional. Where",
        }.items():
            assert f"<dt>{member}</dt><dd>{says}" in text
        decide = text.partition("/api/v2/routing/decide</h3>")[2]
        example = re.findall(r"<pre>(.*?)</pre>", decide)[0]
        decision = await http.post("/api/v2/routing/decide", json=json.loads(example))
        assert decision.status_code == 200
        assert decision.json()["routeId"] == "us"


async def test_the_policy_lets_the_pages_own_style_through_and_nothing_else() -> None:
    async with running() as world, world.client() as http:
        answer = await http.get("/")
        style = re.search(r"<style>(.*)</style>", answer.text, re.DOTALL)
        assert style is not None
        digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
        assert answer.headers["content-security-policy"] == (
            f"default-src 'none'; style-src 'sha256-{digest}'; frame-ancestors 'none'"
        )


def test_what_the_document_says_cannot_break_the_page() -> None:
    page = render_page(
        {
            "info": {"title": "<b>", "version": "&", "description": "<script>alert(1)</script>"},
            "paths": {"/<x>": {"get": {**ASKED, "description": "<img>", "tags": ["<i>"]}}},
        }
    )
    for raw in ("<script>", "<img>", "<i>", "/<x>", "<h1><b>"):
        assert raw not in page
