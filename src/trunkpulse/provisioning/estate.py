"""All trunks: those that the file declares and those of the API, under the settings in force."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice

from trunkpulse.config import Config
from trunkpulse.config.inheritance import Inheritance
from trunkpulse.model import Trunk
from trunkpulse.provisioning.planning import Heirs
from trunkpulse.provisioning.settings import GlobalSettings
from trunkpulse.provisioning.trunks import MadeTrunks

__all__ = ["Estate", "combined", "first_ids", "some_ids"]

PER_TURN = 2000


@dataclass(frozen=True, slots=True)
class Estate:
    """What is to run; nothing of it does yet."""

    config: Config
    """What the file declares, with the settings in force in its place."""
    trunks: Sequence[Trunk]
    """Those of the file first."""
    heirs: Heirs
    """What `MadeTrunks.adopt` takes once all of it runs."""


async def combined(declared: Config, settings: GlobalSettings, made: MadeTrunks) -> Estate:
    """What is to run once the file declares ``declared``; raises Exists for an id of both."""
    await made.check_distinct(declared.trunks)
    default, user_agent = settings.effective(declared)
    config = declared
    if user_agent != declared.sip.user_agent:
        config = replace(config, sip=replace(config.sip, user_agent=user_agent))
    if default is not declared.keepalive:
        trunks = await _under(Inheritance(default), declared.trunks)
        config = replace(config, keepalive=default, trunks=trunks)
    heirs = await made.heirs_of(default)
    return Estate(config, (*config.trunks, *heirs.trunks()), heirs)


async def _under(inheritance: Inheritance, trunks: Sequence[Trunk]) -> tuple[Trunk, ...]:
    found: list[Trunk] = []
    for start in range(0, len(trunks), PER_TURN):
        found += map(inheritance.trunk, trunks[start : start + PER_TURN])
        await asyncio.sleep(0)
    return tuple(found)


def first_ids(config: Config, made: MadeTrunks, count: int) -> Iterator[str]:
    """The ids of the first so many trunks, those of the file before those of the API."""
    of_file = (trunk.id for trunk in config.trunks)
    return islice(chain(of_file, made.ids(0, count)), count)


def some_ids(config: Config, made: MadeTrunks, start: int, count: int) -> Sequence[str]:
    """The same from a place in that order on; empty beyond the last one."""
    of_file = [trunk.id for trunk in config.trunks[start : start + count]]
    beyond = max(0, start - len(config.trunks))
    return [*of_file, *made.ids(beyond, count - len(of_file))]
