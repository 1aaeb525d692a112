"""What the token endpoint says, in the words of RFC 6749, and how it reads what it is sent."""

from __future__ import annotations

import base64
import binascii
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, unquote_plus

from fastapi import Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

__all__ = [
    "FORM_TYPE",
    "OAuthErrorOut",
    "OAuthRefused",
    "TokenOut",
    "credentials_of",
    "form_of",
    "on_oauth_refused",
    "token_answer",
]

FORM_TYPE: Final = "application/x-www-form-urlencoded"
_LONGEST_FORM_BYTES: Final = 16 * 1024
_MOST_FIELDS: Final = 32
_UNCACHED: Final = {"cache-control": "no-store", "pragma": "no-cache"}


class TokenOut(BaseModel):
    """An access token (RFC 6749 5.1)."""

    access_token: str
    token_type: str
    expires_in: int = Field(description="Seconds.")
    scope: str = Field(description="What it is good for, separated by spaces.")


class OAuthErrorOut(BaseModel):
    """Why there is no token (RFC 6749 5.2)."""

    error: str
    error_description: str = Field(description="One sentence for a person.")


class OAuthRefused(Exception):
    """No token; becomes an answer in the words of RFC 6749 5.2."""

    def __init__(
        self,
        error: str,
        description: str,
        *,
        status: HTTPStatus = HTTPStatus.BAD_REQUEST,
        headers: dict[str, str] | None = None,
    ) -> None:
        """``error`` is one of its codes, ``description`` one sentence."""
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.headers = headers or {}

    @classmethod
    def unknown_client(cls) -> OAuthRefused:
        """Whoever asks has not proved to be a client."""
        return cls(
            "invalid_client",
            "The client is unknown, its secret is wrong, or it may not come in any more.",
            status=HTTPStatus.UNAUTHORIZED,
            headers={"www-authenticate": 'Basic realm="trunkpulse"'},
        )


async def on_oauth_refused(_request: Request, error: Exception) -> Response:
    """The answer instead of a token."""
    assert isinstance(error, OAuthRefused)
    # The description is limited to printable ASCII without quotes and backslashes.
    description = "".join(
        each if " " <= each <= "~" and each not in '"\\' else "?" for each in error.description
    )
    return JSONResponse(
        {"error": error.error, "error_description": description},
        status_code=error.status.value,
        headers={**_UNCACHED, **error.headers},
    )


def token_answer(token: TokenOut) -> Response:
    """The answer with a token; nobody keeps a copy of it."""
    return JSONResponse(token.model_dump(), headers=_UNCACHED)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form; those without a value are as good as absent (RFC 6749 3.2)."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != FORM_TYPE:
        raise OAuthRefused("invalid_request", f"Send a form, with Content-Type: {FORM_TYPE}.")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM_BYTES:
            raise OAuthRefused("invalid_request", "The form is longer than any that is needed.")
    try:
        pairs = parse_qsl(body.decode("ascii"), max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        raise OAuthRefused("invalid_request", "The form cannot be read as one.") from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise OAuthRefused("invalid_request", "A field stands in the form twice.")
        fields[name] = value
    return fields


def credentials_of(request: Request, form: dict[str, str]) -> tuple[str, str]:
    """A client's id and secret, by either of two ways (RFC 6749 2.3.1); raises OAuthRefused."""
    headers = request.headers.getlist("authorization")
    if not headers:
        if "client_id" not in form or "client_secret" not in form:
            raise OAuthRefused.unknown_client()
        return form["client_id"], form["client_secret"]
    if len(headers) > 1 or "client_secret" in form:
        raise OAuthRefused(
            "invalid_request",
            "The client proves itself in two ways; send its secret either in the Authorization "
            "header or in the form.",
        )
    client_id, secret = _basic(headers[0])
    if form.get("client_id", client_id) != client_id:
        raise OAuthRefused("invalid_request", "The form and the header name different clients.")
    return client_id, secret


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    try:
        pair = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        pair = ""
    client_id, separator, secret = pair.partition(":")
    if scheme.lower() != "basic" or not separator:
        raise OAuthRefused.unknown_client()
    # Both have been encoded as in a form before they were put together.
    return unquote_plus(client_id), unquote_plus(secret)
