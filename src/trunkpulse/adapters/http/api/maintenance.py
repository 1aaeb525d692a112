"""``/api/v2/telephony/maintenance``: when work on trunks is planned, so that nobody is woken."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import (
    IfMatch,
    IfNoneMatch,
    check_match,
    etag_of_value,
    tag,
)
from trunkpulse.adapters.http.api.context import ApiContext, Context, Windows
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.labels import on_labels
from trunkpulse.adapters.http.api.models import Entities, Moment, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit, Part, Sort, Sorting
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.reach import InReach, Reach
from trunkpulse.adapters.http.api.trunk_views import SavedAdviceOut
from trunkpulse.config.maintenance import MaintenanceEntry, WindowInvalid, window_from
from trunkpulse.config.report import Location, Report
from trunkpulse.config.stream_documents import camel_case
from trunkpulse.config.wording import key_path, shown
from trunkpulse.events.maintenance import MaintenanceRefused
from trunkpulse.model import MaintenanceWindow, Repeat, Weekday

__all__ = ["router"]

PATH = "/api/v2/telephony/maintenance"
MOST_NAMES = 1000
"""In one list of a window."""

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["trunks"])

WindowId = Annotated[str, Path(description="A maintenance window's id.")]
Names = Annotated[list[str], Field(max_length=MOST_NAMES)]
ShortText = Annotated[str, Field(max_length=200)]

_EXAMPLES: list[JsonValue] = [
    {
        "id": "acme-move",
        "name": "Acme moves its SBCs",
        "carriers": ["acme"],
        "starts": "2026-12-06T02:00:00+01:00",
        "ends": "2026-12-06T05:00:00+01:00",
    },
    {
        "id": "sunday-patches",
        "regions": ["us-east"],
        "repeat": "weekly",
        "days": ["sunday"],
        "at": "02:00",
        "durationSeconds": 7200,
        "timeZone": "America/New_York",
    },
]


class WindowIn(BaseModel):
    """A window: either ``starts`` and ``ends``, or ``repeat``, ``at`` and ``durationSeconds``."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", json_schema_extra={"examples": _EXAMPLES}
    )

    id: ShortText
    name: ShortText | None = Field(default=None, description="For people; absent: the id.")
    trunks: Names = Field(default_factory=list, description="Ids; empty: every trunk.")
    carriers: Names = Field(default_factory=list, description="Empty: every carrier.")
    regions: Names = Field(default_factory=list, description="Empty: every region.")
    starts: ShortText | None = Field(default=None, description="RFC 3339.")
    ends: ShortText | None = Field(default=None, description="RFC 3339.")
    repeat: Repeat | None = Field(default=None, description="Absent: once.")
    days: list[Weekday] = Field(default_factory=list, max_length=7, description="If weekly.")
    at: ShortText | None = Field(default=None, description='When it begins, as "02:00".')
    duration_seconds: int | None = None
    time_zone: ShortText = Field(
        default="UTC", description="Of `at`, and of moments without an offset."
    )


class WindowOut(Out):
    """A window, and whether it goes on."""

    id: str
    name: str
    trunks: list[str] = Field(description="A trunk has to be in each list that is not empty.")
    carriers: list[str]
    regions: list[str]
    starts: int | None = Moment
    ends: int | None = Moment
    repeat: Repeat | None
    days: list[Weekday]
    at: str | None
    duration_seconds: int | None
    time_zone: str | None
    until: int | None = Field(description="When it ends, if it goes on now.")
    next: int | None = Field(description="When it begins next; null if it never will.")
    managed_by: str | None = Field(description="The file that declares it; null: the API.")


class WindowSavedOut(WindowOut):
    """A window that was planned, with advice."""

    advice: list[SavedAdviceOut]


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)])
async def list_maintenance(
    context: Context,
    windows: Windows,
    reach: InReach,
    *,
    going_on: Annotated[
        bool | None, Query(alias="goingOn", description="Only those that do now, or do not.")
    ] = None,
    q: Part = None,
    sort: Sorting = Sort.ID,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Entities[WindowOut]:
    """The maintenance windows, by id."""
    theirs = await _those_within(context, reach)
    now_ms = context.now_ms()
    part, ongoing = (q or "").casefold(), context.maintenance.ongoing(now_ms)

    def shown(window: MaintenanceWindow) -> bool:
        return (
            window.id in theirs
            and (part in window.id.casefold() or part in window.name.casefold())
            and (going_on is None or (window.id in ongoing) is going_on)
        )

    page, next_cursor = windows.page(cursor, limit, shown, sort)
    entities = [_shown(window, now_ms) for window in page]
    return Entities(entities=entities, next_cursor=next_cursor)


@router.post(
    "",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), once()],
    status_code=HTTPStatus.CREATED,
)
async def create_maintenance(
    request: Request, context: Context, reach: InReach, given: WindowIn, response: Response
) -> WindowSavedOut:
    """Plan maintenance: alerts on these trunks are silent then."""
    window = _window(given, reach)
    if not reach.takes_in(window):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            "The window would also be about trunks of regions or carriers that are not among "
            "yours; name yours in regions or carriers, or trunks of yours.",
        )
    try:
        await context.maintenance.add(window, context.now_ms())
    except MaintenanceRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    response.headers["location"] = f"{PATH}/{quote(window.id)}"
    note_change(request, "maintenance", window.id, None, _shown(window, context.now_ms()))
    advice = await on_labels(
        request,
        f"maintenance {shown(window.id)}",
        carriers=window.carriers,
        regions=window.regions,
        limits=reach.limits,
    )
    return WindowSavedOut(**dict(_tagged(context, window, response)), advice=advice)


@router.get("/{window_id}", dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)])
async def get_maintenance(
    context: Context,
    windows: Windows,
    reach: InReach,
    window_id: WindowId,
    *,
    response: Response,
    if_none_match: IfNoneMatch = None,
) -> WindowOut:
    """One maintenance window."""
    window = windows.get(window_id)
    if window is None or not reach.takes_in(window):
        raise _unknown(window_id)
    return _tagged(context, window, response, if_none_match)


@router.delete(
    "/{window_id}",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_maintenance(
    request: Request,
    context: Context,
    windows: Windows,
    reach: InReach,
    window_id: WindowId,
    *,
    if_match: IfMatch = None,
) -> Response:
    """Call it off, or end it: what is down by now is told."""
    window = windows.get(window_id)
    if window is None or not reach.takes_in(window):
        raise _unknown(window_id)
    before = _shown(window, context.now_ms())

    def permit(window: MaintenanceWindow) -> None:
        if not reach.takes_in(window):  # another of this id may have come meanwhile
            raise _unknown(window_id)
        check_match(if_match, etag_of_value(window))

    try:
        await context.maintenance.remove(window_id, permit)
    except KeyError:
        raise _unknown(window_id) from None
    except MaintenanceRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    note_change(request, "maintenance", window_id, before, None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _those_within(context: ApiContext, reach: Reach) -> frozenset[str]:
    """The ids of windows that are about nothing but trunks within reach."""
    ids: list[str] = []
    for window in context.maintenance.windows:
        if reach.takes_in(window):
            ids.append(window.id)
        await context.turns.give_way()  # each may name a thousand trunks
    return frozenset(ids)


class _Findings(Report):
    """What the file would be told, as a client names things."""

    def __init__(self, document: dict[str, object]) -> None:
        super().__init__("", document, MaintenanceEntry)
        self.found: list[tuple[str, str]] = []

    def add(self, location: Location, predicate: str) -> None:
        path = key_path(tuple(p if isinstance(p, int) else camel_case(p) for p in location))
        in_json = predicate.replace("time_zone", "timeZone")
        self.found.append((f"body.{path}", f"body.{path} {in_json}."))

    def problem(self) -> Problem:
        return Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            " ".join(sentence for _, sentence in self.found),
            members={
                "errors": [{"field": field, "detail": sentence} for field, sentence in self.found]
            },
        )


def _window(given: WindowIn, reach: Reach) -> MaintenanceWindow:
    document = given.model_dump(exclude_none=True)
    findings = _Findings(document)
    try:
        window = window_from(MaintenanceEntry.model_validate(document), None)
    except ValidationError as error:
        findings.add_all(error)
        raise findings.problem() from None
    except WindowInvalid as problem:
        findings.add((problem.key,), str(problem))
        raise findings.problem() from None
    for place, trunk_id in enumerate(window.trunks):
        if not reach.has(trunk_id):
            sentence = f"must be the id of a trunk, but there is no trunk {shown(trunk_id)}"
            findings.add(("trunks", place), sentence)
    if findings.found:
        raise findings.problem()
    return window


def _tagged(
    context: ApiContext,
    window: MaintenanceWindow,
    response: Response,
    if_none_match: str | None = None,
) -> WindowOut:
    """As it is shown, with its entity tag on the answer."""
    shown = _shown(window, context.now_ms())
    tag(response, etag_of_value(window), living=shown, if_none_match=if_none_match)
    return shown


def _shown(window: MaintenanceWindow, now_ms: int) -> WindowOut:
    again = window.recurrence
    return WindowOut(
        id=window.id,
        name=window.name,
        trunks=list(window.trunks),
        carriers=list(window.carriers),
        regions=list(window.regions),
        starts=window.starts_ms,
        ends=window.ends_ms,
        repeat=None if again is None else again.repeat,
        days=[] if again is None else list(again.days),
        at=None if again is None else again.at.isoformat("minutes"),
        duration_seconds=None if again is None else again.duration_seconds,
        time_zone=None if again is None else again.time_zone,
        until=window.until_ms(now_ms),
        next=window.next_ms(now_ms),
        managed_by=window.managed_by,
    )


def _unknown(window_id: str) -> Problem:
    return Problem(
        HTTPStatus.NOT_FOUND, f"There is no maintenance window with the id {window_id[:256]}."
    )
