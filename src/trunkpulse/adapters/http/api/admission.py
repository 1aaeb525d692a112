"""Who may use which route: each declares it, and one that declares nothing refuses everybody.

    @router.get("", dependencies=[requires(Permission.TRUNK_VIEW)])

Who asks is found out by the ``Gate``. Somebody who is limited to some regions or carriers is
refused, unless the route says ``within_limits=True``: then its function keeps to
``caller.limits`` itself. A route for everybody says ``public()``, one for anybody who has proved
who they are ``signed_in()``. The table of all routes in the tests is made from these declarations.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Protocol

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, OAuth2, SecurityScopes

from trunkpulse.access import Permission, Principal, permission_of_scope
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.rates import charge

__all__ = [
    "SESSION_COOKIE",
    "Caller",
    "Declaration",
    "Gate",
    "admit",
    "declaration_of",
    "declarations_of",
    "only_if_declared",
    "public",
    "requires",
    "signed_in",
]

SESSION_COOKIE = "trunkpulse_session"

_token = OAuth2(
    flows=OAuthFlows(
        clientCredentials=OAuthFlowClientCredentials(
            tokenUrl="/oauth/token",
            scopes={permission.scope: permission.value for permission in Permission},
        )
    ),
    scheme_name="oauth2",
    description="An access token as a bearer token (RFC 6750), from `/oauth/token`.",
    auto_error=False,
)
_session = APIKeyCookie(
    name=SESSION_COOKIE,
    scheme_name="session",
    description="A person's session, as the console has it.",
    auto_error=False,
)


class Gate(Protocol):
    """Finds out who asks."""

    async def principal(self, request: Request) -> Principal:
        """Whoever sent ``request``; raises a Problem (401, or 403 for a forged request)."""


async def _proved(
    request: Request,
    _token: Annotated[str | None, Depends(_token)],
    _session: Annotated[str | None, Depends(_session)],
) -> Principal:
    gate: Gate = request.app.state.access.gate
    try:
        caller = await gate.principal(request)
    except Problem:
        charge(request, None)
        raise
    request.state.caller = caller
    charge(request, caller)
    return caller


Proved = Annotated[Principal, Depends(_proved)]


async def _anybody(request: Request) -> None:
    """For routes that everybody may use."""
    charge(request, None)


async def _within_limits(caller: Proved, wanted: SecurityScopes) -> Principal:
    """For routes that keep to the caller's limits by themselves."""
    if caller.must_change_password:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Your password is one to be used once; change it with PUT /api/v2/session/password "
            "before anything else.",
        )
    for scope in wanted.scopes:
        permission = permission_of_scope(scope)
        assert permission is not None, scope
        if not caller.may(permission):
            raise Problem(
                HTTPStatus.FORBIDDEN,
                f"{caller.name} may not do this; it takes the permission {permission.value}, "
                f"or a token with the scope {scope}.",
                headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
            )
    return caller


async def _whole(caller: Annotated[Principal, Depends(_within_limits)]) -> Principal:
    """For routes that concern all trunks."""
    if caller.limits:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{caller.name} is limited to some regions or carriers, and this concerns all of "
            "them; ask an administrator who is not.",
        )
    return caller


async def _undeclared(request: Request) -> None:
    """Refuses on a route that declares nothing; the guard of every router."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or declarations_of(route) is None:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "This route does not declare who may use it, so nobody may; please report it.",
        )


def requires(permission: Permission, *, within_limits: bool = False) -> Any:
    """The declaration of a route that takes this permission."""
    return Security(_within_limits if within_limits else _whole, scopes=[permission.scope])


async def admit(request: Request, permission: Permission) -> None:
    """What ``requires(permission)`` demands, for a public route that takes it of some only."""
    caller = await _proved(request, None, None)
    await _whole(await _within_limits(caller, SecurityScopes([permission.scope])))


def signed_in(*, before_new_password: bool = False) -> Any:
    """The declaration of a route for anybody who has proved who they are.

    ``before_new_password``: also for those who may do nothing else until they have changed theirs.
    """
    return Security(_proved if before_new_password else _within_limits, scopes=[])


def public() -> Any:
    """The declaration of a route for everybody."""
    return Depends(_anybody)


def only_if_declared() -> Any:
    """For every router: what declares nothing refuses."""
    return Depends(_undeclared)


@dataclass(frozen=True, slots=True)
class Declaration:
    """Who may use a route."""

    public: bool = False
    """Everybody."""
    permission: Permission | None = None
    """Whoever has it; None: anybody who has proved who they are, if it is not public."""
    refuses_limited: bool = False
    """Not those who are limited to some regions or carriers."""
    before_new_password: bool = False
    """Also those who may do nothing else until they have changed their password."""


def declaration_of(route: APIRoute) -> Declaration | None:
    """What ``route`` declares; None if it declares nothing."""
    for dependency in route.dependant.dependencies:
        if dependency.call is _anybody:
            return Declaration(public=True, before_new_password=True)
        if dependency.call in (_proved, _within_limits, _whole):
            scopes = dependency.own_oauth_scopes
            return Declaration(
                permission=permission_of_scope(scopes[0]) if scopes else None,
                refuses_limited=dependency.call is _whole,
                before_new_password=dependency.call is _proved,
            )
    return None


def declarations_of(route: APIRoute) -> tuple[str, ...] | None:
    """What ``route`` declares: its scopes, ``("public",)``, or () for anybody signed in.

    None if it declares nothing.
    """
    declared = declaration_of(route)
    if declared is None or declared.public:
        return None if declared is None else ("public",)
    return () if declared.permission is None else (declared.permission.scope,)


async def _caller(request: Request) -> Principal:
    caller = request.state.caller
    assert isinstance(caller, Principal)
    return caller


Caller = Annotated[Principal, Depends(_caller)]
"""Who asks, in the function of a route that requires something."""
