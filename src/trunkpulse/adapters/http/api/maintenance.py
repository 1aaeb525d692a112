"""``/api/v2/telephony/maintenance``: when work on trunks is planned, so that nobody is woken."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path
from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import requires
from trunkpulse.adapters.http.api.context import ApiContext, Context, Windows
from trunkpulse.adapters.http.api.models import Entities, Moment, Out
from trunkpulse.adapters.http.api.paging import Cursor, Limit
from trunkpulse.adapters.http.api.problems import Problem
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

router = APIRouter(prefix=PATH, tags=["trunks"])

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


@router.get("", dependencies=[requires(Permission.TRUNK_VIEW)])
async def list_maintenance(
    context: Context, windows: Windows, *, limit: Limit = 100, cursor: Cursor = None
) -> Entities[WindowOut]:
    """The maintenance windows, by id."""
    page, next_cursor = windows.page(cursor, limit)
    now_ms = context.now_ms()
    entities = [_shown(window, now_ms) for window in page]
    return Entities(entities=entities, next_cursor=next_cursor)


@router.post("", dependencies=[requires(Permission.TRUNK_EDIT)], status_code=HTTPStatus.CREATED)
async def create_maintenance(context: Context, given: WindowIn, response: Response) -> WindowOut:
    """Plan maintenance: alerts on these trunks are silent then."""
    window = _window(context, given)
    try:
        await context.maintenance.add(window, context.now_ms())
    except MaintenanceRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    response.headers["location"] = f"{PATH}/{quote(window.id)}"
    return _shown(window, context.now_ms())


@router.get("/{window_id}", dependencies=[requires(Permission.TRUNK_VIEW)])
async def get_maintenance(context: Context, windows: Windows, window_id: WindowId) -> WindowOut:
    """One maintenance window."""
    window = windows.get(window_id)
    if window is None:
        raise _unknown(window_id)
    return _shown(window, context.now_ms())


@router.delete(
    "/{window_id}",
    dependencies=[requires(Permission.TRUNK_EDIT)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_maintenance(context: Context, window_id: WindowId) -> Response:
    """Call it off, or end it: what is down by now is told."""
    try:
        await context.maintenance.remove(window_id)
    except KeyError:
        raise _unknown(window_id) from None
    except MaintenanceRefused as refused:
        raise Problem(HTTPStatus.CONFLICT, str(refused)) from None
    return Response(status_code=HTTPStatus.NO_CONTENT)


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


def _window(context: ApiContext, given: WindowIn) -> MaintenanceWindow:
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
        if trunk_id not in context.roster.records():
            sentence = f"must be the id of a trunk, but there is no trunk {shown(trunk_id)}"
            findings.add(("trunks", place), sentence)
    if findings.found:
        raise findings.problem()
    return window


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
