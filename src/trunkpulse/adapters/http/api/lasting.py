"""Whether somebody whose request goes on for hours may still be answered.

A request is let in once. One that does not end is asked about again from time to time: the token
may have run out, the session may be over, and permissions and limits may be others by now.
"""

from __future__ import annotations

from fastapi import Request

from trunkpulse.access import Principal, PrincipalKind
from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.problems import Problem
from trunkpulse.admission.people import People

__all__ = ["may_still"]


async def may_still(request: Request, caller: Principal) -> bool:
    """True if ``request`` would be let in as it was, with the same permissions and limits."""
    access = request.app.state.access
    assert isinstance(access, Access)
    if caller.kind is PrincipalKind.USER:
        return _as_now(access.people, caller) == caller
    try:
        return await access.gate.principal(request) == caller
    except Problem:
        return False


def _as_now(people: People, caller: Principal) -> Principal | None:
    """The person of this session; asking so does not count as a use of it."""
    user = people.users.get(caller.id)
    for session in people.sessions.of_user(caller.id):
        if session.id == caller.session_id and user is not None and user.enabled:
            return people.users.principal(user, session.id)
    return None
