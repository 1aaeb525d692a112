"""``/oauth``: tokens for machines by client credentials (RFC 6749 4.4), and all about them.

A machine sends its id and secret, in the Authorization header or in the form, and gets a token
that is good for some minutes. What it may ask for is what its client may do; without ``scope`` it
gets all of that.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from trunkpulse.access import Permission, permission_of_scope
from trunkpulse.adapters.http.api.access import Access, Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, public
from trunkpulse.adapters.http.api.auditing import note_actor, note_claim
from trunkpulse.adapters.http.api.oauth_answers import (
    FORM_TYPE,
    OAuthErrorOut,
    OAuthRefused,
    TokenOut,
    credentials_of,
    form_of,
    token_answer,
)
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.adapters.signing import JWKS_MAX_AGE_SECONDS
from trunkpulse.adapters.tokens import TokenInvalid
from trunkpulse.admission.clients import Client
from trunkpulse.admission.errors import TooManyKept
from trunkpulse.admission.guessing import network_of

__all__ = ["router"]

METHODS: Final = ["client_secret_basic", "client_secret_post"]
GRANT: Final = "client_credentials"
_LONGEST_CLIENT_ID: Final = 128

router = APIRouter(route_class=AdmittedRoute, tags=["oauth"])


class MetadataOut(BaseModel):
    """What this server is capable of (RFC 8414 2)."""

    issuer: str
    token_endpoint: str
    revocation_endpoint: str
    jwks_uri: str
    scopes_supported: list[str]
    response_types_supported: list[str] = Field(description="None: there is no authorization page.")
    grant_types_supported: list[str]
    token_endpoint_auth_methods_supported: list[str]
    revocation_endpoint_auth_methods_supported: list[str]


class JwkSetOut(BaseModel):
    """Keys (RFC 7517 5)."""

    keys: list[dict[str, str]]


def _form(required: list[str], **fields: dict[str, str]) -> dict[str, Any]:
    """A body that is a form, for the description of the API."""
    own = {
        "client_id": {"type": "string", "description": "Unless it is in the header."},
        "client_secret": {"type": "string", "description": "Unless it is in the header."},
    }
    schema = {"type": "object", "required": required, "properties": {**fields, **own}}
    return {"requestBody": {"required": True, "content": {FORM_TYPE: {"schema": schema}}}}


_REFUSALS: dict[int | str, dict[str, Any]] = {
    400: {"model": OAuthErrorOut, "description": "It cannot be given as asked."},
    401: {"model": OAuthErrorOut, "description": "The client has not proved who it is."},
    429: {"model": OAuthErrorOut, "description": "Too many wrong secrets; wait `Retry-After`."},
}


@router.post(
    "/oauth/token",
    dependencies=[public()],
    response_model=TokenOut,
    responses=_REFUSALS,
    openapi_extra=_form(
        ["grant_type"],
        grant_type={"type": "string", "description": "`client_credentials`."},
        scope={"type": "string", "description": "Separated by spaces; without it, all it has."},
    ),
)
async def issue_token(request: Request, access: Accesses) -> Response:
    """Get an access token for a client: its id and secret as HTTP Basic or in the form."""
    form = await form_of(request)
    client = _proved(request, access, form)
    grant = form.get("grant_type")
    if grant is None:
        raise OAuthRefused("invalid_request", f"The form has no grant_type; send {GRANT}.")
    if grant != GRANT:
        raise OAuthRefused("unsupported_grant_type", f"The only grant_type here is {GRANT}.")
    issued = access.tokens.issue(client, _wanted(client, form.get("scope")))
    return token_answer(
        TokenOut(
            access_token=issued.text,
            token_type="Bearer",  # noqa: S106 - its kind (RFC 6750)
            expires_in=issued.expires_in_seconds,
            scope=" ".join(sorted(each.scope for each in issued.permissions)),
        )
    )


@router.post(
    "/oauth/revoke",
    dependencies=[public()],
    response_class=Response,
    responses={**_REFUSALS, 200: {"description": "The token is void.", "content": {}}},
    openapi_extra=_form(
        ["token"],
        token={"type": "string", "description": "An access token of this client."},
        token_type_hint={"type": "string", "description": "Not needed."},
    ),
)
async def revoke_token(request: Request, access: Accesses) -> Response:
    """Make one's own access token void before its time (RFC 7009)."""
    form = await form_of(request)
    client = _proved(request, access, form)
    text = form.get("token")
    if text is None:
        raise OAuthRefused("invalid_request", "The form has no token.")
    try:
        token = access.tokens.read(text)
    except TokenInvalid:
        return Response(status_code=HTTPStatus.OK)  # void already, which is what was asked for
    if token.client_id != client.id:
        raise OAuthRefused("invalid_grant", "The token was given to another client.")
    try:
        await access.revoked.revoke(token.id, client.id, token.expires_ms)
    except TooManyKept as refused:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(refused)) from None
    return Response(status_code=HTTPStatus.OK)


@router.get("/oauth/jwks", dependencies=[public()], response_model=JwkSetOut)
async def get_signing_keys(access: Accesses) -> Response:
    """The public keys that access tokens are signed with, the next one among them (RFC 7517)."""
    return JSONResponse(
        {"keys": [each.public() for each in access.keys.published]},
        headers={"cache-control": f"public, max-age={JWKS_MAX_AGE_SECONDS}"},
    )


@router.get("/.well-known/oauth-authorization-server", dependencies=[public()])
async def get_oauth_metadata(access: Accesses) -> MetadataOut:
    """What a client has to know to get tokens (RFC 8414)."""
    issuer = access.tokens.issuer()
    return MetadataOut(
        issuer=issuer,
        token_endpoint=f"{issuer}/oauth/token",
        revocation_endpoint=f"{issuer}/oauth/revoke",
        jwks_uri=f"{issuer}/oauth/jwks",
        scopes_supported=sorted(each.scope for each in Permission),
        response_types_supported=[],
        grant_types_supported=[GRANT],
        token_endpoint_auth_methods_supported=METHODS,
        revocation_endpoint_auth_methods_supported=METHODS,
    )


def _proved(request: Request, access: Access, form: dict[str, str]) -> Client:
    """The client that asks; raises OAuthRefused.

    The right secret is looked for first and never refused: nobody guesses 256 bits by chance, so a
    count of guesses could only keep a client out of whose id somebody else knows.
    """
    client_id, secret = credentials_of(request, form)
    known_as = client_id[:_LONGEST_CLIENT_ID]
    note_claim(request, known_as)
    client = access.clients.proved(client_id, secret)
    if client is not None:
        note_actor(request, client.principal(client.permissions))
        return client
    network, now = network_of(client_address(request)), access.clock.monotonic()
    wait = access.wrong_secrets.wait(network, now)
    if wait > 0:
        seconds = math.ceil(wait)
        raise OAuthRefused(
            "temporarily_unavailable",
            f"Too many wrong secrets came from there; try again in {seconds} s.",
            status=HTTPStatus.TOO_MANY_REQUESTS,
            headers={"retry-after": str(seconds)},
        )
    access.wrong_secrets.take(network, now)
    raise OAuthRefused.unknown_client()


def _wanted(client: Client, scope: str | None) -> frozenset[Permission]:
    """What a token is asked for; raises OAuthRefused if the client may not have all of it."""
    if scope is None:
        return client.permissions
    wanted = {permission_of_scope(each) for each in scope.split(" ") if each}
    if None in wanted or not wanted <= client.permissions:
        may = " ".join(sorted(each.scope for each in client.permissions)) or "nothing"
        raise OAuthRefused("invalid_scope", f"This client may have {may}.")
    return frozenset(each for each in wanted if each is not None)
