"""What the OpenAPI document says holds for whatever is sent, with credentials and without.

schemathesis makes requests from the document, good ones and bad ones, and checks each answer
against it: no 5xx, no undeclared status, content type, header or body. Its plugin for pytest is
switched off in pyproject.toml; here it is a library.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from threading import Thread
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.core.parameters import ParameterLocation
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.generation.case import Case
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from access_world import MACHINE_TOKEN, bearer
from trunkpulse.adapters.http.server import serve_http
from trunkpulse.config.settings import ApiSettings
from unit.http.api_world import World, running

EXAMPLES = 4
"""Of each operation, for each kind of data; half as many where all are refused anyway."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "/api/v2/events/live"
"""Its answer has no end; ``test_live_feed`` has it."""
THERE: Mapping[str, tuple[str, ...]] = {
    "trunk_id": ("carrier-a", "carrier-b", "unprobed"),
    "stream_id": ("noc", "audit"),
    "route_id": ("us", "eu"),
    "role_id": ("administrator", "operations"),
}
"""Ids of what the world has; made-up ones would lead to 404 only."""


@contextmanager
def served() -> Iterator[str]:
    """The API on a loop in a thread of its own: whoever makes the requests knows of none."""
    opened: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        world = World(gate=None)
        settings = ApiSettings(requests_per_second=1e6, burst=1_000_000)
        world.config = replace(world.config, api=settings)
        done = asyncio.Event()
        async with (
            running(world=world),
            serve_http(
                world.app, "127.0.0.1", 0, graceful_seconds=1, stopping=world.feed.close
            ) as (host, port),
        ):
            opened.set_result((f"http://{host}:{port}", asyncio.get_running_loop(), done))
            await done.wait()

    def run() -> None:
        try:
            asyncio.run(serve())
        except BaseException as problem:
            if opened.done():
                raise
            opened.set_exception(problem)

    thread = Thread(target=run)
    thread.start()
    url, loop, done = opened.result()
    try:
        yield url
    finally:
        loop.call_soon_threadsafe(done.set)
        thread.join()


def can_be_wrong(operation: APIOperation[Any, Any, Any, Any]) -> bool:
    """Whether a request can be other than the document says.

    Any text is a good cookie, and a good id where nothing bounds it. schemathesis finds that out
    too, after 459 attempts.
    """
    return bool(operation.body) or any(
        each.location is not ParameterLocation.COOKIE
        and not (
            each.location is ParameterLocation.PATH
            and each.definition["schema"].keys() <= {"type", "title", "description"}
            and each.definition["schema"]["type"] == "string"
        )
        for each in operation.iter_parameters()
    )


def disagreements(
    operation: APIOperation[Any, Any, Any, Any],
    session: requests.Session,
    headers: Mapping[str, str],
) -> Iterator[str]:
    """What the answers to requests of ``operation`` have that the document does not say."""

    def request(case: Case[Any], place: int | None) -> None:
        for name in case.path_parameters if place is not None else ():
            if name in THERE:
                assert place is not None
                case.path_parameters[name] = THERE[name][place % len(THERE[name])]
        answer = case.call(session=session, headers=dict(headers), timeout=10)
        case.validate_response(answer, checks=CHECKS)

    modes = [GenerationMode.POSITIVE]
    if can_be_wrong(operation):
        modes.append(GenerationMode.NEGATIVE)
    for mode in modes:
        conforms = settings(
            max_examples=EXAMPLES if headers else EXAMPLES // 2,
            derandomize=True,
            database=None,
            deadline=None,
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        )(
            given(
                case=operation.as_strategy(generation_mode=mode),
                place=st.none() | st.integers(0, 5),
            )(request)
        )
        try:
            conforms()
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE, operation.label  # it takes nothing at all
        except FailureGroup as found:
            for failure in found.exceptions:
                yield f"{operation.label}: {failure}"


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("headers", [bearer(MACHINE_TOKEN), {}], ids=["proved", "nobody"])
def test_every_answer_is_as_the_document_says(headers: dict[str, str]) -> None:
    with served() as url, requests.Session() as session:
        schema = schemathesis.openapi.from_url(f"{url}/api/v2/openapi.json")
        schema.config.update(base_url=url)
        operations = [each.ok() for each in schema.get_all_operations() if isinstance(each, Ok)]
        asked = [each for each in operations if each.path != ENDLESS]
        assert len(asked) > 50
        assert len(asked) == len(operations) - 1
        found = [text for each in asked for text in disagreements(each, session, headers)]
    assert not found, "\n".join(found)
