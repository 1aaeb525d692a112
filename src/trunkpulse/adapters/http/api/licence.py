"""``/api/v2/license``: what the licence covers; and what refuses without it."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Literal, Self

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator
from pydantic.alias_generators import to_camel
from starlette.responses import Response

from trunkpulse.access import Permission
from trunkpulse.access.licence import Entitlement, Grant, Licence
from trunkpulse.adapters.http.api.admission import AdmittedRoute, requires, signed_in
from trunkpulse.adapters.http.api.auditing import note_change
from trunkpulse.adapters.http.api.conditional import IfMatch, IfNoneMatch, check_match, etag_of, tag
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.models import Out
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.wording import shortened
from trunkpulse.admission.licensing import Licensing
from trunkpulse.ports import DocumentChanged

__all__ = ["licence_remarks", "refuse_unlicensed", "router"]

router = APIRouter(route_class=AdmittedRoute, prefix="/api/v2/license", tags=["access"])

MOST_NAMED = 10
WITHOUT = {
    Entitlement.TALK: "no trunk takes calls or is probed",
    Entitlement.ADVANCED: "advanced settings and routes cannot be saved",
    Entitlement.STREAMS: "events wait and are not delivered",
}

Until = Annotated[
    int | None,
    Field(
        ge=0,
        le=2**53 - 1,
        description="Milliseconds since the epoch; from then on it is not covered. null: for ever.",
    ),
]

_EXAMPLES: list[JsonValue] = [
    {
        "talk": {"status": "active"},
        "advancedTelephony": {"status": "active", "until": 1893456000000},
        "eventStreams": {"status": "suspended"},
    }
]


class GrantIn(BaseModel):
    """How one entitlement is to stand."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["active", "suspended", "expired"] = Field(
        description="expired, with the until that GET shows, leaves it as it is."
    )
    until: Until = None

    @model_validator(mode="after")
    def _ended(self) -> Self:
        if self.status == "expired" and self.until is None:
            raise ValueError("what is expired has an until; give it, or say suspended")
        return self


class LicenceIn(BaseModel):
    """The whole licence."""

    model_config = ConfigDict(
        alias_generator=to_camel, extra="forbid", json_schema_extra={"examples": _EXAMPLES}
    )

    talk: GrantIn = Field(description="Trunks are probed and take calls.")
    advanced_telephony: GrantIn = Field(description="Advanced settings, and routes of one's own.")
    event_streams: GrantIn = Field(description="Events are delivered.")
    changed: int | None = Field(
        default=None, description="As GET shows it; it may be given back, and is not read."
    )


class GrantOut(Out):
    """How one entitlement stands."""

    status: Literal["active", "suspended", "expired"]
    until: int | None = Field(description="Milliseconds since the epoch; null: for ever.")


class LicenceOut(Out):
    """What is covered at this moment."""

    talk: GrantOut
    advanced_telephony: GrantOut
    event_streams: GrantOut
    changed: int | None = Field(
        description="When it was set, in milliseconds since the epoch; null: it never was, and "
        "covers everything for ever."
    )


@router.get("", dependencies=[signed_in()])
async def get_license(
    context: Context, response: Response, if_none_match: IfNoneMatch = None
) -> LicenceOut:
    """What the licence covers at this moment."""
    shown = _shown(context.licensing)
    tag(response, etag_of(context.licensing), living=shown, if_none_match=if_none_match)
    return shown


@router.put("", dependencies=[requires(Permission.LICENSE_EDIT)])
async def put_license(
    request: Request,
    context: Context,
    document: Annotated[LicenceIn, Body()],
    response: Response,
    if_match: IfMatch = None,
) -> LicenceOut:
    """Set the licence; it takes effect at once, with many trunks over some seconds.

    Without talk every trunk goes DOWN with LICENSE_ISSUE and is not probed. Without
    advanced-telephony the advanced settings of trunks and routes cannot be saved, while those that
    there are go on. Without event-streams events wait, and are delivered later.
    """
    licensing = context.licensing
    before = _shown(licensing)
    licence = Licence(
        talk=_grant(document.talk),
        advanced=_grant(document.advanced_telephony),
        streams=_grant(document.event_streams),
    )
    try:
        await licensing.put(licence, lambda: check_match(if_match, etag_of(licensing)))
    except DocumentChanged:
        raise Problem(
            HTTPStatus.CONFLICT, "Somebody else has set the licence meanwhile; read it again."
        ) from None
    shown = _shown(licensing)
    note_change(request, "license", "license", before, shown)
    tag(response, etag_of(licensing), living=shown)
    return shown


def refuse_unlicensed(
    licensing: Licensing, entitlement: Entitlement, members: Sequence[str] = ()
) -> None:
    """Raise a 403 Problem unless the licence covers ``entitlement``.

    ``members`` are what needs it, as a client writes them (``body.advanced.fromUri``): each is
    named, the first few in the sentence.
    """
    if licensing.covers(entitlement):
        return
    standing = licensing.licence.grant(entitlement).standing(licensing.now_ms())
    named = ", ".join(shortened(each) for each in members[:MOST_NAMED])
    if len(members) > MOST_NAMED:
        named += f" and {len(members) - MOST_NAMED} more"
    needs = f"{named} {'need' if len(members) > 1 else 'needs'}" if members else "This needs"
    sentence = (
        f"{needs} the entitlement {entitlement.value}, which is {standing} in the licence of this "
        "installation; have an administrator set it with 'trunkpulse license set'."
    )
    raise Problem(
        HTTPStatus.FORBIDDEN,
        sentence,
        members={
            "entitlement": entitlement.value,
            "errors": [
                {"field": shortened(each), "detail": f"This needs {entitlement.value}."}
                for each in members[:MOST_NAMED]
            ],
        },
    )


def licence_remarks(licensing: Licensing) -> list[str]:
    """What is not covered, one sentence each."""
    remarks: list[str] = []
    for each in sorted(licensing.lacking()):
        standing = licensing.licence.grant(each).standing(licensing.now_ms())
        remarks.append(f"{each.value} is {standing} in the licence, so {WITHOUT[each]}.")
    return remarks


def _grant(given: GrantIn) -> Grant:
    return Grant(given.status == "suspended", given.until)


def _shown(licensing: Licensing) -> LicenceOut:
    def grant(entitlement: Entitlement) -> GrantOut:
        found = licensing.licence.grant(entitlement)
        return GrantOut(status=found.standing(licensing.now_ms()), until=found.until_ms)

    return LicenceOut(
        talk=grant(Entitlement.TALK),
        advanced_telephony=grant(Entitlement.ADVANCED),
        event_streams=grant(Entitlement.STREAMS),
        changed=licensing.changed_ms,
    )
