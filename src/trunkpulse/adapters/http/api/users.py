"""``/api/v2/users``: the people who may be let in, and what they may do."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from trunkpulse.access import Limits, Permission, Principal
from trunkpulse.access.user import User, folded
from trunkpulse.adapters.http.api.access import Access, Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of,
    tag,
)
from trunkpulse.adapters.http.api.cookies import DEVICE
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.labels import on_labels
from trunkpulse.adapters.http.api.models import Entities
from trunkpulse.adapters.http.api.paging import Cursor, Limit, cursor_of, id_of
from trunkpulse.adapters.http.api.people_problems import as_problems
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut
from trunkpulse.adapters.http.api.user_models import (
    MadePasswordOut,
    MadeUserOut,
    NewPasswordIn,
    UserIn,
    UserOut,
    UserPatch,
    UserSavedOut,
    user_out,
)

__all__ = ["router"]

PATH = "/api/v2/users"

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["access"])

UserId = Annotated[str, Path(max_length=128, description="A user's id.")]


@router.get("", dependencies=[requires(Permission.USERS_VIEW)])
async def list_users(
    access: Accesses,
    *,
    name: Annotated[str | None, Query(max_length=256, description="Exactly this one.")] = None,
    role: Annotated[str | None, Query(max_length=128, description="The id of a role.")] = None,
    enabled: Annotated[bool | None, Query(description="Only those who are, or are not.")] = None,
    sort: Annotated[
        Literal["name", "-name"], Query(description="By name, upwards or downwards.")
    ] = "name",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[UserOut]:
    """The users, by name."""
    after = None if cursor is None else id_of(cursor)
    wanted = None if name is None else folded(name)
    downwards = sort == "-name"
    found = sorted(
        (
            (known_as, user)
            for user in access.people.users.all
            if wanted in (None, known_as := folded(user.name))
            and (after is None or (known_as < after if downwards else known_as > after))
            and (role is None or role in user.roles)
            and (enabled is None or enabled is user.enabled)
        ),
        key=lambda each: each[0],
        reverse=downwards,
    )
    page = found[:limit]
    return Entities(
        entities=[_shown(access, user) for _, user in page],
        next_cursor=cursor_of(page[-1][0]) if len(found) > limit else None,
    )


@router.post(
    "", dependencies=[requires(Permission.USERS_EDIT), once()], status_code=HTTPStatus.CREATED
)
async def create_user(
    access: Accesses, caller: Caller, given: UserIn, request: Request, response: Response
) -> MadeUserOut:
    """Make a user. Nobody can give what they do not have: neither permissions nor regions."""
    if given.provider_only and given.password is not None:
        raise invalid("body.password", "body.password is not for who signs in by the provider.")
    wanted = User(
        id="",
        name=given.name,
        display_name=given.display_name,
        email=given.email,
        roles=tuple(dict.fromkeys(given.roles)),
        limits=Limits(regions=_set(given.regions), carriers=_set(given.carriers)),
        enabled=given.enabled,
        must_change_password=given.must_change_password and not given.provider_only,
    )
    with as_problems():
        user, made = await access.people.users.create(
            wanted,
            given.password,
            caller,
            one_time=given.password is None and not given.provider_only,
        )
    shown = _shown(access, user)
    note_change(request, "user", user.id, None, shown)
    response.headers["location"] = f"{PATH}/{quote(user.id)}"
    tag(response, etag_of(user))
    advice = await _advice(request, user)
    return MadeUserOut(**dict(shown), one_time_password=made, advice=advice)


@router.get("/{user_id}", dependencies=[requires(Permission.USERS_VIEW)])
async def get_user(
    access: Accesses, user_id: UserId, response: Response, if_none_match: IfNoneMatch = None
) -> UserOut:
    """One user."""
    user = access.people.users.get(user_id)
    if user is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no user with the id {user_id}.")
    shown = _shown(access, user)
    tag(response, etag_of(user), living=shown, if_none_match=if_none_match)
    return shown


@router.patch("/{user_id}", dependencies=[requires(Permission.USERS_EDIT)])
async def change_user(
    access: Accesses,
    caller: Caller,
    *,
    user_id: UserId,
    given: UserPatch,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> UserSavedOut:
    """Change a user by a JSON Merge Patch; one who is disabled is signed out at once.

    Nobody can change somebody who has more than they have themselves, and one administrator is
    always left. In a session, a change of name, e-mail, roles or limits takes one's own password.
    """
    if given.changes_access:
        await _prove_again(access, caller, user_id, given.current_password, request)
    before: list[UserOut] = []

    def edit(user: User) -> User:
        check_match(if_match, etag_of(user))
        before.append(_shown(access, user))
        return _patched(user, given)

    with as_problems():
        user = await access.people.users.change(user_id, edit, caller)
    shown = _shown(access, user)
    note_change(request, "user", user.id, before[0], shown)
    tag(response, etag_of(user), living=shown)
    return UserSavedOut(**dict(shown), advice=await _advice(request, user))


@router.delete(
    "/{user_id}",
    dependencies=[requires(Permission.USERS_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_user(
    access: Accesses,
    caller: Caller,
    *,
    user_id: UserId,
    request: Request,
    if_match: IfMatch = None,
) -> Response:
    """Delete a user, whose sessions end at once."""
    before: list[UserOut] = []

    def check(user: User) -> None:
        check_match(if_match, etag_of(user))
        before.append(_shown(access, user))

    with as_problems():
        await access.people.users.delete(user_id, check, caller)
    note_change(request, "user", user_id, before[0], None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.put("/{user_id}/password", dependencies=[requires(Permission.USERS_EDIT)])
async def set_user_password(
    access: Accesses, caller: Caller, user_id: UserId, given: NewPasswordIn, request: Request
) -> MadePasswordOut:
    """Give a user another password, to be changed when they next come; their sessions end.

    Also lets them in again who were kept waiting after too many guesses. In a session it takes
    one's own password too.
    """
    await _prove_again(access, caller, user_id, given.current_password, request)
    with as_problems():
        made = await access.people.users.set_password(user_id, given.password, caller)
    user = access.people.users.get(user_id)
    if user is not None:
        note_change(request, "user", user_id, _shown(access, user), _shown(access, user))
    return MadePasswordOut(one_time_password=made)


@router.delete(
    "/{user_id}/sessions",
    dependencies=[requires(Permission.USERS_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def sign_user_out(
    access: Accesses, caller: Caller, user_id: UserId, request: Request
) -> Response:
    """End all sessions of a user."""
    with as_problems():
        await access.people.users.sign_out(user_id, caller)
    note_change(request, "session", user_id, {"user": user_id}, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _prove_again(
    access: Access, caller: Principal, user_id: str, password: str | None, request: Request
) -> None:
    """Where there is such a user to be changed."""
    if access.people.users.get(user_id) is None:
        return
    with as_problems(unproved=HTTPStatus.FORBIDDEN):
        await access.people.prove_again(
            caller,
            password,
            address=client_address(request),
            device=DEVICE.brought_by(request),
        )


def _patched(user: User, given: UserPatch) -> User:
    named = given.model_fields_set
    for member in ("name", "roles", "enabled", "must_change_password"):
        if member in named and getattr(given, member) is None:
            raise invalid(f"body.{member}", f"body.{member} cannot be null; leave it out.")
    return replace(
        user,
        name=given.name or user.name,
        display_name=given.display_name if "display_name" in named else user.display_name,
        email=given.email if "email" in named else user.email,
        roles=user.roles if given.roles is None else tuple(dict.fromkeys(given.roles)),
        limits=Limits(
            regions=_set(given.regions) if "regions" in named else user.limits.regions,
            carriers=_set(given.carriers) if "carriers" in named else user.limits.carriers,
        ),
        enabled=user.enabled if given.enabled is None else given.enabled,
        must_change_password=(
            user.must_change_password
            if given.must_change_password is None
            else given.must_change_password
        ),
    )


def _set(names: list[str] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


async def _advice(request: Request, user: User) -> list[SavedAdviceOut]:
    return await on_labels(
        request,
        f"user {user.name}",
        carriers=user.limits.carriers or (),
        regions=user.limits.regions or (),
    )


def _shown(access: Access, user: User) -> UserOut:
    return user_out(user, access.people.roles.permissions(user.roles))
