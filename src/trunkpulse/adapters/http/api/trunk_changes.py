"""Trunks that are made, changed and deleted through the API, one at a time.

What the configuration file declares is shown alike, and changes with the file alone.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, TypeVar
from urllib.parse import quote

from fastapi import APIRouter, Body, Request
from pydantic import Field, WithJsonSchema
from starlette.responses import Response

from trunkpulse.access import Limits, Permission
from trunkpulse.access.licence import Entitlement
from trunkpulse.adapters.http.api.admission import AdmittedRoute, Caller, requires
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import IfMatch, check_match, etag_of
from trunkpulse.adapters.http.api.context import ApiContext, Context, Routes
from trunkpulse.adapters.http.api.idempotency import once
from trunkpulse.adapters.http.api.licence import refuse_unlicensed
from trunkpulse.adapters.http.api.models import TrunkOut
from trunkpulse.adapters.http.api.problems import Problem, invalid
from trunkpulse.adapters.http.api.reach import InReach
from trunkpulse.adapters.http.api.stream_schema import document_schema
from trunkpulse.adapters.http.api.trunk_views import TrunkSavedOut, saved
from trunkpulse.adapters.http.api.trunks import TrunkId, administer, until_recorded
from trunkpulse.adapters.http.api.views import trunk_out
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.adapters.keyring import KeysUnusable
from trunkpulse.config.schema import TrunkEntry
from trunkpulse.config.trunk_documents import DocumentRefused, document_of
from trunkpulse.model import Trunk
from trunkpulse.ports import SecretUnreadable
from trunkpulse.provisioning.keeping import KeptTrunk
from trunkpulse.provisioning.refusals import BeyondLimits, InUse, OutOfReach, Refused
from trunkpulse.roster import UnknownTrunk

__all__ = ["Within", "applied", "refusal", "router"]

PATH = "/api/v2/telephony/trunks"

router = APIRouter(route_class=AdmittedRoute, prefix=PATH, tags=["trunks"])

ResultT = TypeVar("ResultT")
Document = dict[str, object]

_EXAMPLE: Document = {
    "id": "carrier-c",
    "name": "Third carrier",
    "carrier": "acme",
    "targets": ["sip:192.0.2.10:5060"],
    "keepalive": {"intervalSeconds": 20},
}
NewTrunk = Annotated[
    Document,
    Body(
        description="The keys of [[trunks]] in the file, in camelCase; a password stands there as "
        "it is. Only id and targets are required."
    ),
    Field(max_length=64),
    WithJsonSchema(document_schema(TrunkEntry, required=True, example=_EXAMPLE)),
]
TrunkPatch = Annotated[
    Document,
    Body(
        description="A JSON Merge Patch (RFC 7396): what it does not name stays, null takes away "
        "what was said, so that it is inherited again."
    ),
    Field(max_length=64),
    WithJsonSchema(
        document_schema(TrunkEntry, required=False, example={"keepalive": {"intervalSeconds": 30}})
    ),
]


@dataclass(frozen=True, slots=True)
class Within:
    """Whoever asks keeps to their limits, and to the trunk that they have read."""

    limits: Limits
    own_region: str
    if_match: str | None = None

    def found(self, trunk: Trunk, kept: KeptTrunk | None) -> None:
        """Raises OutOfReach, or a 412 Problem."""
        if not self._covers(trunk):
            raise OutOfReach(f"There is no trunk with the id {trunk.id}.")
        check_match(self.if_match, etag_of(kept))

    def wanted(self, trunk: Trunk) -> None:
        """Raises BeyondLimits."""
        if not self._covers(trunk):
            raise BeyondLimits(
                f"Trunk {trunk.id} would be of a region or carrier that is not among yours; keep "
                "to those, or ask an administrator who is not limited."
            )

    def _covers(self, trunk: Trunk) -> bool:
        return self.limits.cover(trunk.region or self.own_region, trunk.carrier)


@router.post(
    "",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), once()],
    status_code=HTTPStatus.CREATED,
)
async def create_trunk(
    context: Context, caller: Caller, request: Request, document: NewTrunk, response: Response
) -> TrunkSavedOut:
    """Make a trunk; it is probed from now on."""
    _check_licence(context, document)
    within = Within(caller.limits, context.region)
    kept = await applied(str(document.get("id")), context.trunks.create(document, within))
    response.headers["location"] = f"{PATH}/{quote(kept.id)}"
    note_change(request, "trunk", kept.id, before=None, after=document_of(kept.made))
    return saved(context, kept, response)


@router.patch("/{trunk_id}", dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True)])
async def change_trunk(
    context: Context,
    caller: Caller,
    request: Request,
    trunk_id: TrunkId,
    document: TrunkPatch,
    *,
    response: Response,
    if_match: IfMatch = None,
) -> TrunkSavedOut:
    """Change a trunk by a JSON Merge Patch. Targets that stay keep their state."""
    _check_licence(context, document)
    within = Within(caller.limits, context.region, if_match)
    out_of_service = _out_of_service(context, trunk_id)
    before, after = await applied(trunk_id, context.trunks.change(trunk_id, document, within))
    shown_before, shown_after = document_of(before.made), document_of(after.made)
    note_change(request, "trunk", trunk_id, before=shown_before, after=shown_after)
    answer = saved(context, after, response)
    record = context.roster.record(trunk_id)
    if out_of_service is not None and record.admin_enabled:
        note_change(request, "trunk", trunk_id, out_of_service, trunk_out(context, record))
        await until_recorded(context, record)
    return answer


@router.post(
    "/{trunk_id}/enable",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True), once()],
)
async def enable_trunk(
    context: Context, caller: Caller, request: Request, reach: InReach, trunk_id: TrunkId
) -> TrunkOut:
    """Put a trunk back in service; safe to repeat. Answers once it is recorded."""
    record = reach.record(trunk_id)
    if not record.trunk.enabled:
        if record.trunk.managed_by is not None:
            raise Problem(
                HTTPStatus.CONFLICT,
                f"Trunk {trunk_id} is disabled by {record.trunk.managed_by}; set enabled = true "
                "there instead.",
            )
        await _say_enabled(context, caller, request, trunk_id)
        record = reach.record(trunk_id)
    return await administer(request, context, record, enabled=True)


@router.delete(
    "/{trunk_id}",
    dependencies=[requires(Permission.TRUNK_EDIT, within_limits=True)],
    status_code=HTTPStatus.NO_CONTENT,
)
async def delete_trunk(
    context: Context,
    caller: Caller,
    reach: InReach,
    routes: Routes,
    *,
    request: Request,
    trunk_id: TrunkId,
    if_match: IfMatch = None,
) -> Response:
    """Delete a trunk: it is probed no more. Its past stays in the log of events."""
    within = Within(caller.limits, context.region, if_match)

    async def deleted() -> KeptTrunk:
        try:
            return await context.trunks.delete(trunk_id, within)
        except InUse:
            using = map(routes.get, context.routing.routes_of(trunk_id))
            if all(route is not None and reach.takes_in_route(route) for route in using):
                raise
            raise InUse(
                f"Trunk {trunk_id} is part of a route with trunks of regions or carriers that are "
                "not among yours; ask somebody who is not limited to take it out of there first."
            ) from None

    before = await applied(trunk_id, deleted())
    note_change(request, "trunk", trunk_id, before=document_of(before.made), after=None)
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _say_enabled(
    context: ApiContext, caller: Caller, request: Request, trunk_id: str
) -> None:
    """Have it stand in what was said of the trunk, which would disable it again otherwise."""
    within = Within(caller.limits, context.region)
    change = context.trunks.change(trunk_id, {"enabled": True}, within)
    before, after = await applied(trunk_id, change)
    shown_before, shown_after = document_of(before.made), document_of(after.made)
    note_change(request, "trunk", trunk_id, before=shown_before, after=shown_after)


async def applied(trunk_id: str, change: Awaitable[ResultT]) -> ResultT:
    """What ``change`` gives, or the problem that says why it could not be made."""
    try:
        return await change
    except UnknownTrunk:
        raise _unknown(trunk_id) from None
    except OutOfReach:
        raise _unknown(trunk_id) from None
    except BeyondLimits as refused:
        raise Problem(HTTPStatus.FORBIDDEN, str(refused)) from None
    except Refused as refused:
        raise Problem(HTTPStatus.CONFLICT, shortened(str(refused))) from None
    except DocumentRefused as refused:
        raise refusal(refused) from None
    except (KeysUnusable, SecretUnreadable) as problem:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(problem)) from None
    except OSError as problem:
        raise invalid(
            "body.advanced.source",
            f"Probes cannot leave from there: {problem.strerror or problem}; correct "
            "advanced.source.",
        ) from None


def refusal(refused: DocumentRefused) -> Problem:
    """A 422 that names the members as a client writes them."""
    errors = [
        {"field": shortened(f"body.{member}" if member else "body"), "detail": shortened(sentence)}
        for member, sentence in refused.problems
    ]
    return Problem(
        HTTPStatus.UNPROCESSABLE_ENTITY, shortened(str(refused)), members={"errors": errors}
    )


def _out_of_service(context: ApiContext, trunk_id: str) -> TrunkOut | None:
    """The trunk, if an administrator has taken it out of service."""
    record = context.roster.records().get(trunk_id)
    return None if record is None or record.admin_enabled else trunk_out(context, record)


def _check_licence(context: ApiContext, document: Document) -> None:
    """What the licence does not cover is not set; what was set before may be taken away."""
    advanced = document.get("advanced")
    if isinstance(advanced, dict):
        members = [f"body.advanced.{name}" for name, value in advanced.items() if value is not None]
        if members:
            refuse_unlicensed(context.licensing, Entitlement.ADVANCED, members)


def _unknown(trunk_id: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"There is no trunk with the id {trunk_id[:256]}.")
