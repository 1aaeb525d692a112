"""Why something cannot be made, changed or deleted through the API.

Refused               the message is one sentence for a person; nothing has changed
├── Exists            the id is taken
├── Managed           the file says what becomes of it
├── InUse             something else needs it
├── Withheld          it cannot be read with the keys of this process
├── TooMany           there are as many as there may be
└── Changed           somebody else has changed it meanwhile
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "BeyondLimits",
    "Changed",
    "Exists",
    "InUse",
    "Managed",
    "OutOfReach",
    "Refused",
    "TooMany",
    "Withheld",
    "trunk_in_use",
]

_SHOWN_ROUTES = 5


class Refused(Exception):
    """See the module's opening."""


class Exists(Refused):
    """The id is taken."""


class Managed(Refused):
    """The file declares it, and it changes with the file alone."""


class InUse(Refused):
    """Something else needs it."""


class Withheld(Refused):
    """It cannot be read as things are; it may be deleted."""


class TooMany(Refused):
    """There are as many as there may be."""


class Changed(Refused):
    """Somebody else has changed it meanwhile; the change may be tried again."""


class OutOfReach(Refused):
    """It is none of those that whoever asks may see."""


class BeyondLimits(Refused):
    """It would be none of those that whoever asks may make."""


def trunk_in_use(trunk_id: str, routes: Sequence[str]) -> str:
    """Why a trunk cannot be deleted that these routes lead over: a sentence."""
    names = ", ".join(routes[:_SHOWN_ROUTES])
    more = len(routes) - _SHOWN_ROUTES
    listed = f"{names} and {more} more" if more > 0 else names
    which = "route" if len(routes) == 1 else "routes"
    return (
        f"Trunk {trunk_id} is part of the {which} {listed}; take it out of there first, or delete "
        f"the {which}."
    )
