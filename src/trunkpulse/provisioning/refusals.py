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
]


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
