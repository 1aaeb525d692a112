"""A switch on paper: it has a list, can be away, can say no, and writes down what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trunkpulse.config.switches import SwitchSettings, SwitchType, SwitchUrl
from trunkpulse.ports import Entry, Switch, SwitchRefused, SwitchUnreachable


class PaperSwitch:
    """The switch itself. It outlives the connections that adapters have with it."""

    def __init__(self, *uris: str, by_address: bool = True) -> None:
        self.by_address = by_address
        self.states: dict[str, bool] = dict.fromkeys(uris, True)
        self.held: set[str] = set()
        self.refused: set[str] = set()
        """Of these it takes no orders."""
        self.away = False
        self.shy = False
        """It is there, and says no to whatever it is asked."""
        self.answer_seconds = 0.001
        self.reads = 0
        self.orders: list[tuple[str, bool]] = []
        self.connections = 0

    def connect(self, settings: SwitchSettings) -> Switch:
        self.connections += 1
        return _Connection(self)

    def restart(self) -> None:
        """What it was told is forgotten."""
        self.states = dict.fromkeys(self.states, True) if self.by_address else {}


class _Connection:
    def __init__(self, paper: PaperSwitch) -> None:
        self._paper = paper
        self._closed = False
        self.by_address = paper.by_address

    async def read(self, names: Sequence[str]) -> Sequence[Entry]:
        await self._reach()
        paper = self._paper
        paper.reads += 1
        if not self.by_address:
            return [Entry(name, None, paper.states.get(name)) for name in names]
        return [
            Entry(uri, uri, up, "1", held=uri in paper.held) for uri, up in paper.states.items()
        ]

    async def write(self, key: str, *, up: bool) -> None:
        await self._reach()
        if key in self._paper.refused:
            raise SwitchRefused("The switch takes no orders; ask somebody else.")
        self._paper.orders.append((key, up))
        self._paper.states[key] = up

    async def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._paper.connections -= 1

    async def _reach(self) -> None:
        await asyncio.sleep(self._paper.answer_seconds)
        if self._paper.away:
            raise SwitchUnreachable("The switch does not answer; check that it runs.")
        if self._paper.shy:
            raise SwitchRefused("The switch does not let us in; check the password.")


EDGE = SwitchSettings(id="edge", type=SwitchType.KAMAILIO, url=SwitchUrl("tcp", "127.0.0.1", 2049))


def settings(**others: Any) -> SwitchSettings:
    """Of the switch "edge"."""
    return replace(EDGE, **others)
