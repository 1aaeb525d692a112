"""How large a request may be, and what its body may be made of.

Bounded are the address, the number and size of the headers, and the body, whether it says its
length or comes in chunks. A body must be JSON, or a patch in JSON, which no form can send, unless
its path takes more. A request whose end two programs may see in different places (RFC 9112 6.3),
because it gives its length in two ways, is refused; h11 refuses all else that is ambiguous.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope

from trunkpulse.adapters.http.api.problems import BodyRefused, Problem

__all__ = [
    "BODY_LIMIT_BYTES",
    "CLOSING",
    "HEADERS_LIMIT_BYTES",
    "beyond_bounds",
    "limited",
    "unfit_body",
]

IMPORT: Final = "/api/v2/telephony/trunks/import"
ROUTES: Final = "/api/v2/routing/routes"
JSON_TYPES: Final = frozenset({"application/json", "application/merge-patch+json"})
"""No form sends these, and a page of another site only after it was allowed to."""
FORM_TYPES: Final = frozenset({"application/x-www-form-urlencoded"})
MORE_TYPES: Final[Mapping[str, frozenset[str]]] = {
    "/oauth/token": FORM_TYPES,
    "/oauth/revoke": FORM_TYPES,
    IMPORT: JSON_TYPES | {"text/csv"},
}
"""What else a path takes; a form only where secrets of its own say who asks, not a cookie."""
BODY_LIMIT_BYTES: Final = 256 * 1024
"""A thousand names, as the longest lists have, are less."""
ROUTE_LIMIT_BYTES: Final = 512 * 1024
"""Ten thousand ranges of numbers are less."""
STRANGERS_LIMIT_BYTES: Final = 32 * 1024
"""The longest name and password, or token, is less."""
BYTES: Final[Mapping[str, int]] = {
    IMPORT: 64 << 20,
    "/api/v2/routing/simulate": 2 << 20,
    "/api/v2/session": STRANGERS_LIMIT_BYTES,
    "/oauth/token": STRANGERS_LIMIT_BYTES,
    "/oauth/revoke": STRANGERS_LIMIT_BYTES,
}
"""Paths whose bodies may be larger than others, or come from anybody."""
ADDRESS_LIMIT_BYTES: Final = 8 * 1024
HEADERS_LIMIT: Final = 100
HEADERS_LIMIT_BYTES: Final = 16 * 1024
CLOSING: Final = {"connection": "close"}


def beyond_bounds(scope: Scope, headers: Headers) -> Problem | None:
    """What is too much or ambiguous about the head of a request; None: nothing."""
    if len(scope.get("raw_path") or b"") + len(scope["query_string"]) > ADDRESS_LIMIT_BYTES:
        return Problem(
            HTTPStatus.REQUEST_URI_TOO_LONG,
            "The address of this request is longer than this API ever needs; send at most 8 KiB.",
            headers=CLOSING,
        )
    fields = scope["headers"]
    size = sum(len(name) + len(value) for name, value in fields)
    if len(fields) > HEADERS_LIMIT or size > HEADERS_LIMIT_BYTES:
        return Problem(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
            "This request has more headers than this API ever needs; send at most 100 with 16 KiB.",
            headers=CLOSING,
        )
    if "transfer-encoding" in headers and "content-length" in headers:
        return Problem(
            HTTPStatus.BAD_REQUEST,
            "A request gives the length of its body once; take out Content-Length or "
            "Transfer-Encoding.",
            headers=CLOSING,
        )
    return None


def unfit_body(scope: Scope, headers: Headers) -> Problem | None:
    """Why the body that a request announces is not taken; None: it is."""
    length = headers.get("content-length", "0")
    if length.isdecimal() and int(length[:20]) > _limit(scope):
        return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(_limit(scope)))
    if length == "0" and "transfer-encoding" not in headers:
        return None
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    allowed = MORE_TYPES.get(scope["path"], JSON_TYPES)
    if media_type in allowed:
        return None
    if allowed is FORM_TYPES:
        named = "a form; send it with Content-Type: application/x-www-form-urlencoded"
    elif allowed is JSON_TYPES:
        named = "JSON; send it with Content-Type: application/json"
    else:
        named = "JSON or CSV; send it with Content-Type: application/json or text/csv"
    return Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"A body must be {named}.")


def limited(scope: Scope, receive: Receive) -> Receive:
    """``receive``, up to as much as the request's path takes."""
    limit = _limit(scope)
    received = 0

    async def receive_limited() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise BodyRefused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _too_large(limit))
        return message

    return receive_limited


def _limit(scope: Scope) -> int:
    path: str = scope["path"]
    general = ROUTE_LIMIT_BYTES if path.startswith(ROUTES) else BODY_LIMIT_BYTES
    return BYTES.get(path, general)


def _too_large(limit: int) -> str:
    size = f"{limit >> 20} MiB" if limit >= 1 << 20 else f"{limit >> 10} KiB"
    return f"The body is larger than this address ever needs; send at most {size}."
