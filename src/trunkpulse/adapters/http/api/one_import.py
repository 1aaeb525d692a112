"""One import at a time: its body may be 64 MiB, and takes several times that while it is read.

    @router.post("/import", dependencies=[requires(...), one_import(), once()])

Whoever comes while another one is under way is told so before any of their body is read. A body
that does not come makes room for others.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any, Final

from fastapi import Depends, Request

from trunkpulse.adapters.http.api.bounds import CLOSING
from trunkpulse.adapters.http.api.problems import Problem

__all__ = ["BODY_SECONDS", "ImportUnderWay", "one_import"]

BODY_SECONDS: Final = 120.0
"""64 MiB in that time are 4.5 Mbit/s."""
RETRY_SECONDS: Final = "5"


class ImportUnderWay:
    """Whether there is one; belongs to an application."""

    def __init__(self, body_seconds: float = BODY_SECONDS) -> None:
        self.body_seconds = body_seconds
        self.taken = False


def one_import() -> Any:
    """For a route that imports; stands behind the declaration of who may, before all else."""
    return Depends(_one_import, scope="function")


async def _one_import(request: Request) -> AsyncIterator[None]:
    under_way = request.app.state.import_under_way
    assert isinstance(under_way, ImportUnderWay)
    if under_way.taken:
        raise Problem(
            HTTPStatus.CONFLICT,
            "Another import is under way; send this one again when it is done.",
            headers={"retry-after": RETRY_SECONDS, **CLOSING},
        )
    under_way.taken = True
    try:
        await _read_body(request, under_way.body_seconds)
        yield
    finally:
        under_way.taken = False


async def _read_body(request: Request, seconds: float) -> None:
    """Once read it stays with the request."""
    try:
        async with asyncio.timeout(seconds):
            await request.body()
    except TimeoutError:
        raise Problem(
            HTTPStatus.BAD_REQUEST,
            f"The body took longer than {seconds:g} s to come; send it faster, or in parts.",
            headers=CLOSING,
        ) from None
