"""What the switches have in common that know trunks by name: an entry of ours for each trunk's id.

``UP`` and ``DOWN`` are what dialplans compare with; anything else was written by somebody else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from types import MappingProxyType
from typing import Final

from trunkpulse.adapters.switches.wording import plain
from trunkpulse.ports import MOST_ENTRIES, SwitchRefused

__all__ = ["PLACE", "STATES", "check_names", "value_of"]

PLACE: Final = "trunkpulse"
"""Where our entries are, so that they are nobody else's: a realm, or a family."""
STATES: Final = MappingProxyType({"UP": True, "DOWN": False})
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")


def value_of(*, up: bool) -> str:
    """What is written into an entry."""
    return "UP" if up else "DOWN"


def check_names(names: Iterable[str], switch: str) -> None:
    """Raise SwitchRefused for a name that could be more than a name in a command, or too many."""
    for count, name in enumerate(names, 1):
        if count > MOST_ENTRIES:
            raise SwitchRefused(
                f"{switch} is told of at most {MOST_ENTRIES} trunks; name fewer in trunks."
            )
        if not _NAME.fullmatch(name):
            raise SwitchRefused(
                f'{switch} is told of trunks by their ids; "{plain(name)}" is none.'
            )
