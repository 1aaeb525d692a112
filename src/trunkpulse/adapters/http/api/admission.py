"""Who may use which route: each declares it, and one that declares nothing refuses everybody.

    @router.get("", dependencies=[requires(Permission.TRUNK_VIEW)])

Who asks is found out by the ``Gate``. Somebody who is limited to some regions or carriers is
refused, unless the route says ``within_limits=True``: then its function keeps to
``caller.limits`` itself. A route for everybody says ``public()``, one for anybody who has proved
who they are ``signed_in()``. The table of all routes in the tests is made from these declarations.

A framework that sees declarations as dependencies reads and decodes the body before it looks at
them. So every router has ``route_class=AdmittedRoute``, which keeps to the declaration first: of
somebody who may not, no byte of a body is read. One without it refuses everybody too.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol

from fastapi import Depends, Request, Security
from fastapi.openapi.models import OAuthFlowClientCredentials, OAuthFlows
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, OAuth2
from starlette.responses import Response

from trunkpulse.access import Permission, Principal, permission_of_scope
from trunkpulse.adapters.http.api.intricacy import BoundedRequest
from trunkpulse.adapters.http.api.problems import Problem

__all__ = [
    "SESSION_COOKIE",
    "AdmittedRoute",
    "Caller",
    "Declaration",
    "Gate",
    "admit",
    "declaration_of",
    "declarations_of",
    "only_if_declared",
    "prove",
    "public",
    "requires",
    "signed_in",
]

SESSION_COOKIE = "trunkpulse_session"
PROOF: Final = "trunkpulse.proof"
"""In the scope of a request: whoever sent it, or why that is not known."""

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


async def prove(request: Request) -> Principal | Problem:
    """Whoever sent ``request``, or what keeps them out; found out once for each request."""
    found: Principal | Problem | None = request.scope.get(PROOF)
    if found is None:
        gate: Gate = request.app.state.access.gate
        try:
            found = await gate.principal(request)
        except Problem as problem:
            found = problem
        request.scope[PROOF] = found
    return found


async def _everybody() -> None:
    """Marks a route that everybody may use."""


async def _proved(
    _token: Annotated[str | None, Depends(_token)],
    _session: Annotated[str | None, Depends(_session)],
) -> None:
    """Marks a route for anybody who has proved who they are, whatever their password."""


async def _within_limits(
    _token: Annotated[str | None, Depends(_token)],
    _session: Annotated[str | None, Depends(_session)],
) -> None:
    """Marks a route that keeps to the caller's limits by itself."""


async def _whole(
    _token: Annotated[str | None, Depends(_token)],
    _session: Annotated[str | None, Depends(_session)],
) -> None:
    """Marks a route that concerns all trunks."""


async def _undeclared(request: Request) -> None:
    """Refuses on a route that admits nobody; the guard of every router."""
    if not isinstance(request.scope.get("route"), AdmittedRoute):
        raise _undeclared_problem()


def _undeclared_problem() -> Problem:
    return Problem(
        HTTPStatus.FORBIDDEN,
        "This route does not declare who may use it, so nobody may; please report it.",
    )


def requires(permission: Permission, *, within_limits: bool = False) -> Any:
    """The declaration of a route that takes this permission."""
    return Security(_within_limits if within_limits else _whole, scopes=[permission.scope])


async def admit(request: Request, permission: Permission) -> None:
    """What ``requires(permission)`` demands, for a public route that takes it of some only."""
    await _admit(request, Declaration(permission=permission, refuses_limited=True))


def signed_in(*, before_new_password: bool = False) -> Any:
    """The declaration of a route for anybody who has proved who they are.

    ``before_new_password``: also for those who may do nothing else until they have changed theirs.
    """
    return Security(_proved if before_new_password else _within_limits, scopes=[])


def public() -> Any:
    """The declaration of a route for everybody."""
    return Depends(_everybody)


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
        if dependency.call is _everybody:
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


async def _admit(request: Request, declared: Declaration) -> None:
    """Let in whoever may, as ``request.state.caller``; raises a Problem for anybody else."""
    if declared.public:
        return
    caller = await prove(request)
    if isinstance(caller, Problem):
        raise caller
    request.state.caller = caller
    if caller.must_change_password and not declared.before_new_password:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "Your password is one to be used once; change it with PUT /api/v2/session/password "
            "before anything else.",
        )
    permission = declared.permission
    if permission is not None and not caller.may(permission):
        scope = permission.scope
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{caller.name} may not do this; it takes the permission {permission.value}, "
            f"or a token with the scope {scope}.",
            headers={"www-authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'},
        )
    if caller.limits and declared.refuses_limited:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{caller.name} is limited to some regions or carriers, and this concerns all of "
            "them; ask an administrator who is not.",
        )


class AdmittedRoute(APIRoute):
    """A route that looks who asks before it reads what they sent."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request: nothing but a Problem for whoever may not."""
        answer = super().get_route_handler()
        declared = declaration_of(self)
        takes_json = self.body_field is not None

        async def admitted(request: Request) -> Response:
            if declared is None:
                raise _undeclared_problem()
            await _admit(request, declared)
            if takes_json:
                request = BoundedRequest(request.scope, request.receive)
            return await answer(request)

        return admitted


async def _caller(request: Request) -> Principal:
    caller = request.state.caller
    assert isinstance(caller, Principal)
    return caller


Caller = Annotated[Principal, Depends(_caller)]
"""Who asks, in the function of a route that requires something."""
