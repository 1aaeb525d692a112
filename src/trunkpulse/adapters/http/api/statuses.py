"""Which errors each operation may answer with, said in the OpenAPI document one by one.

Most come from what stands before and around every route, so they follow from what the operation is:
whether it takes credentials, an id, a body, a condition. What only its function knows, it declares
itself (``responses=``), and that stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

__all__ = ["PROBLEM", "describe_problems"]

PROBLEM: Final[Mapping[str, Any]] = {
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
}
SAFE: Final = frozenset({"get", "head", "options"})
NEVER_REFUSED: Final = frozenset({"/healthz", "/readyz"})
"""Whoever asks often whether this instance is well is told so."""

_MEANINGS: Final[Mapping[HTTPStatus, str]] = {
    HTTPStatus.BAD_REQUEST: "The request cannot be read.",
    HTTPStatus.UNAUTHORIZED: "Who asks has not been proved.",
    HTTPStatus.FORBIDDEN: "Who asks may not do this, or not in this way.",
    HTTPStatus.NOT_FOUND: "There is none, or none that may be seen.",
    HTTPStatus.CONFLICT: "It cannot be done as things are; the detail says why.",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "The body is larger than this takes.",
    HTTPStatus.REQUEST_URI_TOO_LONG: "The address is longer than 8 KiB.",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "The body is of a kind that this does not take.",
    HTTPStatus.MISDIRECTED_REQUEST: "The `Host` is no name of this instance.",
    HTTPStatus.UNPROCESSABLE_ENTITY: "A field is wrong; `errors` says which.",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many requests; `Retry-After` says when to go on.",
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE: "The headers are more than 100 or 16 KiB.",
    HTTPStatus.INTERNAL_SERVER_ERROR: "A defect of this program.",
    HTTPStatus.SERVICE_UNAVAILABLE: "It cannot be done now; ask again in a few seconds.",
}
_ALWAYS: Final = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.REQUEST_URI_TOO_LONG,
    HTTPStatus.MISDIRECTED_REQUEST,
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    HTTPStatus.INTERNAL_SERVER_ERROR,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
_ALSO: Final[Mapping[tuple[str, str], HTTPStatus]] = {
    ("get", "/api/v2/events"): HTTPStatus.NOT_FOUND,  # of a trunk that there is not
    ("get", "/api/v2/events/live"): HTTPStatus.NOT_FOUND,
    ("get", "/api/v2/session/oidc/start"): HTTPStatus.NOT_FOUND,  # without a provider
    ("get", "/api/v2/session/oidc/callback"): HTTPStatus.NOT_FOUND,
    ("post", "/api/v2/session"): HTTPStatus.UNAUTHORIZED,
    ("get", "/metrics"): HTTPStatus.UNAUTHORIZED,
}
"""What does not follow from what they are."""
_OF_CHANGES: Final = (
    HTTPStatus.CONFLICT,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
)


def describe_problems(document: dict[str, Any]) -> None:
    """Put single statuses in place of the ranges 4XX and 5XX of every operation."""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            responses = operation["responses"]
            for kind in ("4XX", "5XX"):
                responses.pop(kind, None)
            for status in _statuses(path, method, operation):
                described = {"description": _MEANINGS[status], **PROBLEM}
                responses.setdefault(str(status.value), described)
            operation["responses"] = dict(sorted(responses.items()))


def _statuses(path: str, method: str, operation: Mapping[str, Any]) -> Iterator[HTTPStatus]:
    yield from _ALWAYS
    places = {parameter["in"] for parameter in operation.get("parameters", ())}
    if operation.get("security"):
        yield HTTPStatus.UNAUTHORIZED
    if "path" in places:
        yield HTTPStatus.NOT_FOUND
    if (method, path) in _ALSO:
        yield _ALSO[method, path]
    if path not in NEVER_REFUSED:
        yield HTTPStatus.TOO_MANY_REQUESTS
    if method not in SAFE:
        yield from _OF_CHANGES
    elif places:
        yield HTTPStatus.UNPROCESSABLE_ENTITY
