"""The table of all routes and who may use them, read from what the routes declare.

The tests try every row of it, the documentation prints it, and the OpenAPI document has it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from trunkpulse.adapters.http.api.admission import Declaration, declaration_of

__all__ = ["RouteAccess", "describe_access", "route_table"]


@dataclass(frozen=True, slots=True)
class RouteAccess:
    """A route, and who may use it."""

    method: str
    path: str
    declared: Declaration | None
    """None: nobody may."""


def route_table(app: FastAPI) -> Iterator[RouteAccess]:
    """Every route of ``app`` but its OpenAPI document, which is for everybody."""
    for each in iter_route_contexts(app.routes):
        if each.path == app.openapi_url:
            continue
        assert each.path is not None
        route = each.original_route
        declared = declaration_of(route) if isinstance(route, APIRoute) else None
        for method in sorted(each.methods or ()):
            yield RouteAccess(method, each.path, declared)


def describe_access(app: FastAPI, document: dict[str, Any]) -> None:
    """Say in the OpenAPI ``document`` which permission each operation takes, as ``x-access``."""
    for each in route_table(app):
        operation = document["paths"].get(each.path, {}).get(each.method.lower())
        if operation is not None and each.declared is not None:
            operation["x-access"] = {
                "public": each.declared.public,
                "permission": each.declared.permission,
                "refusesLimited": each.declared.refuses_limited,
            }
