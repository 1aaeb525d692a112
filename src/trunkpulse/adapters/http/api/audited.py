"""Records every request that may have changed something, and every refused one, before it is told.

An ASGI layer around all routes, so no route can forget it. The answer to what was done waits until
its record is durable; while the database is away it waits in memory instead (``Ledger``). What was
refused, or was asked in vain by nobody in particular, is recorded without anybody waiting for it,
and counted where it comes in floods.

Who asked is known by the gate, what changed by the route (``auditing``). A request by POST that
only asks something takes a permission to view, and is no act. Nor is what machines say every few
seconds and is soon forgotten (``ROUTINE``).

What changed many objects has an entry for every few of them, so each object can be looked for,
and no entry is long.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trunkpulse.access import Permission, Principal
from trunkpulse.access.audit import Act, Actor, ObjectChange, Outcome
from trunkpulse.adapters.http.api.admission import declarations_of
from trunkpulse.adapters.http.api.auditing import NOTES, Change, Noted, Revised, Shown, noted
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import client_address
from trunkpulse.admission.ledger import Ledger

__all__ = ["Audited", "only_while_recordable", "record_apart", "refuse_unless_recordable"]

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
ROUTINE = frozenset({"report_activity"})
"""Operations that are no acts of anybody."""
REFUSED = frozenset(
    {
        HTTPStatus.UNAUTHORIZED.value,
        HTTPStatus.FORBIDDEN.value,
        HTTPStatus.TOO_MANY_REQUESTS.value,
    }
)
RETRY_SECONDS = "5"
CHANGES_PER_ENTRY = 20
"""With before and after."""
REVISIONS_PER_ENTRY = 250


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
                for act in _parts(_act(scope, notes, status), notes):
                    self._ledger.note(act)

    async def _record(self, scope: Scope, notes: Noted, status: int) -> None:
        is_refused = status in REFUSED
        noted = notes.changes or notes.actor  # a login that comes back by GET, for one
        if not (is_refused or noted or _is_act(scope)):
            return
        act = _act(scope, notes, status)
        in_vain = act.actor.kind == "nobody" and status >= HTTPStatus.BAD_REQUEST
        if is_refused or in_vain:
            self._ledger.note_refusal(act)
            return
        parts = _parts(act, notes)
        try:
            for part in parts:
                await self._ledger.record(part)
        finally:
            for part in parts:  # nobody waits any more
                self._ledger.note(part)


async def record_apart(request: Request, actor: Actor, change: Change) -> None:
    """Record what ``request`` had ``actor`` do as an act of its own, at once.

    For what stays done whatever becomes of the request, and is not by whoever sent it.
    """
    route = request.scope.get("route")
    await _ledger_of(request).record(
        Act(
            action=route.name if isinstance(route, APIRoute) else "unknown",
            actor=replace(actor, claimed=noted(request).claim),
            outcome=Outcome.DONE,
            address=client_address(request),
            method=request.method,
            path=request.url.path,
            kind=change.kind,
            id=change.id,
            changes=(_object_change(change),),
        )
    )


async def only_while_recordable(request: Request) -> None:
    """For every router: nothing is changed that cannot be recorded any more."""
    if _is_act(request.scope):
        refuse_unless_recordable(_ledger_of(request))


def refuse_unless_recordable(ledger: Ledger) -> None:
    """Raises a 503 Problem if there is no room in ``ledger`` for one more act."""
    if ledger.full:
        raise Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Nothing can be changed now: the database has been away for so long that there is no "
            "more room to record it; try again when the database is back.",
            headers={"retry-after": RETRY_SECONDS},
        )


def _ledger_of(request: Request) -> Ledger:
    ledger = request.app.state.access.ledger
    assert isinstance(ledger, Ledger)
    return ledger


def _is_act(scope: Scope) -> bool:
    """True if the request may change something."""
    if scope["method"] in SAFE_METHODS:
        return False
    route = scope.get("route")
    if not isinstance(route, APIRoute):
        return True
    declared = declarations_of(route)
    return route.name not in ROUTINE and (not declared or not TO_VIEW.issuperset(declared))


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
        details=notes.details,
    )


def _parts(act: Act, notes: Noted) -> Iterator[Act]:
    """``act`` with what changed, in as many entries as that takes."""
    status = act.status or 0
    if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
        yield act  # nothing did
        return
    kind, revised = notes.revised
    shown = range(0, max(len(notes.changes), 1), CHANGES_PER_ENTRY)
    others = range(0, len(revised), REVISIONS_PER_ENTRY)
    parts = len(shown) + len(others)

    def changes() -> Iterator[tuple[ObjectChange, ...]]:
        for first in shown:
            yield tuple(map(_object_change, notes.changes[first : first + CHANGES_PER_ENTRY]))
        for first in others:
            some = revised[first : first + REVISIONS_PER_ENTRY]
            yield tuple(_revision(kind, each) for each in some)

    for number, some in enumerate(changes(), 1):
        yield replace(
            act,
            kind=some[0].kind if some else act.kind,
            id=some[0].id if some else act.id,
            changes=some,
            more_changes=notes.more if number == parts else 0,
            details=act.details if parts == 1 else {**act.details, "part": number, "parts": parts},
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


def _object_change(change: Change) -> ObjectChange:
    return ObjectChange(change.kind, change.id, _json(change.before), _json(change.after))


def _revision(kind: str, revised: Revised) -> ObjectChange:
    now = revised.revision
    before = {"revision": now - 1} if now > 1 else None
    return ObjectChange(kind, revised.id, before, {"revision": now})


def _json(shown: Shown) -> Mapping[str, object] | None:
    if isinstance(shown, BaseModel):
        return shown.model_dump(mode="json", by_alias=True)
    if shown is None:
        return None
    document = json.loads(json.dumps(shown, default=str))
    assert isinstance(document, dict)
    return document
