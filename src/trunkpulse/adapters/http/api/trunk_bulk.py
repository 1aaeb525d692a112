"""All trunks of the API at once: out as a table or as JSON, and in again.

An export is written as it is read from the trunks, page by page, so it takes no memory to speak
of. Secrets are not in it: it says where there are some. An import that comes back from there
leaves those as they are.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator
from enum import StrEnum
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field
from starlette.responses import StreamingResponse

from trunkpulse.access import Limits, Permission
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.auditing import (
    MOST_CHANGES,
    note_change,
    note_details,
    note_revisions,
)
from trunkpulse.adapters.http.api.context import ApiContext, Context, Index
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.one_import import one_import
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.shelf import Wanted
from trunkpulse.adapters.http.api.trunk_changes import Within, applied
from trunkpulse.adapters.http.api.trunk_csv import csv_line, csv_rows, heading
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.http.api.trunk_json import json_rows
from trunkpulse.adapters.http.api.trunks import Label
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.config.trunk_documents import document_of
from trunkpulse.model import Direction, TrunkState
from trunkpulse.provisioning.importing import (
    Import,
    Imported,
    ImportMode,
    ImportRefused,
    Row,
    RowProblem,
)

__all__ = ["IMPORT_PATH", "LARGEST_IMPORT_BYTES", "router"]

PATH = "/api/v2/telephony/trunks"
IMPORT_PATH = f"{PATH}/import"
LARGEST_IMPORT_BYTES = 64 << 20
PER_PAGE = 200

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["trunks"])


class ExportFormat(StrEnum):
    """How trunks are written down."""

    CSV = "csv"
    JSON = "json"


class ImportOut(Out):
    """What an import came to, or would come to."""

    created: int
    changed: int
    unchanged: int = Field(description="They are like that already.")
    dry_run: bool = Field(description="True: nothing was done.")


@router.get(
    "/export",
    dependencies=[requires(Permission.TRUNK_VIEW, within_limits=True)],
    response_class=StreamingResponse,
    responses={
        HTTPStatus.OK.value: {
            "description": "The trunks, by id.",
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/json": {"schema": {"type": "object"}},
            },
        }
    },
)
async def export_trunks(
    context: Context,
    caller: Caller,
    index: Index,
    *,
    form: Annotated[
        ExportFormat, Query(alias="format", description="A table, or what a list would hold.")
    ] = ExportFormat.JSON,
    state: Annotated[TrunkState | None, Query(description="In this state now.")] = None,
    carrier: Label = None,
    region: Label = None,
    direction: Annotated[Direction | None, Query(description="Exactly this.")] = None,
    q: Annotated[
        str | None, Query(max_length=256, description="Part of the id or name, in any case.")
    ] = None,
) -> StreamingResponse:
    """The trunks that were made through the API, as an import takes them."""
    wanted = Wanted(
        state=state,
        carrier=carrier,
        region=region,
        direction=direction,
        part=q.casefold() if q else None,
    )
    documents = _documents(context, index, wanted, caller.limits)
    is_table = form is ExportFormat.CSV
    return StreamingResponse(
        _table(documents) if is_table else _list(documents),
        media_type="text/csv; charset=utf-8" if is_table else "application/json",
        headers={"content-disposition": f'attachment; filename="trunks.{form.value}"'},
    )


@router.post(
    "/import",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), one_import(), once()],
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "What an export gives; at most 100,000 trunks and 64 MiB.",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {"entities": {"type": "array", "items": {"type": "object"}}},
                        "required": ["entities"],
                    }
                },
                "text/csv": {"schema": {"type": "string"}},
            },
        }
    },
)
async def import_trunks(
    context: Context,
    caller: Caller,
    request: Request,
    *,
    mode: Annotated[
        ImportMode, Query(description="create: none may be there; upsert: those are replaced.")
    ] = ImportMode.CREATE,
    dry_run: Annotated[
        bool, Query(alias="dryRun", description="Only say what would come of it.")
    ] = False,
) -> ImportOut:
    """Make or replace many trunks: all of them, or none and every reason why not."""
    note_details(request, mode=mode.value, dryRun=dry_run)
    read = csv_rows if _is_table(request) else json_rows
    rows = _licensed(context, read(_text(await request.body())))
    done = Import(context.trunks, Within(caller.limits, context.region), mode)
    try:
        found = await applied("", done.run(rows, dry_run=dry_run, noted=MOST_CHANGES))
    except ImportRefused as refused:
        raise _refusal(refused) from None
    note_details(request, created=found.created, changed=found.changed, unchanged=found.unchanged)
    if not dry_run:
        _note(request, found)
    return ImportOut(
        created=found.created, changed=found.changed, unchanged=found.unchanged, dry_run=dry_run
    )


async def _documents(
    context: ApiContext, index: TrunkIndex, wanted: Wanted, limits: Limits
) -> AsyncIterator[dict[str, object]]:
    after: str | None = None
    more = True
    while more:
        page, more = await index.page(wanted, after=after, limit=PER_PAGE, turns=context.turns)
        for record in page:
            kept = context.trunks.get(record.trunk.id)
            if kept is not None and limits.cover(
                record.trunk.region or context.region, record.trunk.carrier
            ):
                yield context.trunks.described(kept)
        if page:
            after = page[-1].trunk.id
        await context.turns.give_way()


async def _table(documents: AsyncIterator[dict[str, object]]) -> AsyncIterator[bytes]:
    async for part in _in_parts(documents, csv_line, b"", begin=heading()):
        yield part


async def _list(documents: AsyncIterator[dict[str, object]]) -> AsyncIterator[bytes]:
    def written(document: dict[str, object]) -> bytes:
        return json.dumps(document).encode()

    async for part in _in_parts(documents, written, b",\n", begin=b'{"entities": [\n'):
        yield part
    yield b'\n], "nextCursor": null}\n'


async def _in_parts(
    documents: AsyncIterator[dict[str, object]],
    written: Callable[[dict[str, object]], bytes],
    between: bytes,
    *,
    begin: bytes,
) -> AsyncIterator[bytes]:
    """What is ``written`` of each, so many together: a message for each would take longer."""
    part = [begin]
    first = True
    async for document in documents:
        part.append(written(document) if first else between + written(document))
        first = False
        if len(part) >= PER_PAGE:
            yield b"".join(part)
            part.clear()
    yield b"".join(part)


def _is_table(request: Request) -> bool:
    media_type = request.headers.get("content-type", "").partition(";")[0]
    return media_type.strip().lower() == "text/csv"


def _text(body: bytes) -> str:
    """UTF-8, with or without a byte order mark; raises a 422 Problem."""
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        sentence = f"Line {line} is not UTF-8; save the file in that encoding."
        raise _refusal(ImportRefused([RowProblem(line, "", sentence)], 1)) from None


def _licensed(context: ApiContext, rows: Iterator[Row]) -> Iterator[Row]:
    """``rows``; what the licence does not cover is a problem of its row."""
    if context.licensing.covers(Entitlement.ADVANCED):
        return rows

    def checked() -> Iterator[Row]:
        for row in rows:
            if row.document.get("advanced") and not row.problems:
                try:
                    refuse_unlicensed(context.licensing, Entitlement.ADVANCED, ["advanced"])
                except Problem as problem:
                    yield row._replace(problems=(("advanced", problem.detail),))
                    continue
            yield row

    return checked()


def _note(request: Request, found: Imported) -> None:
    for before, after in found.changes:
        shown = None if before is None else document_of(before.made)
        note_change(request, "trunk", after.id, before=shown, after=document_of(after.made))
    note_revisions(request, "trunk", found.others)


def _refusal(refused: ImportRefused) -> Problem:
    """A 422 that names line and column of each problem."""
    errors = [
        {
            "field": shortened(f"body.{each.member}" if each.member else "body"),
            "line": each.line,
            "detail": shortened(f"Line {each.line}: {each.sentence}"),
        }
        for each in refused.problems
    ]
    first = errors[0]["detail"]
    if refused.total == 1:
        detail = f"Nothing was imported. {first}"
    else:
        detail = f"Nothing was imported, for {refused.total:,} reasons, the first of them: {first}"
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        shortened(detail),
        members={"errors": errors, "total": refused.total},
    )
