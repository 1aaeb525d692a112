"""Records every request that may have changed something, and every refused one, before it is told.

An ASGI layer around all routes, so no route can forget it. The answer to what was done waits until
its record is durable; while the database is away it waits in memory instead (``Ledger``). What was
refused, or was asked in vain by nobody in particular, is recorded without anybody waiting for it,
and counted where it comes in floods.

Who asked is known by the gate, what changed by the route (``auditing``). A request by POST that
only asks something takes a permission to view, and is no act.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.access import Permission, Principal
from trunkpulse.access.audit import Act, Actor, ObjectChange, Outcome
from trunkpulse.adapters.http.api.admission import declarations_of
from trunkpulse.adapters.http.api.auditing import NOTES, Noted, Shown
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.admission.ledger import Ledger

__all__ = ["Audited", "only_while_recordable"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
TO_VIEW = frozenset(
    each.scope
    for each in (
        Permission.TRUNK_VIEW,
        Permission.STREAM_READ,
        Permission.ROUTE_VIEW,
        Permission.USERS_VIEW,
        Permission.AUDIT_VIEW,
    )
)
REFUSED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED.value,
        HTTPStatus.FORBIDDEN.value,
        HTTPStatus.TOO_MANY_REQUESTS.value,
    }
)
RETRY_SECONDS = "5"


class Audited:
    """ASGI middleware; see the module's opening."""

    def __init__(self, app: ASGIApp, *, ledger: Ledger) -> None:
        self._app = app
        self._ledger = ledger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer, and record what it did."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        notes = scope[NOTES] = Noted()
        scope.setdefault("state", {})
        answered = False

        async def send_recorded(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                await self._record(scope, notes, message["status"])
            await send(message)

        try:
            await self._app(scope, receive, send_recorded)
        finally:
            if not answered and _is_act(scope):  # a defect, or nobody waits for an answer any more
                status = HTTPStatus.INTERNAL_SERVER_ERROR.value
                self._ledger.note(_act(scope, notes, status))

    async def _record(self, scope: Scope, notes: Noted, status: int) -> None:
        is_refused = status in REFUSED
        noted = notes.changes or notes.actor  # a login that comes back by GET, for one
        if not (is_refused or noted or _is_act(scope)):
            return
        act = _act(scope, notes, status)
        in_vain = act.actor.kind == "nobody" and status >= HTTPStatus.BAD_REQUEST
        if is_refused or in_vain:
            self._ledger.note_refusal(act)
        else:
            await self._ledger.record(act)


async def only_while_recordable(request: Request) -> None:
    """For every router: nothing is changed that cannot be recorded any more."""
    ledger = request.app.state.access.ledger
    assert isinstance(ledger, Ledger)
    if ledger.full and _is_act(request.scope):
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Nothing can be changed now: the database has been away for so long that there is no "
            "more room to record it; try again when the database is back.",
            headers={"retry-after": RETRY_SECONDS},
        )


def _is_act(scope: Scope) -> bool:
    """True if the request may change something."""
    if scope["method"] in SAFE_METHODS:
        return False
    route = scope.get("route")
    declared = declarations_of(route) if isinstance(route, APIRoute) else None
    return not declared or not TO_VIEW.issuperset(declared)


def _act(scope: Scope, notes: Noted, status: int) -> Act:
    route = scope.get("route")
    kind, object_id = _object(scope, notes)
    return Act(
        action=route.name if isinstance(route, APIRoute) else "unknown",
        actor=_actor(scope, notes),
        outcome=_outcome(status),
        address=client_address(HTTPConnection(scope)),
        method=scope["method"],
        path=scope["path"],
        status=status,
        kind=kind,
        id=object_id,
        changes=tuple(
            ObjectChange(each.kind, each.id, _json(each.before), _json(each.after))
            for each in notes.changes
        )
        if status < HTTPStatus.BAD_REQUEST or status >= HTTPStatus.INTERNAL_SERVER_ERROR
        else (),
        more_changes=notes.more,
        details=notes.details,
    )


def _outcome(status: int) -> Outcome:
    if status in REFUSED:
        return Outcome.REFUSED
    return Outcome.DONE if status < HTTPStatus.BAD_REQUEST else Outcome.FAILED


def _actor(scope: Scope, notes: Noted) -> Actor:
    who = notes.actor or scope["state"].get("caller")
    if not isinstance(who, Principal):
        return Actor("nobody", claimed=notes.claim)
    return Actor(who.kind.value, who.id, who.name, notes.claim)


def _object(scope: Scope, notes: Noted) -> tuple[str | None, str | None]:
    """What the request was about: what the route named first, or else what the path names last."""
    if notes.changes:
        return notes.changes[0].kind, notes.changes[0].id
    found: tuple[str | None, str | None] = None, None
    for name, value in scope.get("path_params", {}).items():
        if name.endswith("_id"):
            found = name.removesuffix("_id"), str(value)
    return found


def _json(shown: Shown) -> Mapping[str, object] | None:
    if isinstance(shown, BaseModel):
        return shown.model_dump(mode="json", by_alias=True)
    if shown is None:
        return None
    document = json.loads(json.dumps(shown, default=str))
    assert isinstance(document, dict)
    return document
