"""Query parameters that an endpoint does not have are refused, never ignored.

A filter that is misspelt and ignored answers with everything, and looks as if it had worked.
"""

from __future__ import annotations

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from trunkpulse.adapters.http.api.problems import invalid
from trunkpulse.adapters.http.api.wording import enumerated, shortened

__all__ = ["known_parameters_only"]


async def known_parameters_only(request: Request) -> None:
    """A dependency of every endpoint; raises a 422 Problem about the first unknown parameter."""
    route = request.scope["route"]
    assert isinstance(route, APIRoute)
    known = _parameters(route.dependant)
    for name in request.query_params:
        if name not in known:
            takes = f"it takes {enumerated(known, 'and')}" if known else "it takes none"
            field = shortened(f"query.{name}")
            raise invalid(field, f"{field} is not a parameter of {route.path_format}; {takes}.")


def _parameters(dependant: Dependant) -> list[str]:
    """Those of the endpoint itself and of what it depends on."""
    own = [each.alias for each in dependant.query_params]
    return own + [name for each in dependant.dependencies for name in _parameters(each)]
