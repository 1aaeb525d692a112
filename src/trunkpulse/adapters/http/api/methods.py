"""Which methods a path takes (RFC 9110 15.5.6): those of all routes that it matches."""

from __future__ import annotations

import re
from functools import lru_cache

from fastapi import Request
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

__all__ = ["methods_at"]


def methods_at(request: Request) -> set[str]:
    """What can be asked at the path of ``request``."""
    return {
        method
        for each in iter_route_contexts(request.app.routes)
        if each.path is not None and _pattern(each.path).fullmatch(request.scope["path"])
        for method in each.methods or ()
    }


@lru_cache(maxsize=512)
def _pattern(path: str) -> re.Pattern[str]:
    """Of the paths that a route is for; there are only so many routes."""
    return compile_path(path)[0]
