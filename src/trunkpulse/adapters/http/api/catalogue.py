"""``/api/v2/events/catalogue``: every type of event, each with its JSON Schema."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import Field
from starlette.responses import Response

from trunkpulse.adapters.http.api.admission import AdmittedRoute, public
from trunkpulse.adapters.http.api.models import Entities, Out
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.wording import enumerated, shortened
from trunkpulse.events.catalogue import CATALOGUE, RULES

__all__ = ["CATALOGUE_PATH", "router"]

CATALOGUE_PATH = "/api/v2/events/catalogue"

router = APIRouter(route_class=AdmittedRoute, prefix=CATALOGUE_PATH, tags=["events"])

SCHEMAS = {
    str(event_type): json.dumps(each.schema).encode() for event_type, each in CATALOGUE.items()
}


class EventTypeOut(Out):
    """One type of event."""

    event_type: str
    title: str
    description: str
    version: str = Field(description="Grows as the rules say.")
    schema_path: str = Field(description="Where its JSON Schema is, on this server.")


class CatalogueOut(Entities[EventTypeOut]):
    """Every type of event there is, and what a reader may rely on."""

    rules: str = Field(description="How events may change, for a person.")


@router.get("", dependencies=[public()])
async def list_event_types() -> CatalogueOut:
    """Every type of event, where its JSON Schema is, and how both may change."""
    return CatalogueOut(
        entities=[
            EventTypeOut(
                event_type=each.event_type,
                title=each.title,
                description=each.description,
                version=each.version,
                schema_path=f"{CATALOGUE_PATH}/{each.event_type}",
            )
            for each in CATALOGUE.values()
        ],
        next_cursor=None,
        rules=RULES,
    )


@router.get(
    "/{event_type}",
    dependencies=[public()],
    response_class=Response,
    responses={
        200: {"description": "A JSON Schema (2020-12).", "content": {"application/schema+json": {}}}
    },
)
async def get_event_schema(
    event_type: Annotated[str, Path(description="A type of event.")],
) -> Response:
    """The JSON Schema of one type of event."""
    schema = SCHEMAS.get(event_type)
    if schema is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            f"There is no type of event named {shortened(event_type)}; there are"
            f" {enumerated(tuple(SCHEMAS), 'and')}.",
        )
    return Response(schema, media_type="application/schema+json")
