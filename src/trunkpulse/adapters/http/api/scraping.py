"""Who may read ``/metrics``: this machine, a scraper with its token, or who may view all trunks.

A scraper on this machine needs nothing, as long as no proxy is between: through one, everybody
seems to be on this machine. From elsewhere it shows the token of ``[metrics] token``, or an access
token that has the scope to view trunks.
"""

from __future__ import annotations

import hashlib
import hmac
from http import HTTPStatus

from fastapi import Request

from trunkpulse.access import Permission
from trunkpulse.adapters.http.api.admission import admit
from trunkpulse.adapters.http.api.context import Context
from trunkpulse.adapters.http.api.gate import bearer_token
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.adapters.http.api.proxies import from_this_machine

__all__ = ["may_scrape"]

UNPROVED = (
    "From elsewhere than this machine, metrics take the token of [metrics] token, or an access "
    "token with the scope telephony.trunks.read."
)


async def may_scrape(request: Request, context: Context) -> None:
    """Raises a Problem (401, 403) for whoever may not."""
    if from_this_machine(request):
        return
    expected, given = context.configuration().metrics.token, bearer_token(request)
    if expected is not None and given is not None and _alike(given, expected):
        return
    try:
        await admit(request, Permission.TRUNK_VIEW)
    except Problem as problem:
        if given is not None or problem.status is not HTTPStatus.UNAUTHORIZED:
            raise
        raise Problem(problem.status, UNPROVED, headers=problem.headers) from problem


def _alike(given: str, expected: str) -> bool:
    """Takes as long whatever is given, so that nobody finds out how much of it is right."""
    one, other = (hashlib.sha256(text.encode(errors="replace")) for text in (given, expected))
    return hmac.compare_digest(one.digest(), other.digest())
