"""Puts the resources together behind the guard."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from http import HTTPStatus
from types import ModuleType
from typing import Any, Final

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from trunkpulse.adapters.http.api import (
    activity,
    advice,
    asyncapi,
    audit,
    catalogue,
    clients,
    deliveries,
    events,
    health,
    licence,
    maintenance,
    numbers,
    oauth,
    oidc,
    pages,
    replays,
    roles,
    routes,
    routing,
    session,
    settings,
    simulations,
    streams,
    switches,
    trunk_bulk,
    trunk_changes,
    trunks,
    users,
)
from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.admission import only_if_declared
from trunkpulse.adapters.http.api.audited import Audited, only_while_recordable
from trunkpulse.adapters.http.api.conditional import (
    NotModified,
    describe_conditions,
    on_not_modified,
)
from trunkpulse.adapters.http.api.context import ApiContext
from trunkpulse.adapters.http.api.findings import Findings
from trunkpulse.adapters.http.api.guard import Guard
from trunkpulse.adapters.http.api.idempotency import Once, Repeated, on_repeated
from trunkpulse.adapters.http.api.models import ProblemOut
from trunkpulse.adapters.http.api.oauth_answers import OAuthRefused, on_oauth_refused
from trunkpulse.adapters.http.api.one_import import ImportUnderWay
from trunkpulse.adapters.http.api.paging import Catalogue
from trunkpulse.adapters.http.api.problems import register_problems
from trunkpulse.adapters.http.api.proxies import BehindProxies
from trunkpulse.adapters.http.api.queries import known_parameters_only
from trunkpulse.adapters.http.api.rates import RateLimited
from trunkpulse.adapters.http.api.route_table import describe_access
from trunkpulse.adapters.http.api.statuses import PROBLEM, describe_problems
from trunkpulse.adapters.http.api.trunk_index import TrunkIndex
from trunkpulse.adapters.turns import InTurn
from trunkpulse.config.settings import ApiSettings

__all__ = ["create_access_api", "create_api"]

ACCESS = (clients, users, roles, audit)
"""The resources that say who may come in, and what they did."""
RESOURCES = (
    trunk_bulk,  # its paths are not ids
    trunks,
    trunk_changes,
    replays,
    activity,
    settings,
    numbers,
    maintenance,
    switches,
    events,
    streams,
    deliveries,
    catalogue,
    asyncapi,
    routing,
    simulations,
    routes,
    advice,
    licence,
    oauth,
    session,
    oidc,
    *ACCESS,
)
UNGUARDED = (health, pages)
"""Balancers and scrapers add parameters of their own."""
OPERATIONS = frozenset(
    route.name
    for resource in (*RESOURCES, *UNGUARDED)
    for route in resource.router.routes
    if isinstance(route, APIRoute)
)
"""What the audit names acts by, also where only some of them can be done."""
PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    # Ranges, until ``describe_problems`` says which of them each operation has.
    "4XX": {"description": "What was asked is wrong.", "model": ProblemOut, **PROBLEM},
    "5XX": {"description": "It cannot be done now.", "model": ProblemOut, **PROBLEM},
    HTTPStatus.UNPROCESSABLE_ENTITY.value: {
        "description": "A field is wrong; `errors` says which.",
        "model": ProblemOut,
        **PROBLEM,
    },
}


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """The document; FastAPI takes every model for ``application/json``, problems are not."""
        if self.openapi_schema is not None:
            return self.openapi_schema
        document = super().openapi()
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    if "application/problem+json" in response.get("content", {}):
                        response["content"].pop("application/json", None)
        describe_conditions(document)
        describe_problems(document)
        describe_access(self, document)
        return document


def create_api(context: ApiContext) -> FastAPI:
    """The whole API over ``context``, as an ASGI application without a lifespan."""

    def api_settings() -> ApiSettings:
        return context.configuration().api

    app = _over(context.access, context.version, _all_routes())
    app.state.context = context
    app.state.trunk_index = TrunkIndex(context.roster.records, context.board, context.region)
    app.state.routes = Catalogue(lambda: context.routing.all)
    app.state.streams = Catalogue(lambda: context.subscriptions.all)
    app.state.switches = Catalogue(lambda: context.switches.settings)
    app.state.windows = Catalogue(lambda: context.maintenance.windows)
    app.state.findings = Findings(app.state.trunk_index)
    app.state.import_under_way = ImportUnderWay()
    app.add_middleware(Once, answers=context.answers)
    app.add_middleware(RateLimited, clock=context.clock, api=api_settings)
    app.add_middleware(Guard, listen_host=context.listen_host, api=api_settings)
    app.add_middleware(Audited, ledger=context.access.ledger)
    app.add_middleware(InTurn, turns=context.turns)
    app.add_middleware(BehindProxies, api=api_settings)  # the last one is the first to be met
    return app


def create_access_api(access: Access, *, version: str, listen_host: str) -> FastAPI:
    """Only what says who may come in: for a command while the service does not run."""
    app = _over(access, version, _access_routes())
    app.add_middleware(Guard, listen_host=listen_host)
    app.add_middleware(Audited, ledger=access.ledger)
    return app


@cache
def _all_routes() -> Sequence[BaseRoute]:
    router = _guarded(*RESOURCES)
    for resource in UNGUARDED:
        router.include_router(resource.router, dependencies=[only_if_declared()])
    return tuple(router.routes)


@cache
def _access_routes() -> Sequence[BaseRoute]:
    return tuple(_guarded(*ACCESS).routes)


def _guarded(*resources: ModuleType) -> APIRouter:
    """All apps share these routes, which know of no context: a request finds that in its app.

    When the first request comes, FastAPI looks into the function of each and builds its models.
    That takes a tenth of a second and more, and is kept with the route.
    """
    router = APIRouter(generate_unique_id_function=_operation_id, responses=PROBLEMS)
    for resource in resources:
        router.include_router(
            resource.router,
            dependencies=[
                only_if_declared(),
                Depends(only_while_recordable),
                Depends(known_parameters_only),
            ],
        )
    return router


def _over(access: Access, version: str, routes: Sequence[BaseRoute]) -> FastAPI:
    app = _Api(
        title="trunkpulse",
        description="The state of SIP trunks, the events of its changes, and which trunk "
        "takes a call.",
        version=version,
        openapi_url="/api/v2/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        routes=list(routes),
        # Metrics and logs are our own; nothing is to be looked up for each request.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.access = access
    app.state.operations = OPERATIONS
    register_problems(app)
    app.add_exception_handler(NotModified, on_not_modified)
    app.add_exception_handler(Repeated, on_repeated)
    app.add_exception_handler(OAuthRefused, on_oauth_refused)
    return app


def _operation_id(route: APIRoute) -> str:
    """The name of the function: short, and what generated clients call the operation."""
    return route.name
