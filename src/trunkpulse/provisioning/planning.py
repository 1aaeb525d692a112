"""What a change of trunks is made of: who has a say in it, and what is to be there."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from trunkpulse.config.inheritance import Inheritance
from trunkpulse.config.trunk_documents import MadeTrunk, TrunkDocuments
from trunkpulse.model import KeepalivePolicy, Trunk
from trunkpulse.provisioning.keeping import KeptTrunk

__all__ = ["Heirs", "Inspection", "Planned", "RoutesOf", "heirs_under"]

PER_TURN = 100
"""Trunks that are made before the event loop does anything else."""


class Inspection(Protocol):
    """Whoever asks for a change has a say in it."""

    def found(self, trunk: Trunk, kept: KeptTrunk | None) -> None:
        """This trunk is there, and to be changed; raises to have nothing done.

        ``kept`` None: the file declares it.
        """

    def wanted(self, trunk: Trunk) -> None:
        """This is what it would be; raises to have nothing done."""


class Planned(NamedTuple):
    """A trunk that is to be there."""

    made: MadeTrunk
    before: KeptTrunk | None
    """None: it is new."""
    changes: bool
    """False if it is like that already."""
    enables: bool = False
    """True if a disable of an administrator is none any more."""

    def counted(self, now_ms: int) -> KeptTrunk:
        """As it is kept."""
        if self.before is None:
            return KeptTrunk(self.made, 1, now_ms, now_ms)
        return KeptTrunk(self.made, self.before.revision + 1, self.before.created_ms, now_ms)


class Heirs(NamedTuple):
    """All trunks of the API under other defaults."""

    default: KeepalivePolicy
    documents: TrunkDocuments
    kept: dict[str, KeptTrunk]

    def trunks(self) -> list[Trunk]:
        """The trunks themselves."""
        return [each.made.trunk for each in self.kept.values()]


async def heirs_under(default: KeepalivePolicy, kept: Mapping[str, KeptTrunk]) -> Heirs:
    """``kept`` as they are once they inherit ``default``."""
    inheritance = Inheritance(default)
    heirs: dict[str, KeptTrunk] = {}
    for number, (trunk_id, each) in enumerate(kept.items(), start=1):
        trunk = inheritance.trunk(each.made.trunk)
        heirs[trunk_id] = each._replace(made=MadeTrunk(trunk, each.made.said))
        if number % PER_TURN == 0:
            await asyncio.sleep(0)
    return Heirs(default, TrunkDocuments(default), heirs)


class RoutesOf(Protocol):
    """Knows which routes a trunk is part of."""

    def __call__(self, trunk_id: str) -> Sequence[str]:
        """Their ids."""
