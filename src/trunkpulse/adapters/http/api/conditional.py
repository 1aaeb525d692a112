"""Conditional requests (RFC 9110 13): nobody's change is lost, and nothing is sent twice.

Whoever reads a resource gets its entity tag. With ``If-Match`` a change is made only if the
resource is still the one that was read; if somebody else was faster, the answer is 412, and
nothing has changed. With ``If-None-Match`` reading it again costs a 304 until it is another.

Much of what is shown lives: counters, states, when a window begins next. An entity tag is strong,
so it has to differ with every byte; but a counter that moved must not keep anybody from saving.
So a tag has two parts, ``"DEFINITION.SHOWN"``: which definition it is, which alone counts for
``If-Match``, and a digest of all that was shown, for ``If-None-Match``. What does not live has the
first part alone.

    @router.get("/{route_id}", ...)
    async def get_route(…, response: Response, if_none_match: IfNoneMatch = None) -> RouteOut:
        shown = …
        tag(response, etag_of(document), if_none_match=if_none_match)
        return shown

    @router.patch("/{route_id}", ...)
    async def change_route(…, response: Response, if_match: IfMatch = None) -> RouteOut:
        check_match(if_match, etag_of(document))   # where nobody can come in between
"""

from __future__ import annotations

import hashlib
import re
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import Header
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from trunkpulse.adapters.http.api.problems import Problem, invalid

__all__ = [
    "DECLARED",
    "IfMatch",
    "IfNoneMatch",
    "NotModified",
    "check_match",
    "describe_conditions",
    "etag_of",
    "etag_of_value",
    "on_not_modified",
    "tag",
]

DECLARED = '"file"'
"""The definition of what the file declares: nothing through the API depends on which it is."""

_IF_MATCH = "If-Match"
_IF_NONE_MATCH = "If-None-Match"
_DIGEST_BYTES = 12
_TAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')

IfMatch = Annotated[
    str | None,
    Header(
        alias=_IF_MATCH,
        max_length=1024,
        description="The ETag of what was read (or *): if it has been changed since, nothing is "
        "done and the answer is 412.",
    ),
]
IfNoneMatch = Annotated[
    str | None,
    Header(
        alias=_IF_NONE_MATCH,
        max_length=1024,
        description="The ETag of what is known: if it is still like that, the answer is 304 "
        "without a body.",
    ),
]


class Revised(Protocol):
    """What is kept with a count of its changes; ``ports.Document`` is such."""

    @property
    def revision(self) -> int: ...
    @property
    def created_ms(self) -> int: ...


class NotModified(Exception):
    """Who asks has it already; becomes a 304 with the entity tag."""

    def __init__(self, etag: str) -> None:
        super().__init__(etag)
        self.etag = etag


def etag_of(kept: Revised | None) -> str:
    """The entity tag of what is ``kept``; None: the file declares it.

    With the moment at which it was made: one that was deleted and made again is another.
    """
    return DECLARED if kept is None else f'"{kept.revision}-{kept.created_ms}"'


def etag_of_value(value: object) -> str:
    """The entity tag of a frozen value without secrets that keeps no count of its changes."""
    return f'"{_digest(repr(value))}"'


def check_match(if_match: str | None, etag: str) -> None:
    """Raise a 412 Problem if ``If-Match`` names definitions, and not that of ``etag``.

    Call it where nobody else's change can come between this and one's own. Raises a 422 Problem
    if the header cannot be read.
    """
    if if_match is None or if_match.strip() == "*":
        return
    # Weak tags never match here (RFC 9110 13.1.1): they do not promise that it is the same.
    definitions = {_definition(each) for each in _tags(if_match, _IF_MATCH)}
    if _definition(etag) not in definitions:
        raise Problem(
            HTTPStatus.PRECONDITION_FAILED,
            "This has been changed since you read it, and nothing was done; read it again, and "
            "make your change to what is there now.",
            headers={"etag": f'"{_definition(etag)}"'},
        )


def tag(
    response: Response,
    etag: str,
    *,
    living: BaseModel | None = None,
    if_none_match: str | None = None,
) -> None:
    """Give ``response`` its entity tag; raises NotModified for who has that already.

    ``living``: the answer, if more is shown than the definition.
    """
    if living is not None:
        etag = f'"{_definition(etag)}.{_digest(living.model_dump_json())}"'
    response.headers["etag"] = etag
    if if_none_match is None:
        return
    # Weak comparison (RFC 9110 13.1.2); "*" is true of everything that is there.
    known = if_none_match.strip() == "*" or etag in {
        each.removeprefix("W/") for each in _tags(if_none_match, _IF_NONE_MATCH)
    }
    if known:
        raise NotModified(etag)


async def on_not_modified(_request: Request, error: Exception) -> Response:
    """The answer to who has it already."""
    assert isinstance(error, NotModified)
    return Response(status_code=HTTPStatus.NOT_MODIFIED.value, headers={"etag": error.etag})


def describe_conditions(document: dict[str, Any]) -> None:
    """Say in the OpenAPI ``document`` which answers carry an ETag, and which a condition has."""
    described = {
        "ETag": {"description": "Which one it is, for conditions.", "schema": {"type": "string"}}
    }
    readable: set[str] = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            asked = {each["name"].lower() for each in operation.get("parameters", ())}
            responses = operation["responses"]
            if _IF_NONE_MATCH.lower() in asked:
                readable.add(path)
                responses["304"] = {"description": "It is as it was.", "headers": described}
            if _IF_MATCH.lower() in asked:
                responses["412"] = {
                    **responses["4XX"],
                    "description": "It has been changed since it was read.",
                }
            if asked & {_IF_NONE_MATCH.lower(), _IF_MATCH.lower()} and method != "delete":
                responses["200"].setdefault("headers", {}).update(described)
    for path in readable:
        collection = document["paths"].get(path.rpartition("/{")[0], {})
        made = collection.get("post", {}).get("responses", {}).get("201")
        if made is not None:
            made.setdefault("headers", {}).update(described)


def _definition(etag: str) -> str:
    """The part that counts for a change; a weak tag keeps its mark, and so equals none."""
    return etag.replace('"', "", 1).removesuffix('"').partition(".")[0]


def _tags(header: str, name: str) -> list[str]:
    between = {each.strip(" \t") for each in _TAG.sub("\0", header).split(",")}
    if "\0" not in between or not between <= {"\0", ""}:
        raise invalid(
            f"header.{name}",
            f"header.{name} must be an ETag as it was given, with its quotes, or *.",
        )
    return _TAG.findall(header)


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
