"""``/api/v2/advice``: what to reconsider, from the configuration and from what probes have seen.

What was accepted for good is not among it, unless one asks for that. Acceptances are named in
bodies, not in paths: they hold blanks, quotes, and names of files with their slashes, which proxies
on the way treat in ways of their own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.context import ApiContext, Context
from trunkpulse.adapters.http.api.findings import Findings
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, position_of
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.config.advice import Advice
from trunkpulse.config.advice.accepting import accepted_id
from trunkpulse.provisioning.advice import Acceptance
from trunkpulse.provisioning.refusals import Refused

__all__ = ["router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/advice", tags=["advice"])


class AdviceOut(Out):
    """One thing to reconsider."""

    id: str = Field(description="Its code and where: what it is accepted by.")
    code: str
    severity: Literal["warning", "info"]
    where: str
    why: str = Field(description="What is so, and what comes of it.")
    fix: str = Field(description="What to do about it.")
    message: str = Field(description="Why and fix as one sentence.")
    accepted: bool = Field(description="Whether it was accepted, alone or with all of its code.")


class AcceptIn(BaseModel):
    """What is to be accepted, or to be given again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"id": 'interval_short trunk "carrier-a"'}]},
    )

    id: str = Field(
        min_length=1,
        max_length=1024,
        description="The id of one piece of advice, or a code: all advice of that kind.",
    )


class AcceptanceOut(Out):
    """What was accepted for good."""

    id: str = Field(description="The id of one piece of advice, or a code.")
    accepted_at: int | None = Field(
        description="Milliseconds since the epoch; null: the file says it."
    )
    managed_by: str | None = Field(description="The file that says it; read-only here then.")
    hides: int = Field(description="How many pieces of present advice it is about.")


async def _findings(request: Request) -> Findings:
    findings = request.app.state.findings
    assert isinstance(findings, Findings)
    return findings


Looking = Annotated[Findings, Depends(_findings)]


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)])
async def list_advice(
    context: Context,
    findings: Looking,
    reach: InReach,
    *,
    accepted: Annotated[
        bool, Query(description="True: what was accepted, instead of what was not.")
    ] = False,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[AdviceOut]:
    """What the probes have seen first, then what the configuration shows.

    Whoever is limited to some regions or carriers gets what is about a single trunk of theirs.
    """
    start = 0 if cursor is None else position_of(cursor, field="query.cursor")
    found = [
        each
        for each in await _all(context, findings)
        if context.accepted.has(each) is accepted
        and (reach.limits is None or _is_about_one(each, reach))
    ]
    return Entities(
        entities=[_out(each, accepted=accepted) for each in found[start : start + limit]],
        next_cursor=str(start + limit) if start + limit < len(found) else None,
    )


@router.get("/accepted", dependencies=[requires(Permission.TRUNK_VIEW)])
async def list_accepted_advice(
    context: Context, findings: Looking, *, limit: Limit = 100, cursor: Cursor = None
) -> Entities[AcceptanceOut]:
    """What was accepted for good, also if nothing is the matter with it now."""
    start = 0 if cursor is None else position_of(cursor, field="query.cursor")
    accepted = context.accepted.all()
    hidden = _counted(await _all(context, findings))
    return Entities(
        entities=[_acceptance_out(each, hidden) for each in accepted[start : start + limit]],
        next_cursor=str(start + limit) if start + limit < len(accepted) else None,
    )


@router.post("/accept", dependencies=[requires(Permission.TRUNK_EDIT), once()])
async def accept_advice(
    context: Context, findings: Looking, request: Request, given: AcceptIn
) -> AcceptanceOut:
    """Accept advice for good: it is given no more, anywhere; safe to repeat."""
    try:
        wanted = accepted_id(given.id)
    except ValueError as problem:
        raise invalid("body.id", f"body.id {problem}.") from None
    try:
        acceptance, is_new = await context.accepted.accept(wanted)
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    shown = _acceptance_out(acceptance, _counted(await _all(context, findings)))
    note_change(request, "advice", wanted, before=None if is_new else shown, after=shown)
    return shown


@router.post("/unaccept", dependencies=[requires(Permission.TRUNK_EDIT), once()])
async def unaccept_advice(
    context: Context, findings: Looking, request: Request, given: AcceptIn
) -> AcceptanceOut:
    """Have advice that was accepted given again; what it was is answered."""
    try:
        acceptance = await context.accepted.take_back(given.id)
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, shortened(str(refused))) from None
    shown = _acceptance_out(acceptance, _counted(await _all(context, findings)))
    note_change(request, "advice", given.id, before=shown, after=None)
    return shown


async def _all(context: ApiContext, findings: Findings) -> list[Advice]:
    """Everything, accepted or not."""
    return [
        *_of_refusals(context),
        *_of_names(context),
        *await findings.told(context),
        *await context.advice(),
    ]


def _out(advice: Advice, *, accepted: bool) -> AdviceOut:
    return AdviceOut(
        id=advice.id,
        code=advice.code,
        severity=advice.severity,
        where=advice.where,
        why=advice.why,
        fix=advice.fix,
        message=advice.message,
        accepted=accepted,
    )


def _acceptance_out(acceptance: Acceptance, hidden: Mapping[str, int]) -> AcceptanceOut:
    return AcceptanceOut(
        id=acceptance.id,
        accepted_at=acceptance.accepted_ms,
        managed_by=acceptance.managed_by,
        hides=hidden.get(acceptance.id, 0),
    )


def _counted(found: Sequence[Advice]) -> Mapping[str, int]:
    """How many pieces of advice there are by each id and by each code."""
    return Counter(name for each in found for name in (each.id, each.code))


def _is_about_one(advice: Advice, reach: Reach) -> bool:
    """True if it is about one trunk, within reach; what names several may name others."""
    kind, _, name = advice.where.partition(" ")
    return kind == "trunk" and reach.has(name.strip('"'))


def _of_refusals(context: ApiContext) -> Iterator[Advice]:
    for problem in context.refused():
        yield Advice(
            "configuration_refused",
            "warning",
            "configuration",
            "the configuration on disk was refused and the one before goes on:"
            f" {problem.removesuffix('.')}",
            "correct the file and have it read again",
        )


def _of_names(context: ApiContext) -> Iterator[Advice]:
    for uri, trouble in context.roster.locator.troubles().items():
        if trouble.has_answer:
            kept, fix = "what was last known of it stays in use", "mend the DNS before it changes"
        else:
            kept = "nothing was ever known of it, so its trunks cannot be probed"
            fix = "check the name"
        why = f"{uri} cannot be looked up ({trouble.problem}), and {kept}"
        yield Advice("name_not_found", "warning", uri, why, fix)
