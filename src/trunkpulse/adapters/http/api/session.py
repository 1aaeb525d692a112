"""``/api/v2/session``: signing in and out, who one is, and one's own password and sessions.

A session is a cookie, so that no script ever holds what proves it. A page gets the CSRF token from
here and sends it as ``X-CSRF-Token`` with each request that changes something.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.adapters.http.api.access import Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, public, signed_in
from trunkpulse.adapters.http.api.auditing import note_actor, note_change, note_claim
from trunkpulse.adapters.http.api.cookies import DEVICE, SESSION
from trunkpulse.adapters.http.api.models import Entities, Moment, Out
from trunkpulse.adapters.http.api.people_problems import as_problems
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.admission.people import LetIn, People
from trunkpulse.admission.sessions import Session, csrf_token_of, key_of

__all__ = ["SessionOut", "agent_of", "former_session", "router", "session_out", "welcome"]

PATH = "/api/v2/session"

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["access"])

Password = Annotated[str, Field(max_length=1024, json_schema_extra={"format": "password"})]


class _In(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", hide_input_in_errors=True)


class CredentialsIn(_In):
    """Who somebody is, and how they prove it."""

    name: Annotated[str, Field(max_length=256)]
    password: Password = Field(repr=False)


class PasswordChangeIn(_In):
    """The old password and the new one."""

    password: Password = Field(repr=False, description="The one that you have.")
    new_password: Password = Field(repr=False, description="12 to 1024 characters.")


class SessionOut(Out):
    """Who asks, and what they may do."""

    kind: PrincipalKind
    id: str
    name: str
    display_name: str | None = Field(description="Of a person.")
    permissions: list[Permission]
    regions: list[str] | None = Field(description="Those that they are limited to; null: all.")
    carriers: list[str] | None = Field(description="Those that they are limited to; null: all.")
    must_change_password: bool = Field(description="Until then nothing else is allowed.")
    csrf_token: str | None = Field(
        description="For the header X-CSRF-Token of each request that changes something; null "
        "for who sends a token with each request anyway."
    )
    expires: int | None = Field(description="When the session ends at last; null: there is none.")
    idle_seconds: float | None = Field(description="After so long without a request it ends.")


class OwnSessionOut(Out):
    """One browser where one has signed in."""

    id: str
    current: bool = Field(description="It is the one that asks.")
    created: int = Moment
    last_used: int = Moment
    expires: int = Moment
    address: str
    agent: str = Field(description="What the browser says that it is.")


@router.post("", dependencies=[public()])
async def sign_in(
    access: Accesses, given: CredentialsIn, request: Request, response: Response
) -> SessionOut:
    """Sign in with a name and a password; the answer sets the session's cookie.

    The session that this browser had ends. Whoever guesses has to wait longer each time (429). The
    owner of the account, who comes from where they have signed in before or with the browser's
    cookie `trunkpulse_device`, does not.
    """
    note_claim(request, given.name)
    with as_problems():
        let_in = await access.people.sign_in(
            given.name,
            given.password,
            address=client_address(request),
            agent=agent_of(request),
            device=DEVICE.brought_by(request),
            former=former_session(request),
        )
    return let_in_out(access.people, request, response, let_in)


@router.get("", dependencies=[signed_in(before_new_password=True)])
async def get_session(access: Accesses, caller: Caller, request: Request) -> SessionOut:
    """Who one is, and what one may do."""
    return session_out(access.people, caller, SESSION.brought_by(request))


@router.delete(
    "", dependencies=[signed_in(before_new_password=True)], status_code=HTTPStatus.NO_CONTENT
)
async def sign_out(access: Accesses, caller: Caller, request: Request) -> Response:
    """End this session."""
    session = _session_of(access.people, caller, caller.session_id)
    if session is not None:
        await access.people.sessions.end(session)
        note_change(request, "session", session.id, {"user": caller.name}, None)
    response = Response(status_code=HTTPStatus.NO_CONTENT)
    SESSION.take(request, response)
    return response


@router.put("/password", dependencies=[signed_in(before_new_password=True)])
async def change_own_password(
    access: Accesses,
    caller: Caller,
    given: PasswordChangeIn,
    request: Request,
    response: Response,
) -> SessionOut:
    """Change one's own password; all one's sessions end, and a new one begins here."""
    with as_problems(field="body.newPassword", unproved=HTTPStatus.FORBIDDEN):
        let_in = await access.people.change_own_password(
            caller,
            given.password,
            given.new_password,
            address=client_address(request),
            agent=agent_of(request),
            device=DEVICE.brought_by(request),
        )
    note_change(request, "user", caller.id, {"name": caller.name}, {"name": caller.name})
    return let_in_out(access.people, request, response, let_in)


@router.get("/all", dependencies=[signed_in()])
async def list_own_sessions(access: Accesses, caller: Caller) -> Entities[OwnSessionOut]:
    """All one's own sessions, the one that was used last first."""
    found = access.people.sessions.of_user(caller.id) if _is_person(caller) else []
    return Entities(entities=[_own_out(each, caller) for each in found], next_cursor=None)


@router.delete("/all/{session_id}", dependencies=[signed_in()], status_code=HTTPStatus.NO_CONTENT)
async def end_own_session(
    access: Accesses,
    caller: Caller,
    session_id: Annotated[str, Path(max_length=64, description="A session's id.")],
    request: Request,
) -> Response:
    """End one of one's own sessions."""
    session = _session_of(access.people, caller, session_id)
    if session is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"You have no session with the id {session_id}.")
    await access.people.sessions.end(session)
    note_change(request, "session", session.id, {"user": caller.name}, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def agent_of(request: Request) -> str:
    """What the browser says that it is."""
    return request.headers.get("user-agent", "")


def former_session(request: Request) -> str | None:
    """The key of the session that the browser is in, or was."""
    cookie = SESSION.brought_by(request)
    return None if cookie is None else key_of(cookie)


def welcome(people: People, request: Request, response: Response, let_in: LetIn) -> None:
    """Give somebody who has signed in their cookies with ``response``, and note that they have."""
    note_actor(request, let_in.principal)
    session_id = let_in.principal.session_id
    assert session_id is not None
    note_change(request, "session", session_id, None, {"user": let_in.principal.name})
    if (ended := let_in.instead_of) is not None:
        owner = people.users.get(ended.user_id)
        name = ended.user_id if owner is None else owner.name
        note_change(request, "session", ended.id, {"user": name}, None)
    SESSION.give(request, response, let_in.cookie)
    if let_in.device is not None:
        DEVICE.give(request, response, let_in.device)


def let_in_out(people: People, request: Request, response: Response, let_in: LetIn) -> SessionOut:
    """The answer to somebody who has signed in, with the session's cookie."""
    welcome(people, request, response, let_in)
    return session_out(people, let_in.principal, let_in.cookie)


def session_out(people: People, caller: Principal, cookie: str | None) -> SessionOut:
    """Who ``caller`` is; ``cookie`` is the session's, if they have one."""
    session = _session_of(people, caller, caller.session_id)
    user = people.users.get(caller.id) if _is_person(caller) else None
    regions, carriers = caller.limits.regions, caller.limits.carriers
    return SessionOut(
        kind=caller.kind,
        id=caller.id,
        name=caller.name,
        display_name=None if user is None else user.display_name,
        permissions=sorted(caller.permissions),
        regions=None if regions is None else sorted(regions),
        carriers=None if carriers is None else sorted(carriers),
        must_change_password=caller.must_change_password,
        csrf_token=csrf_token_of(cookie) if session is not None and cookie else None,
        expires=None if session is None else session.expires_ms,
        idle_seconds=None if session is None else people.sessions.rules.idle_seconds,
    )


def _is_person(caller: Principal) -> bool:
    return caller.kind is PrincipalKind.USER


def _session_of(people: People, caller: Principal, session_id: str | None) -> Session | None:
    """The one of the caller's own sessions that has this id."""
    if not _is_person(caller):
        return None
    theirs = people.sessions.of_user(caller.id)
    return next((session for session in theirs if session.id == session_id), None)


def _own_out(session: Session, caller: Principal) -> OwnSessionOut:
    return OwnSessionOut(
        id=session.id,
        current=session.id == caller.session_id,
        created=session.created_ms,
        last_used=session.seen_ms,
        expires=session.expires_ms,
        address=session.address,
        agent=session.agent,
    )
