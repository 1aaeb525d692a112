"""Which targets are at an address: for who has seen a message between two addresses.

Those over UDP and those over connections are told apart, because a far side may serve one and not
the other. Over a connection the port of whoever opened it may be any, and says nothing; so a target
is known by the port that it listens on alone, in what goes there or comes from there.

Kept only while somebody asks, and by and by, as targets come and go: there may be a million. An
address is one text, because a pair for each would take twice the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from trunkpulse.probing.target import ProbeTarget

__all__ = ["MOST_TOLD_APART", "Whereabouts"]

MOST_TOLD_APART: Final = 16
"""Targets at one address; of more nothing is said, because each step is to be short."""


class Whereabouts:
    """See the module's opening."""

    def __init__(self, *, kept: bool = True) -> None:
        """``kept`` False: nobody asks, so nothing is listed."""
        self._kept = kept
        self._at: dict[str, ProbeTarget | dict[ProbeTarget, None]] = {}
        """Nearly every address is that of one target alone."""
        self._named: dict[ProbeTarget, str] = {}
        """Where those are listed whose addresses may change."""

    def add(self, targets: Iterable[ProbeTarget]) -> None:
        """These are probed, at the addresses that they have now, if they have any."""
        for target in targets if self._kept else ():
            if target.written is None:
                self._move(target)
            else:
                self._list(target, _key_of(target))

    def remove(self, targets: Iterable[ProbeTarget]) -> None:
        """These are probed no longer."""
        for target in targets if self._kept else ():
            key = self._named.pop(target, None) or _key_of(target)
            self._strike(target, key)

    def has(self, host: str, port: int, *, connected: bool) -> bool:
        """True if a message from or to there, over a connection or over UDP, concerns a target."""
        return _key(host, port, connected=connected) in self._at

    def at(self, host: str, port: int, *, connected: bool) -> Sequence[ProbeTarget]:
        """The targets there that are reached so; none if they are too many."""
        found = self._at.get(_key(host, port, connected=connected))
        if found is None:
            return ()
        if isinstance(found, ProbeTarget):
            return (found,)
        return () if len(found) > MOST_TOLD_APART else tuple(islice(found, MOST_TOLD_APART))

    def _move(self, target: ProbeTarget) -> None:
        before, key = self._named.get(target), _key_of(target)
        if before == key:
            return
        self._strike(target, before)
        self._named.pop(target, None)
        if key is not None:
            self._named[target] = key
            self._list(target, key)

    def _list(self, target: ProbeTarget, key: str | None) -> None:
        if key is None:
            return
        present = self._at.get(key)
        if present is None:
            self._at[key] = target
        elif present is target or (isinstance(present, dict) and target in present):
            return
        elif isinstance(present, dict):
            present[target] = None
        else:
            self._at[key] = {present: None, target: None}

    def _strike(self, target: ProbeTarget, key: str | None) -> None:
        present = None if key is None else self._at.get(key)
        if key is None or present is None:
            return
        if present is target:
            del self._at[key]
        elif isinstance(present, dict) and target in present:
            del present[target]
            if len(present) == 1:
                (self._at[key],) = present


def _key(host: str, port: int, *, connected: bool) -> str:
    return f"{host}:{port}+" if connected else f"{host}:{port}"


def _key_of(target: ProbeTarget) -> str | None:
    address = target.address
    if address is None:
        return None
    return _key(address[0], address[1], connected=target.settings.reliable)
