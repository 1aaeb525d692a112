"""Errors as RFC 9457 problem details (``application/problem+json``).

The type is ``about:blank`` throughout: the status says which kind of error it is (RFC 9457 4.2.1)
and ``detail`` is one sentence for a person. Two kinds carry more: 422 lists the ``errors`` with
the field each is about, and a service that is not ready lists its ``problems``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from trunkpulse.adapters.http.api.methods import methods_at
from trunkpulse.adapters.http.api.wording import complaint, field_of, shortened
from trunkpulse.ports import StoreUnavailable

__all__ = [
    "SECURITY_HEADERS",
    "BodyRefused",
    "Problem",
    "ProblemResponse",
    "invalid",
    "register_problems",
]

log = structlog.get_logger(__name__)

SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "cache-control": "no-store",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), "
    "payment=(), publickey-credentials-get=(), usb=()",
}
STORE_RETRY_SECONDS = 5
MOST_ERRORS = 100
"""Of one request that are told."""


class Problem(Exception):
    """The request cannot be answered as asked; becomes a problem response."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, Any] | None = None,
    ) -> None:
        """``detail`` is one sentence; ``members`` are extensions (RFC 9457 3.2)."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.members = members or {}


class BodyRefused(HTTPException):
    """A body is not read to its end; no other error gets past the framework while it reads."""

    def __init__(self, status: HTTPStatus, detail: str) -> None:
        """``detail`` is one sentence."""
        super().__init__(status.value, detail)


class ProblemResponse(Response):
    """A problem document; safe for any text that a client made us repeat."""

    media_type = "application/problem+json"

    def __init__(self, problem: Problem, instance: str) -> None:
        document = {
            "type": "about:blank",
            "title": problem.status.phrase,
            "status": problem.status.value,
            "detail": problem.detail,
            "instance": instance,
            **problem.members,
        }
        # Escaped to ASCII: JSON may smuggle in lone surrogates, which have no UTF-8 form.
        super().__init__(
            json.dumps(document).encode("ascii"),
            status_code=problem.status.value,
            headers=None if problem.headers is None else dict(problem.headers),
        )


def invalid(field: str, detail: str) -> Problem:
    """A 422 about one field, named as the client writes it (``query.limit``, ``body.to``)."""
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        detail,
        members={"errors": [{"field": field, "detail": detail}]},
    )


def register_problems(app: FastAPI) -> None:
    """Give every error of ``app`` the form of a problem document."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    app.add_exception_handler(StoreUnavailable, _on_store_unavailable)
    app.add_exception_handler(Exception, _on_defect)


async def _on_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    return ProblemResponse(error, request.url.path)


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    if isinstance(error, BodyRefused):
        return ProblemResponse(Problem(status, error.detail), request.url.path)
    path = shortened(request.url.path)
    details = {
        HTTPStatus.NOT_FOUND: f"There is nothing at {path}; /docs lists what there is.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{path} does not take {request.method}; /docs says "
        "what it takes.",
        HTTPStatus.BAD_REQUEST: "The body could not be read as JSON; send one JSON object.",
    }
    headers = error.headers
    if status is HTTPStatus.METHOD_NOT_ALLOWED:  # the framework knows one route of several
        headers = {"allow": ", ".join(sorted(methods_at(request)))}
    problem = Problem(status, details.get(status, status.description), headers=headers)
    return ProblemResponse(problem, request.url.path)


async def _on_invalid_request(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    told = error.errors()[:MOST_ERRORS]
    found = [(field_of(each["loc"]), complaint(each, error.body)) for each in told]
    problem = Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{shortened('; '.join(phrase for _, phrase in found))}.",
        members={"errors": [{"field": field, "detail": f"{phrase}."} for field, phrase in found]},
    )
    return ProblemResponse(problem, request.url.path)


async def _on_store_unavailable(request: Request, error: Exception) -> Response:
    log.warning("api.store_unavailable", path=request.url.path, problem=str(error))
    problem = Problem(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "The database is not available at the moment; probing and routing go on, "
        "please ask again in a few seconds.",
        headers={"retry-after": str(STORE_RETRY_SECONDS)},
    )
    return ProblemResponse(problem, request.url.path)


async def _on_defect(request: Request, _error: Exception) -> Response:
    # Starlette raises the error again after this answer, so the server logs its traceback.
    problem = Problem(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "The request met a defect of this program; its log says which, please report it.",
        headers=SECURITY_HEADERS,
    )
    return ProblemResponse(problem, request.url.path)
