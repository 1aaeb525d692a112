"""Trunks that differ from one seen before in nothing but id, name and target.

In a large file most do: a million trunks have a few hundred combinations of direction, region,
carrier, profile and keepalive. So the lines of a trunk that are its own are taken out, and what is
left is looked up: if it was read, validated and checked once, only the three lines are new.

Only the plainest writing is recognised, one key a line and every text on its line, the id before
the name (if there is one) and that before the one target; anything else is left to those who know
all of TOML. What is recognised means the same to them.
"""

from __future__ import annotations

import re

from trunkpulse.config.schema import TrunkEntry
from trunkpulse.config.trunks import Trunks
from trunkpulse.model import Trunk
from trunkpulse.sip.uri import plain_address

__all__ = ["Alike"]

MOST_KINDS = 10_000
"""Remembered at once; a file with more is as varied as text can be, and gains nothing."""

_TEXT = r'"([^"\\\x00-\x1f\x7f]*)"'
_SHARED_LINES = r"((?:(?!(?:id|name|targets) |\[).*\n)*)"
_PLAINLY = re.compile(
    rf'{_SHARED_LINES}id = "([A-Za-z0-9][A-Za-z0-9._-]{{0,127}})"\n'
    rf"{_SHARED_LINES}(?:name = {_TEXT}\n{_SHARED_LINES})?"
    rf"targets = \[{_TEXT}\]\n"
    rf"{_SHARED_LINES}(\[[\s\S]*)?"
)
"""A whole trunk; what is not its own is the lines around id, name and target, and the tables."""
_SHARED = re.compile(
    rf"(?:(?!(?:id|name|targets) )[a-z_]+ = (?:{_TEXT}|[0-9]+(?:\.[0-9]+)?|true|false)"
    r"|\[trunks\.keepalive\]|#[\x20-\x7e]*|)\n"
)
_LONGEST_NAME = 200

_Shared = tuple[str | None, ...]


class Alike:
    """The kinds of trunks seen so far in one file."""

    def __init__(self, trunks: Trunks) -> None:
        self._trunks = trunks
        self._kinds: dict[_Shared, Trunk] = {}
        """By the shared lines: one of that kind."""

    def find(self, text: str) -> Trunk | None:
        """The trunk that ``text``, what follows ``[[trunks]]``, describes.

        None if no other of its kind is known, or if it is not certainly in order.
        """
        found = _PLAINLY.fullmatch(f"{text}\n")
        if found is None:
            return None
        before, trunk_id, since, name, then, target, *after = found.groups()
        kind = self._kinds.get((before, since, then, *after))
        if kind is None or plain_address(target) is None:
            return None
        if name is None:
            name = trunk_id
        elif len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
            return None
        return self._trunks.like(kind, trunk_id, name, target)

    def note(self, text: str, entry: TrunkEntry, trunk: Trunk) -> None:
        """``text`` was found to be ``entry``, and to be in order."""
        found = _PLAINLY.fullmatch(f"{text}\n")
        if found is None or len(self._kinds) >= MOST_KINDS:
            return
        shared = found.group(1, 3, 5, 7, 8)
        if _is_shared(shared) and self._trunks.is_plain(entry):
            self._kinds[shared] = trunk


def _is_shared(parts: _Shared) -> bool:
    """True if each line means the same wherever it stands, and with every target.

    What ``advanced`` says has to fit the target, so a trunk with such a table is never like others.
    """
    lines = "".join(filter(None, parts)).splitlines(keepends=True)
    return all(map(_SHARED.fullmatch, lines))
