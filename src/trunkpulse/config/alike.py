"""Trunks that differ from one seen before in nothing but id, name and target.

In a large file most do: a million trunks have a few hundred combinations of direction, region,
carrier, profile and keepalive. So the lines of a trunk that are its own are taken out, and what is
left is looked up: if it was read, validated and checked once, only the three lines are new.

Only the plainest writing is recognised, one key a line and every text on its line; anything else
is left to those who know all of TOML. What is recognised means the same to them.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from trunkpulse.config.schema import TrunkEntry
from trunkpulse.config.trunks import Trunks
from trunkpulse.model import Trunk
from trunkpulse.sip.uri import plain_address

__all__ = ["Alike"]

MOST_KINDS = 10_000
"""Remembered at once; a file with more is as varied as text can be, and gains nothing."""

_TEXT = r'"([^"\\\x00-\x1f\x7f]*)"'
_OWN = re.compile(rf"^(id|name|targets) = (?:{_TEXT}|\[{_TEXT}\])\n", re.MULTILINE)
_PARTS = 4
"""What ``_OWN.split`` gives for each line: what is before it, the key, the text, the one target."""
_SHARED = re.compile(
    rf"(?:(?!(?:id|name|targets) )[a-z_]+ = (?:{_TEXT}|[0-9]+(?:\.[0-9]+)?|true|false)"
    r"|\[trunks\.keepalive\]|#[\x20-\x7e]*|)\n"
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_LONGEST_NAME = 200


class _Lines(NamedTuple):
    """A trunk's lines, taken apart."""

    id: str
    name: str | None
    target: str
    shared: str


class Alike:
    """The kinds of trunks seen so far in one file."""

    def __init__(self, trunks: Trunks) -> None:
        self._trunks = trunks
        self._kinds: dict[tuple[str, bool], Trunk] = {}
        """By the shared lines, and whether there was a name: one of that kind."""

    def find(self, text: str) -> Trunk | None:
        """The trunk that ``text``, what follows ``[[trunks]]``, describes.

        None if no other of its kind is known, or if it is not certainly in order.
        """
        lines = _taken_apart(text)
        if lines is None:
            return None
        trunk_id, name, target, shared = lines
        kind = self._kinds.get((shared, name is not None))
        if kind is None or plain_address(target) is None or not _ID.fullmatch(trunk_id):
            return None
        if name is None:
            name = trunk_id
        elif len(name) > _LONGEST_NAME or not name.isprintable() or not name.strip():
            return None
        return self._trunks.like(kind, trunk_id, name, target)

    def note(self, text: str, entry: TrunkEntry, trunk: Trunk) -> None:
        """``text`` was found to be ``entry``, and to be in order."""
        lines = _taken_apart(text)
        if lines is None or entry.advanced is not None or not self._trunks.is_plain(entry):
            return
        if len(self._kinds) < MOST_KINDS and _is_shared(lines.shared):
            self._kinds[lines.shared, lines.name is not None] = trunk


def _taken_apart(text: str) -> _Lines | None:
    """None if the lines are not written as plainly as they can be."""
    head, bracket, tables = text.partition("\n[")
    parts = _OWN.split(f"{head}\n" if bracket else head)
    texts = dict(zip(parts[1::_PARTS], parts[2::_PARTS], strict=True))
    targets = dict(zip(parts[1::_PARTS], parts[3::_PARTS], strict=True))
    trunk_id, target = texts.get("id"), targets.get("targets")
    is_once = len(parts) == 1 + _PARTS * len(texts)
    if trunk_id is None or target is None or not is_once or targets.get("name") is not None:
        return None
    shared = "".join(parts[::_PARTS])
    return _Lines(trunk_id, texts.get("name"), target, f"{shared}[{tables}" if bracket else shared)


def _is_shared(lines: str) -> bool:
    """True if each line means what it says wherever it stands in its table."""
    return all(_SHARED.fullmatch(line) for line in lines.splitlines(keepends=True))
