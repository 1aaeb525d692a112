"""Worlds in which everything may fall silent at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from simulation.invariants import recorded_prober_events
from simulation.setups import config, stream, trunk
from simulation.world import World
from trunkpulse.config.settings import Config
from trunkpulse.model import EventType, ProberEvent, Trunk
from trunkpulse.ports import Address, LinkProblem

LOST = "the network interface lan is down"


class Link:
    """A ``LinkWatch`` that says what it is told to say."""

    def __init__(self) -> None:
        self.down = False
        self.silent_name_servers = False

    async def problem(self, paths: Sequence[tuple[str, Address]]) -> LinkProblem | None:
        return LinkProblem(LOST, ("lan",)) if self.down and paths else None

    async def resolver_problem(self) -> str | None:
        return "no name server answers" if self.silent_name_servers else None


class Cut:
    """A world whose far ends can all fall silent at once."""

    def __init__(self, seed: int, number: int, *, carriers: int = 0) -> None:
        self.world = World(seed)
        self.link = Link()
        self.world.link = self.link
        names = [f"carrier-{at % carriers}" if carriers else None for at in range(number)]
        self.trunks = [trunk(at + 1, carrier=name) for at, name in enumerate(names)]

    @property
    def config(self) -> Config:
        return with_streams(config(*self.trunks))

    def silence(self, *carriers: str | None, mode: str = "silent") -> None:
        """These carriers' far ends, or all, are like that from now on."""
        for each in self.trunks:
            if not carriers or each.carrier in carriers:
                self.set_mode(each, mode)

    def bring_up(self) -> None:
        self.silence(mode="up")

    def set_mode(self, of: Trunk, mode: str) -> None:
        """All that this trunk leads to is like that from now on."""
        for target in of.targets:
            self.world.network.far_end(target.removeprefix("sip:")).mode = mode


def with_streams(setup: Config) -> Config:
    """One more stream, which gets everything."""
    everything = tuple(each.value for each in EventType)
    both = replace(stream("both"), event_types=everything)
    return replace(setup, event_streams=(*setup.event_streams, both))


def ms(world: World) -> int:
    return int(world.clock.wall() * 1000)


async def settled(cut: Cut) -> None:
    """All trunks are AVAILABLE, and the moment is as good as any."""
    cut.bring_up()
    await cut.world.clock.advance(100 + cut.world.rng.uniform(0, 30))


async def states(cut: Cut) -> list[ProberEvent]:
    """What the prober said of itself."""
    return await recorded_prober_events(cut.world)
