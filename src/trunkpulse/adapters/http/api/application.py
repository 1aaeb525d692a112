"""Puts the resources together behind the guard."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from trunkpulse.adapters.http.api import (
    advice,
    asyncapi,
    catalogue,
    deliveries,
    events,
    health,
    maintenance,
    numbers,
    pages,
    routing,
    streams,
    trunks,
)
from trunkpulse.adapters.http.api.admission import only_if_declared
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.guard import Guard
from trunkpulse.adapters.http.api.models import ProblemOut
from trunkpulse.adapters.http.api.paging import Catalogue
from trunkpulse.adapters.http.api.problems import register_problems
from trunkpulse.adapters.http.api.queries import known_parameters_only
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.turns import InTurn

__all__ = ["create_api"]

_PROBLEM: dict[str, Any] = {
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
}


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI takes every model for ``application/json``, problems are not."""
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    if "application/problem+json" in response.get("content", {}):
                        response["content"].pop("application/json", None)
        return document


def create_api(context: ApiContext) -> FastAPI:
    """The whole API over ``context``, as an ASGI application without a lifespan."""
    app = _Api(
        title="trunkpulse",
        description="The state of SIP trunks, the events of its changes, and which trunk "
        "takes a call.",
        version=context.version,
        openapi_url="/api/v2/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        responses={
            "4XX": {"description": "What was asked is wrong.", "model": ProblemOut, **_PROBLEM},
            "5XX": {"description": "It cannot be done now.", "model": ProblemOut, **_PROBLEM},
            HTTPStatus.UNPROCESSABLE_ENTITY.value: {
                "description": "A field is wrong; `errors` says which.",
                "model": ProblemOut,
                **_PROBLEM,
            },
        },
        # Metrics and logs are our own; nothing is to be looked up for each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.context = context
    app.state.trunk_index = TrunkIndex(context.roster.records, context.board, context.region)
    app.state.routes = Catalogue(context.routes)
    app.state.streams = Catalogue(lambda: context.subscriptions.all)
    app.state.windows = Catalogue(lambda: context.maintenance.windows)
    app.state.findings = advice.Findings()
    register_problems(app)
    for resource in (
        trunks,
        numbers,
        maintenance,
        events,
        streams,
        deliveries,
        catalogue,
        asyncapi,
        routing,
        advice,
    ):
        app.include_router(
            resource.router, dependencies=[only_if_declared(), Depends(known_parameters_only)]
        )
    for resource in (health, pages):  # balancers and scrapers add parameters of their own
        app.include_router(resource.router, dependencies=[only_if_declared()])
    app.add_middleware(Guard, listen_host=context.listen_host)
    app.add_middleware(InTurn, turns=context.turns)  # the last one is the first to be met
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the function: short, and what generated clients call the operation."""
    return route.name
