"""``/api/v2/audit``: what administrators did and what was refused, to read and to take away."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from trunkpulse.access import Permission
from trunkpulse.access.audit import SERVICE_ACTIONS, START, Outcome
from trunkpulse.adapters.http.api.access import Accesses
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import LARGEST_POSITION, Cursor, Limit, position_of
from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.config.wording import did_you_mean, shown
from trunkpulse.ports import AuditEntry, AuditLog

__all__ = ["exported_line", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/audit", tags=["access"])

READS = ("get_", "list_")
"""How operations begin that are recorded only if they are refused: rarely what is meant."""
UNKNOWN = "unknown"
"""An act that no route is for."""
LOOKS = 10_000
"""Entries that one request looks at, at most."""
READ_AT_ONCE = 200
PARSED_AT_ONCE = 256 * 1024
"""Characters: a step of some milliseconds on the event loop."""


class ActorOut(Out):
    """Who did it."""

    kind: str = Field(
        description="user, client, machine (a command on the machine itself), service (this "
        "process; with the id provider: what people sign in by), or nobody: who asked had not "
        "proved who they are."
    )
    id: str
    name: str
    claimed: str | None = Field(description="Who they said to be, without having proved it.")


class ObjectOut(Out):
    """What it was about."""

    kind: str
    id: str | None


class ChangeOut(Out):
    """One object before and after; null: there was none, or is none any more."""

    kind: str
    id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class AuditOut(Out):
    """One act, or one refusal."""

    position: int = Field(description="From 1 without a gap.")
    at: int = Field(description="Milliseconds since the epoch.")
    action: str = Field(description="The operation, as this description names it, or service.…")
    actor: ActorOut
    outcome: Outcome
    address: str | None = Field(description="Where it came from.")
    method: str | None
    path: str | None = Field(description="Without the query.")
    status: int | None = Field(description="Of the answer.")
    object: ObjectOut | None
    changes: list[ChangeOut]
    more_changes: int = Field(description="Changes that are only counted.")
    count: int = Field(description="How many requests this stands for: floods are counted.")
    details: dict[str, Any]
    digest: str = Field(description="SHA-256 over the digest before and the record.")


class SealedOut(Out):
    """Where the chain ended when that was sealed last, a second ago or before."""

    position: int | None = Field(description="None if what was sealed cannot be read.")
    digest: str | None
    problem: str | None = Field(
        description="What was wrong with the audit when the service started; null: nothing."
    )


class HeadOut(Out):
    """Where the chain ends: to be written down elsewhere."""

    position: int
    digest: str
    waiting: int = Field(description="Entries that wait for the database in memory.")
    sealed: SealedOut = Field(
        description="The entry that has to be in the chain, whatever the database holds now."
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which entries are asked for."""

    actor: str | None
    action: str | None
    object: str | None
    outcome: Outcome | None
    from_ms: int | None
    to_ms: int | None

    def takes(self, entry: AuditEntry, record: dict[str, Any]) -> bool:
        who = record["actor"]
        return (
            (self.from_ms is None or entry.at_ms >= self.from_ms)
            and (self.to_ms is None or entry.at_ms < self.to_ms)
            and (self.outcome is None or record["outcome"] == self.outcome)
            and (self.action is None or record["action"] == self.action)
            and (self.actor is None or self.actor in (who["id"], who["name"], who["kind"]))
            and (self.object is None or self._is_about(record))
        )

    def _is_about(self, record: dict[str, Any]) -> bool:
        about = record["object"]
        return any(
            self.object in (each["id"], f"{each['kind']}/{each['id']}")
            for each in chain([about] if about else [], record.get("changes", []))
        )


def _check_action(request: Request, action: str) -> None:
    """Raise a 422 Problem if nothing is ever recorded as ``action``."""
    known = {*request.app.state.operations, *SERVICE_ACTIONS, UNKNOWN}
    if action not in known:
        acts = {each for each in known if not each.startswith(READS)}
        near = did_you_mean(action, acts) or did_you_mean(action, known)
        hint = f"did you mean {near}?" if near else "how-to/audit.md lists the acts there are."
        raise invalid("query.action", f"action {shown(action)} is never recorded; {hint}")


async def _wanted(
    request: Request,
    *,
    actor: Annotated[
        str | None, Query(max_length=512, description="An actor's id, name or kind.")
    ] = None,
    action: Annotated[
        str | None, Query(max_length=512, description="An operation, such as disable_trunk.")
    ] = None,
    about: Annotated[
        str | None,
        Query(alias="object", max_length=512, description="An object's id, or its kind/id."),
    ] = None,
    outcome: Annotated[Outcome | None, Query()] = None,
    from_ms: Annotated[
        int | None, Query(alias="from", ge=0, le=2**53 - 1, description="At this moment or later.")
    ] = None,
    to_ms: Annotated[
        int | None, Query(alias="to", ge=0, le=2**53 - 1, description="Before this moment.")
    ] = None,
) -> _Wanted:
    if action is not None:
        _check_action(request, action)
    return _Wanted(actor, action, about, outcome, from_ms, to_ms)


@router.get("", dependencies=[requires(Permission.AUDIT_VIEW)])
async def list_audit(
    access: Accesses,
    wanted: Annotated[_Wanted, Depends(_wanted)],
    *,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[AuditOut]:
    """The acts, newest first.

    A request looks at 10,000 entries: a page may hold fewer than asked for, none even, and
    nextCursor then says where to go on.
    """
    before = None if cursor is None else position_of(cursor, field="query.cursor")
    found: list[AuditOut] = []
    parsed = 0
    for _ in range(LOOKS // READ_AT_ONCE):
        page = await access.audit.read_audit(before=before, limit=READ_AT_ONCE, newest_first=True)
        for entry in page:
            record = json.loads(entry.record)
            if wanted.takes(entry, record):
                if len(found) == limit:
                    return Entities(entities=found, next_cursor=str(before))
                found.append(_shown(entry, record))
            before = entry.position
            parsed += len(entry.record)
            if parsed >= PARSED_AT_ONCE:
                parsed = 0
                await asyncio.sleep(0)
        if len(page) < READ_AT_ONCE:
            return Entities(entities=found, next_cursor=None)
        await asyncio.sleep(0)
    return Entities(entities=found, next_cursor=str(before))


@router.get("/head", dependencies=[requires(Permission.AUDIT_VIEW)])
async def audit_head(access: Accesses) -> HeadOut:
    """The newest entry's position and digest; of an empty audit 0 and zeros."""
    last = await access.audit.last_audit_entry()
    position, digest = (last.position, last.digest) if last else (START.position, START.digest)
    known = access.sealed.head
    return HeadOut(
        position=position,
        digest=digest,
        waiting=access.ledger.waiting,
        sealed=SealedOut(
            position=None if known is None else known.position,
            digest=None if known is None else known.digest,
            problem=access.sealed.problem,
        ),
    )


@router.get(
    "/export",
    dependencies=[requires(Permission.AUDIT_VIEW)],
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "A JSON object a line, oldest first: position, at, previous, digest, "
            "and the record as the text that the digest was made of.",
            "content": {"application/jsonl": {"schema": {"type": "string"}}},
        }
    },
)
async def export_audit(
    access: Accesses,
    after: Annotated[
        int, Query(ge=0, le=LARGEST_POSITION, description="Entries behind this position.")
    ] = 0,
) -> StreamingResponse:
    """The chain as it is, to be kept elsewhere and verified there."""
    first = await access.audit.read_audit(after=after, limit=READ_AT_ONCE)
    return StreamingResponse(_lines(access.audit, first), media_type="application/jsonl")


async def _lines(log: AuditLog, page: list[AuditEntry]) -> AsyncIterator[str]:
    while page:
        yield "".join(map(exported_line, page))
        page = await log.read_audit(after=page[-1].position, limit=READ_AT_ONCE)


def exported_line(entry: AuditEntry) -> str:
    """An entry as a line of its own, all ASCII."""
    members = {
        "position": entry.position,
        "at": entry.at_ms,
        "record": entry.record,
        "previous": entry.previous,
        "digest": entry.digest,
    }
    return json.dumps(members, separators=(",", ":")) + "\n"


def _shown(entry: AuditEntry, record: dict[str, Any]) -> AuditOut:
    return AuditOut.model_validate(
        {
            "changes": [],
            "moreChanges": 0,
            "details": {},
            **record,
            "position": entry.position,
            "digest": entry.digest,
        }
    )
