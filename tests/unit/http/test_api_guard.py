from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from trunkpulse.adapters.http.api.bounds import BODY_LIMIT_BYTES
from unit.http.api_world import World, running

DECIDE = "/api/v2/routing/decide"
DISABLE = "/api/v2/telephony/trunks/carrier-b/disable"


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:8080", "127.8.8.8", "localhost", "LocalHost:80", "[::1]", "[::1]:9"],
)
async def test_loopback_names_are_ours(host: str) -> None:
    async with running() as world, world.client() as http:
        assert (await http.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "127.0.0.1:x",
        "evil@127.0.0.1",
        "127.0.0.1#evil.example",
        "192.0.2.1",
        "0.0.0.0",
        "[::1",
        "",
    ],
)
async def test_any_other_host_is_misdirected(host: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get("/healthz", headers={"host": host})
        assert answer.status_code == 421
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("listen", "host", "status"),
    [
        ("192.0.2.1", "192.0.2.1:8080", 200),
        ("192.0.2.1", "192.0.2.2:8080", 421),
        ("pbx.example", "PBX.example", 200),
        ("0.0.0.0", "192.0.2.2", 200),
        ("::", "[2001:db8::1]:8080", 200),
        ("0.0.0.0", "evil.example", 421),
    ],
)
async def test_the_listen_address_is_ours(listen: str, host: str, status: int) -> None:
    async with running(world=World(listen_host=listen)) as world, world.client() as http:
        assert (await http.get("/healthz", headers={"host": host})).status_code == status


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://127.0.0.1:8080"},
        {"origin": "http://127.0.0.1:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
async def test_another_site_changes_nothing(headers: dict[str, str]) -> None:
    async with running() as world, world.client() as http:
        answer = await http.post(DISABLE, headers=headers)
        assert answer.status_code == 403
        assert world.roster.record("carrier-b").admin_enabled


async def test_our_own_page_may_post() -> None:
    async with running() as world, world.client() as http:
        headers = {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}
        assert (await http.post(DISABLE, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""]
)
async def test_a_body_that_is_not_json_is_refused(content_type: str) -> None:
    async with running() as world, world.client() as http:
        headers = {"content-type": content_type}
        answer = await http.post(DECIDE, content=b'{"to":"+15551230001"}', headers=headers)
        assert answer.status_code == 415


async def test_json_may_name_its_charset() -> None:
    async with running() as world, world.client() as http:
        headers = {"content-type": "Application/JSON; charset=utf-8"}
        answer = await http.post(DECIDE, content=b'{"to":"+15551230001"}', headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("declared", [True, False])
async def test_a_body_beyond_the_limit_is_a_413_problem(*, declared: bool) -> None:
    body = b'{"to":"' + b"1" * BODY_LIMIT_BYTES + b'"}'

    async def chunks() -> AsyncIterator[bytes]:
        yield body[:1000]
        yield body[1000:]

    async with running() as world, world.client() as http:
        answer = await http.post(
            DECIDE,
            content=body if declared else chunks(),
            headers={"content-type": "application/json"},
        )
        assert answer.status_code == 413
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"{", 422),
        (b'"\xff"', 400),
        (b"[" * 100_000, 400),
        (b'{"to": ' + b"1" * 5000 + b"}", 400),
        (b'{"to": NaN}', 422),
        (b"", 422),
    ],
)
async def test_broken_json_is_the_clients_problem(content: bytes, status: int) -> None:
    async with running() as world, world.client() as http:
        headers = {"content-type": "application/json"}
        answer = await http.post(DECIDE, content=content, headers=headers)
        assert answer.status_code == status
        assert answer.json()["status"] == status
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("path", ["/nothing", "/api/v2", "/api/v2/telephony/trunks/"])
async def test_an_unknown_path_is_a_404_problem(path: str) -> None:
    async with running() as world, world.client() as http:
        answer = await http.get(path)
        assert answer.status_code == 404
        assert answer.json()["title"] == "Not Found"


async def test_a_wrong_method_is_a_405_problem_that_says_which_are_allowed() -> None:
    async with running() as world, world.client() as http:
        answer = await http.delete("/api/v2/telephony/trunks/carrier-a/explain")
        assert answer.status_code == 405
        assert answer.headers["allow"] == "GET"
        assert answer.json() == {
            "type": "about:blank",
            "title": "Method Not Allowed",
            "status": 405,
            "detail": "/api/v2/telephony/trunks/carrier-a/explain does not take DELETE; "
            "/docs says what it takes.",
            "instance": "/api/v2/telephony/trunks/carrier-a/explain",
        }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/api/v2/telephony/trunks", "GET, POST"),
        ("PUT", "/api/v2/telephony/trunks/nowhere", "DELETE, GET, PATCH"),
        ("POST", "/api/v2/license", "GET, PUT"),
        ("DELETE", "/healthz", "GET, HEAD"),
    ],
)
async def test_a_wrong_method_is_told_those_of_all_routes_of_the_path(
    method: str, path: str, allowed: str
) -> None:
    async with running() as world, world.client() as http:
        answer = await http.request(method, path)
        assert (answer.status_code, answer.headers.get_list("allow")) == (405, [allowed])


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/nothing", "/api/v2/events"])
async def test_every_answer_carries_the_security_headers(path: str) -> None:
    async with running() as world, world.client() as http:
        headers = (await http.get(path)).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "access-control-allow-origin" not in headers


async def test_a_defect_is_a_problem_too_and_is_not_hushed_up() -> None:
    async with running() as world:

        async def defective() -> None:
            raise ZeroDivisionError("this must not reach the client")

        world.app.add_api_route("/defect", defective)
        messages = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: object) -> None:
            messages.append(message)

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/defect",
            "query_string": b"",
            "headers": [(b"host", b"localhost")],
        }
        with pytest.raises(ZeroDivisionError):
            await world.app(scope, receive, send)
        text = str(messages)
        assert "'status': 500" in text
        assert "application/problem+json" in text
        assert "nosniff" in text
        assert "must not reach" not in text
