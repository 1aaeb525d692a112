"""``/api/v2/telephony/switches``: what is told which trunks are alive, and whether it does it."""

from __future__ import annotations

from bisect import bisect_right
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import Field

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.context import ApiContext, Context, Switches
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, Sort, Sorting, cursor_of, id_of
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.config.switches import LastOfGroup, SwitchType
from trunkpulse.switching.report import Line, LinkState, SwitchReport
from trunkpulse.switching.switches import SwitchBusy, SwitchOff, UnknownSwitch

__all__ = ["router"]

PATH = "/api/v2/telephony/switches"
LINES_PER_TURN = 500

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["switches"])

SwitchId = Annotated[str, Path(description="A switch's id.")]


class SwitchOut(Out):
    """A switch, and how it stands."""

    id: str
    type: SwitchType
    url: str
    enabled: bool
    dry_run: bool = Field(description="True: it is read, and nothing is written.")
    trunks: list[str] = Field(description="Those that it is told of; empty: all.")
    groups: list[int] = Field(description="Dispatcher sets that are looked after; empty: all.")
    interval_seconds: float
    when_none_available: LastOfGroup
    connection: LinkState
    problem: str | None = Field(description="Why it cannot be read; null: it can.")
    in_sync: bool = Field(description="True if it was as it should be when last read.")
    last_read: int | None = Field(description="Milliseconds since the epoch.")
    entries: int = Field(description="What there is in it that calls can be sent to.")
    unmatched: int = Field(description="Entries that no trunk leads to; they are left alone.")
    differing: int = Field(description="Entries that are yet to be written.")
    orders: int = Field(description="Entries written since the start.")
    drifts: int = Field(description="Changes of entries behind our back, since the start.")
    failures: int = Field(description="Attempts to read or write that failed, since the start.")


class SwitchEntryOut(Out):
    """One thing in the switch that calls can be sent to."""

    key: str = Field(description="As the switch names it, or a trunk's id.")
    uri: str | None
    group: str | None = Field(description="Its dispatcher set.")
    trunks: list[str] = Field(
        description="Those that decide about it, the first 20; empty: none does."
    )
    wanted: bool | None = Field(description="Whether it should be up; null: not known.")
    has: bool | None = Field(description="Whether it is; null: the switch does not say.")
    held: bool = Field(description="True: somebody took it out by hand; it is left alone.")
    kept: bool = Field(description="True: up as the last one of its group.")
    drifts: int = Field(description="How often it changed behind our back.")
    drifted_at: int | None = Field(description="When it last had; milliseconds since the epoch.")
    problem: str | None = Field(description="Why it could not be written.")
    unproven: bool = Field(
        description="True: how it should be is known only from before the start of the service, "
        "so it is left as it is until a probe says the same or something else."
    )


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW)])
async def list_switches(
    context: Context,
    switches: Switches,
    *,
    sort: Sorting = Sort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[SwitchOut]:
    """The switches of the configuration, by id."""
    page, next_cursor = switches.page(cursor, limit, sort=sort)
    entities = [_shown(context.switches.report(each.id)) for each in page]
    return Entities(entities=entities, next_cursor=next_cursor)


@router.get("/{switch_id}", dependencies=[requires(Permission.TRUNK_VIEW)])
async def get_switch(context: Context, switch_id: SwitchId) -> SwitchOut:
    """One switch."""
    return _shown(_report(context, switch_id))


@router.get("/{switch_id}/entries", dependencies=[requires(Permission.TRUNK_VIEW)])
async def list_switch_entries(
    context: Context,
    switch_id: SwitchId,
    *,
    matched: Annotated[
        bool | None, Query(description="Only those that a trunk leads to, or only the others.")
    ] = None,
    differing: Annotated[
        bool | None, Query(description="Only those that are yet to be written, or only the others.")
    ] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[SwitchEntryOut]:
    """What there was in the switch when it was last read, by key."""
    _report(context, switch_id)
    lines = sorted(context.switches.lines(switch_id), key=_key)
    after = None if cursor is None else id_of(cursor)
    start = 0 if after is None else bisect_right(lines, after, key=_key)
    page: list[Line] = []
    for number, line in enumerate(lines[start:], 1):
        if number % LINES_PER_TURN == 0:
            await context.turns.give_way()
        if (matched is None or bool(line.trunks) is matched) and (
            differing is None or line.differs is differing
        ):
            page.append(line)
        if len(page) > limit:
            break
    more = len(page) > limit
    del page[limit:]
    return Entities(
        entities=list(map(_entry, page)), next_cursor=cursor_of(page[-1].key) if more else None
    )


@router.post("/{switch_id}/sync", dependencies=[requires(Permission.TRUNK_EDIT), once()])
async def sync_switch(request: Request, context: Context, switch_id: SwitchId) -> SwitchOut:
    """Read the switch now and put it right, also while it is being left alone after a failure."""
    before = _shown(_report(context, switch_id))
    try:
        after = _shown(await context.switches.sync(switch_id))
    except UnknownSwitch:
        raise _unknown(switch_id) from None
    except SwitchOff as problem:
        raise Problem(HTTPStatus.CONFLICT, str(problem)) from None
    except SwitchBusy as problem:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(problem)) from None
    note_change(request, "switch", switch_id, before, after)
    return after


def _key(line: Line) -> str:
    return line.key


def _report(context: ApiContext, switch_id: str) -> SwitchReport:
    try:
        return context.switches.report(switch_id)
    except UnknownSwitch:
        raise _unknown(switch_id) from None


def _unknown(switch_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no switch with the id {switch_id[:256]}.")


def _shown(report: SwitchReport) -> SwitchOut:
    settings = report.settings
    return SwitchOut(
        id=settings.id,
        type=settings.type,
        url=str(settings.url),
        enabled=settings.enabled,
        dry_run=settings.dry_run,
        trunks=list(settings.trunks),
        groups=list(settings.groups),
        interval_seconds=settings.interval_seconds,
        when_none_available=settings.when_none_available,
        connection=report.link,
        problem=report.problem,
        in_sync=report.in_sync,
        last_read=report.read_ms,
        entries=report.entries,
        unmatched=report.unmatched,
        differing=report.differing,
        orders=report.orders,
        drifts=report.drifts,
        failures=report.failures,
    )


def _entry(line: Line) -> SwitchEntryOut:
    return SwitchEntryOut(
        key=line.key,
        uri=line.uri,
        group=line.group,
        trunks=list(line.trunks),
        wanted=line.wanted,
        has=line.has,
        held=line.held,
        kept=line.kept,
        drifts=line.drifts,
        drifted_at=line.drifted_ms,
        problem=line.problem,
        unproven=line.unproven,
    )
