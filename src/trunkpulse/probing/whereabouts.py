"""Which targets are at an address: for who has seen a message between two addresses.

Kept only while somebody asks, and by and by, as targets come and go: there may be a million. An
address is one text, because a pair for each would take twice the memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from trunkpulse.ports import Address
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
        self._connected: dict[str, dict[int, set[ProbeTarget]]] = {}
        """By host and port, those that are probed over connections."""

    def add(self, targets: Iterable[ProbeTarget]) -> None:
        """These are probed, at the addresses that they have now, if they have any."""
        for target in targets if self._kept else ():
            if target.written is None:
                self._move(target)
            else:
                self._list(target, self._key(target.address))

    def remove(self, targets: Iterable[ProbeTarget]) -> None:
        """These are probed no longer."""
        for target in targets if self._kept else ():
            key = self._named.pop(target, None) or self._key(target.address)
            self._strike(target, key)

    def find(self, address: tuple[str, int], connected: bool) -> tuple[str, int] | None:  # noqa: FBT001 - calls.ledger.Find
        """Where the targets that a message from or to ``address`` concerns are; None: nowhere.

        Over a connection the far side's port may be any; then the host has to be that of one.
        """
        host, port = address
        if f"{host}:{port}" in self._at:
            return address
        ports = self._connected.get(host) if connected else None
        if ports is None or len(ports) != 1:
            return None
        return host, next(iter(ports))

    def at(self, address: tuple[str, int]) -> Sequence[ProbeTarget]:
        """The targets there; none if they are too many."""
        found = self._at.get(f"{address[0]}:{address[1]}")
        if found is None:
            return ()
        if isinstance(found, ProbeTarget):
            return (found,)
        return () if len(found) > MOST_TOLD_APART else tuple(islice(found, MOST_TOLD_APART))

    @staticmethod
    def _key(address: Address | None) -> str | None:
        return None if address is None else f"{address[0]}:{address[1]}"

    def _move(self, target: ProbeTarget) -> None:
        before, key = self._named.get(target), self._key(target.address)
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
        if target.settings.reliable:
            host, port = _parts(key)
            self._connected.setdefault(host, {}).setdefault(port, set()).add(target)

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
        host, port = _parts(key)
        ports = self._connected.get(host, {})
        if port in ports:
            ports[port].discard(target)
            if not ports[port]:
                del ports[port]
            if not ports:
                del self._connected[host]


def _parts(key: str) -> tuple[str, int]:
    host, _, port = key.rpartition(":")
    return host, int(port)
