"""``/api/v2/session/oidc``: signing in by the provider of ``[oidc]``.

A browser goes to ``start``, from there to the provider, and comes back to ``callback``, which
signs it in and sends it on to our own pages.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import RedirectResponse, Response

from trunkpulse.access.audit import Actor
from trunkpulse.access.user import User
from trunkpulse.adapters.http.api.access import Access, Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, public
from trunkpulse.adapters.http.api.audited import record_apart, refuse_unless_recordable
from trunkpulse.adapters.http.api.auditing import Change, note_claim
from trunkpulse.adapters.http.api.cookies import WAY_BACK
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.people_problems import as_problems
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.adapters.http.api.session import agent_of, former_session, welcome
from trunkpulse.adapters.http.api.user_models import UserOut, user_out
from trunkpulse.adapters.oidc import NotProved, OidcProvider, ProviderAway

__all__ = ["router"]

PATH = "/api/v2/session/oidc"
PROVIDER: Final = Actor("service", "provider", "the provider")
"""Who makes and changes users by its word, in the audit."""

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["access"])

Page = Annotated[str, Query(max_length=500, description="The path of our own to go to in the end.")]


class ProviderOut(Out):
    """Whether one may sign in by a provider."""

    enabled: bool
    display_name: str | None = Field(description="What it is called; null: there is none.")
    start: str | None = Field(description="Where to send the browser.")


@router.get("", dependencies=[public()])
async def get_oidc_provider(access: Accesses) -> ProviderOut:
    """Whether one may sign in by a provider, and what it is called."""
    if access.oidc is None:
        return ProviderOut(enabled=False, display_name=None, start=None)
    name = access.oidc.settings.display_name
    return ProviderOut(enabled=True, display_name=name, start=f"{PATH}/start")


@router.get(
    "/start",
    dependencies=[public()],
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
)
async def start_oidc(access: Accesses, request: Request, page: Page = "/") -> Response:
    """Send the browser to the provider; no page of another site can have it go there."""
    provider = _provider(access)
    if request.headers.get("sec-fetch-site") == "cross-site":
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Another site had your browser begin to sign in here; begin on our own page instead.",
        )
    with _as_problems():
        # The session's cookie does not come back with the browser: that comes from another site.
        former = former_session(request)
        departure = await provider.depart(_callback(provider, request), page, former=former)
    response = RedirectResponse(departure.url, HTTPStatus.SEE_OTHER)
    WAY_BACK.give(request, response, departure.way_back)
    return response


@router.get(
    "/callback",
    dependencies=[public()],
    status_code=HTTPStatus.SEE_OTHER,
    response_class=RedirectResponse,
)
async def finish_oidc(
    access: Accesses,
    request: Request,
    *,
    code: Annotated[str | None, Query(max_length=4096)] = None,
    state: Annotated[str | None, Query(max_length=512)] = None,
    iss: Annotated[str | None, Query(max_length=1024)] = None,
    error: Annotated[str | None, Query(max_length=512)] = None,
) -> Response:
    """Sign in the browser that comes back from the provider, and send it on."""
    given = {"code": code, "state": state, "iss": iss, "error": error}
    answer = {name: value for name, value in given.items() if value is not None}

    async def changed(before: User | None, after: User) -> None:
        """The provider's own act, whatever becomes of the request."""
        await record_apart(
            request,
            PROVIDER,
            Change("user", after.id, _shown(access, before), _shown(access, after)),
        )

    refuse_unless_recordable(access.ledger)
    with _as_problems(), as_problems(unproved=HTTPStatus.FORBIDDEN):
        arrival = await _provider(access).arrive(WAY_BACK.brought_by(request), answer)
        note_claim(request, arrival.identity.name)
        let_in = await access.people.sign_in_by(
            arrival.identity,
            address=client_address(request),
            agent=agent_of(request),
            changed=changed,
            former=arrival.former,
        )
    response = RedirectResponse(arrival.page, HTTPStatus.SEE_OTHER)
    WAY_BACK.take(request, response)
    welcome(access.people, request, response, let_in)
    return response


def _shown(access: Access, user: User | None) -> UserOut | None:
    return None if user is None else user_out(user, access.people.roles.permissions(user.roles))


def _provider(access: Access) -> OidcProvider:
    if access.oidc is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "There is no provider to sign in by; name one in the section [oidc] of the file.",
        )
    return access.oidc


def _callback(provider: OidcProvider, request: Request) -> str:
    """Where the provider sends the browser back to; it has to be registered there."""
    host = provider.public_url or str(request.base_url).rstrip("/")
    return f"{host}{PATH}/callback"


@contextmanager
def _as_problems() -> Iterator[None]:
    try:
        yield
    except ProviderAway as problem:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, str(problem), headers={"retry-after": "10"}
        ) from None
    except NotProved as problem:
        raise Problem(HTTPStatus.FORBIDDEN, str(problem)) from None
