"""What a route tells the audit of the request that it answers.

Every request that may change something is recorded, and every refused one, whatever its route
does (``Audited``). What only the route knows, it says itself:

    note_change(request, "trunk", trunk.id, before=shown(old), after=shown(new))

Give what GET shows of the object: no secret is in that, so none is in the audit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import Request
from pydantic import BaseModel

from trunkpulse.access import Principal

__all__ = [
    "NOTES",
    "Change",
    "Noted",
    "Revised",
    "Shown",
    "note_actor",
    "note_change",
    "note_claim",
    "note_details",
    "note_revisions",
    "noted",
]

NOTES = "trunkpulse.audit"
"""In the scope of a request: what was said of it."""
MOST_CHANGES = 200
"""Of one request, with before and after; the others are counted, or noted by their revisions."""

Shown = BaseModel | Mapping[str, object] | None
"""An object as GET shows it; None: there is none (yet, or any more)."""


class Revised(Protocol):
    """An object of which it is only noted that it was made or changed."""

    @property
    def id(self) -> str: ...
    @property
    def revision(self) -> int:
        """1: it was made."""


@dataclass(frozen=True, slots=True)
class Change:
    """One object, before and after."""

    kind: str
    id: str
    before: Shown
    after: Shown


@dataclass(slots=True)
class Noted:
    """What the route said of one request."""

    changes: list[Change] = field(default_factory=list)
    more: int = 0
    """Changes beyond the first ones."""
    revised: tuple[str, Sequence[Revised]] = ("", ())
    """A kind, and its objects that changed too."""
    details: dict[str, object] = field(default_factory=dict)
    claim: str | None = None
    actor: Principal | None = None


def note_change(request: Request, kind: str, object_id: str, before: Shown, after: Shown) -> None:
    """This request changed an object; None as ``before``: made it, as ``after``: deleted it.

    ``kind`` is one word: trunk, route, settings, stream, maintenance, switch, user, role, client,
    session, license. Equal ones say that the object was acted on and is as it was. May be called
    several times for one request; beyond ``MOST_CHANGES`` they are only counted.
    """
    notes = noted(request)
    if len(notes.changes) < MOST_CHANGES:
        notes.changes.append(Change(kind, object_id, before, after))
    else:
        notes.more += 1


def note_revisions(request: Request, kind: str, revised: Sequence[Revised]) -> None:
    """This request made or changed these objects too, so many that it is not noted how."""
    noted(request).revised = kind, revised


def note_details(request: Request, **details: object) -> None:
    """What else is worth knowing of this request, as JSON without secrets: how many, which part."""
    noted(request).details.update(details)


def note_claim(request: Request, name: str) -> None:
    """Somebody says to be ``name`` and has not proved it yet (a login, a client's id)."""
    noted(request).claim = name


def note_actor(request: Request, principal: Principal) -> None:
    """This request itself proved who sent it (a login that was let in, a token that was given)."""
    noted(request).actor = principal


def noted(request: Request) -> Noted:
    """What has been said of ``request`` so far."""
    notes = request.scope.setdefault(NOTES, Noted())
    assert isinstance(notes, Noted)
    return notes
