"""``/api/v2/roles``: names for what people may do."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.access.roles import Role
from trunkpulse.adapters.http.api.access import Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of_value,
    tag,
)
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.models import Entities
from trunkpulse.adapters.http.api.paging import Catalogue, Cursor, Limit, Sort, Sorting
from trunkpulse.adapters.http.api.people_problems import as_problems
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.user_models import RoleIn, RoleOut, RolePatch, role_out

__all__ = ["router"]

PATH = "/api/v2/roles"

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["access"])

RoleId = Annotated[str, Path(max_length=128, description="A role's id.")]


@router.get("", dependencies=[requires(Permission.USERS_VIEW)])
async def list_roles(
    access: Accesses, *, sort: Sorting = Sort.ID, limit: Limit = 100, cursor: Cursor = None
) -> Entities[RoleOut]:
    """The roles, by id."""
    page, next_cursor = Catalogue(lambda: access.people.roles.all).page(cursor, limit, sort=sort)
    return Entities(entities=[role_out(each) for each in page], next_cursor=next_cursor)


@router.post(
    "", dependencies=[requires(Permission.USERS_EDIT), once()], status_code=HTTPStatus.CREATED
)
async def create_role(
    access: Accesses, caller: Caller, given: RoleIn, request: Request, response: Response
) -> RoleOut:
    """Make a role of one's own, of permissions that one has."""
    role = Role(
        id=given.id,
        name=given.name or given.id,
        description=given.description,
        permissions=frozenset(given.permissions),
    )
    with as_problems():
        role = await access.people.users.create_role(role, caller)
    note_change(request, "role", role.id, None, role_out(role))
    response.headers["location"] = f"{PATH}/{quote(role.id)}"
    tag(response, _etag(role))
    return role_out(role)


@router.get("/{role_id}", dependencies=[requires(Permission.USERS_VIEW)])
async def get_role(
    access: Accesses, role_id: RoleId, response: Response, if_none_match: IfNoneMatch = None
) -> RoleOut:
    """One role."""
    role = access.people.roles.get(role_id)
    if role is None:
        raise Problem(HTTPStatus.NOT_FOUND, f"There is no role with the id {role_id}.")
    tag(response, _etag(role), if_none_match=if_none_match)
    return role_out(role)


@router.patch("/{role_id}", dependencies=[requires(Permission.USERS_EDIT)])
async def change_role(
    access: Accesses,
    caller: Caller,
    *,
    role_id: RoleId,
    given: RolePatch,
    request: Request,
    response: Response,
    if_match: IfMatch = None,
) -> RoleOut:
    """Change a role by a JSON Merge Patch; it counts at once for everybody who has it."""
    before: list[RoleOut] = []

    def edit(role: Role) -> Role:
        check_match(if_match, _etag(role))
        before.append(role_out(role))
        return _patched(role, given)

    with as_problems():
        role = await access.people.users.change_role(role_id, edit, caller)
    note_change(request, "role", role.id, before[0], role_out(role))
    tag(response, _etag(role))
    return role_out(role)


@router.delete(
    "/{role_id}",
    dependencies=[requires(Permission.USERS_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_role(
    access: Accesses,
    caller: Caller,
    *,
    role_id: RoleId,
    request: Request,
    if_match: IfMatch = None,
) -> Response:
    """Delete a role that nobody has."""
    before: list[RoleOut] = []

    def check(role: Role) -> None:
        check_match(if_match, _etag(role))
        before.append(role_out(role))

    with as_problems():
        await access.people.users.delete_role(role_id, check, caller)
    note_change(request, "role", role_id, before[0], None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


def _patched(role: Role, given: RolePatch) -> Role:
    for member in given.model_fields_set & {"name", "permissions"}:
        if getattr(given, member) is None:
            raise invalid(f"body.{member}", f"body.{member} cannot be null; leave it out.")
    return replace(
        role,
        name=given.name or role.name,
        description=(
            given.description or "" if "description" in given.model_fields_set else role.description
        ),
        permissions=role.permissions if given.permissions is None else frozenset(given.permissions),
    )


def _etag(role: Role) -> str:
    return etag_of_value((role.id, role.revision, role.created_ms))
