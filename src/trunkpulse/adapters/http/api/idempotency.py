"""Requests that may be sent twice and are done once: the ``Idempotency-Key`` header.

    @router.post("", dependencies=[requires(Permission.STREAM_EDIT), once()])

``once`` stands behind the declaration of who may do it, so that a repetition needs the same
permission as the first request. It looks the key up; the ASGI layer keeps what is answered then.
What failed here (5xx), was refused, or was too many (429) is not kept: it may be sent again with
the same key.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import Depends, Header, Request
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.access import Principal
from trunkpulse.adapters.http.api.auditing import note_details
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.adapters.storage.errors import StorageError
from trunkpulse.admission.idempotency import (
    Answer,
    AnswerLost,
    KeptAnswers,
    KeyReused,
    KeyUnderWay,
    Pending,
    fingerprint_of,
)
from trunkpulse.ports import StoreUnavailable

__all__ = ["Once", "Repeated", "on_repeated", "once"]

log = structlog.get_logger(__name__)

ONCE = "trunkpulse.once"
"""In the scope of a request that may be a repetition."""
HEADER = "Idempotency-Key"
LONGEST_KEY_CHARACTERS = 255
LONGEST_BODY_BYTES = 64 * 1024
"""Of an answer that is kept; of a longer one it is known only that it was given."""
HASHED_HERE_BYTES = 1 << 20
"""A longer body is hashed in a thread, so that probes leave meanwhile."""
KEPT_HEADERS = frozenset({"content-type", "location", "etag"})
_ESCAPED = re.compile(r'\\(["\\])')
NOT_KEPT = frozenset(
    {
        HTTPStatus.UNAUTHORIZED.value,
        HTTPStatus.FORBIDDEN.value,
        HTTPStatus.REQUEST_TIMEOUT.value,
        HTTPStatus.TOO_MANY_REQUESTS.value,
    }
)


class Repeated(Exception):
    """This was done before; becomes the answer that was given then."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class _Place:
    """What the route's declaration tells the layer around it."""

    def __init__(self, answers: KeptAnswers) -> None:
        self.answers = answers
        self.pending: Pending | None = None


class Once:
    """ASGI middleware; see the module's opening."""

    def __init__(self, app: ASGIApp, *, answers: KeptAnswers) -> None:
        self._app = app
        self._answers = answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and keep that if the request has a key."""
        if (
            scope["type"] != "http"
            or scope["method"] != "POST"
            or HEADER.lower() not in Headers(scope=scope)
        ):
            await self._app(scope, receive, send)
            return
        place = scope[ONCE] = _Place(self._answers)
        held: list[Message] = []

        async def send_kept(message: Message) -> None:
            if place.pending is None:
                await send(message)
                return
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                pending, place.pending = place.pending, None
                await self._settle(pending, held)
                for each in held:
                    await send(each)

        try:
            await self._app(scope, receive, send_kept)
        finally:
            if place.pending is not None:
                self._answers.abandon(place.pending)

    async def _settle(self, pending: Pending, messages: Sequence[Message]) -> None:
        status = messages[0]["status"]
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in NOT_KEPT:
            self._answers.abandon(pending)
            return
        headers = Headers(raw=messages[0]["headers"])
        body = b"".join(each.get("body", b"") for each in messages[1:])
        answer = Answer(
            status=status,
            headers=tuple((name, headers[name]) for name in KEPT_HEADERS if name in headers),
            body=body if len(body) <= LONGEST_BODY_BYTES else None,
        )
        try:
            await self._answers.finish(pending, answer)
        except (StoreUnavailable, StorageError, KeysUnusable) as problem:
            # It has been done; that it was is known until this process ends.
            log.warning("idempotency.not_written", problem=str(problem))


def once() -> Any:
    """For a route that creates or acts: a client may give the request a key, and repeat it."""
    return Depends(_once)


async def _once(
    request: Request,
    key: Annotated[
        str | None,
        Header(
            alias=HEADER,
            max_length=2 * LONGEST_KEY_CHARACTERS + 2,
            description="Any text that no other request of yours has (such as a UUID): the same "
            "request with the same key is done once, and within 24 hours answered alike.",
        ),
    ] = None,
) -> None:
    place = request.scope.get(ONCE)
    if key is None or not isinstance(place, _Place):
        return
    caller = request.state.caller
    assert isinstance(caller, Principal)
    body = await request.body()
    parts = request.method.encode(), request.url.path.encode(), request.scope["query_string"], body
    if len(body) <= HASHED_HERE_BYTES:
        fingerprint = fingerprint_of(*parts)
    else:
        fingerprint = await asyncio.to_thread(fingerprint_of, *parts)
    owner = f"{caller.kind.value}:{caller.id}"
    try:
        begun = await place.answers.begin(owner, _key(key), fingerprint)
    except KeyReused:
        raise invalid(
            f"header.{HEADER}",
            f"This {HEADER} has been used for another request in the last 24 hours; give each "
            "request a key of its own.",
        ) from None
    except KeyUnderWay:
        raise Problem(
            HTTPStatus.CONFLICT,
            f"The first request with this {HEADER} is still under way; ask again in a second.",
            headers={"retry-after": "1"},
        ) from None
    except AnswerLost:
        raise _lost() from None
    if isinstance(begun, Answer):
        note_details(request, repeated=True)
        if begun.body is None:
            raise _lost()
        raise Repeated(begun)
    place.pending = begun


async def on_repeated(_request: Request, error: Exception) -> Response:
    """The answer that was given to the first request."""
    assert isinstance(error, Repeated)
    headers = {**dict(error.answer.headers), "idempotent-replayed": "true"}
    return Response(error.answer.body, status_code=error.answer.status, headers=headers)


def _lost() -> Problem:
    return Problem(
        HTTPStatus.CONFLICT,
        f"A request with this {HEADER} has been done already, but its answer is not kept; look "
        "what is there, and use another key for what is still to be done.",
    )


def _key(header: str) -> str:
    """The key, which the draft has as a string of RFC 8941; many clients leave the quotes out."""
    key = header.strip()
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = _ESCAPED.sub(r"\1", key[1:-1])
    if 0 < len(key) <= LONGEST_KEY_CHARACTERS and key.isascii() and key.isprintable():
        return key
    raise invalid(
        f"header.{HEADER}",
        f"header.{HEADER} must be 1 to {LONGEST_KEY_CHARACTERS} printable ASCII characters.",
    )
