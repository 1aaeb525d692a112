"""What the roster knows, as those who tell switches want to know it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable

from trunkpulse.board import Board
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.model import Reason
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import MachineClock, Switch
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.roster import Roster
from trunkpulse.switching.standing import Place, TargetStanding, TrunkStanding
from trunkpulse.switching.switches import Switches

__all__ = ["switches_of"]


class _RosterTrunks:
    """``Trunks`` of the roster."""

    def __init__(self, roster: Roster) -> None:
        self._roster = roster

    def ids(self) -> Iterable[str]:
        return self._roster.records()

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        record = self._roster.records().get(trunk_id)
        if record is None:
            return None
        return TrunkStanding(
            record.state,
            record.reason is not Reason.ADMIN_DISABLED,
            tuple([_standing(target) for target in record.targets]),
            watched=record.trunk.keepalive.enabled,
            licensed=record.reason is not Reason.LICENSE_ISSUE,
        )


def _standing(target: ProbeTarget) -> TargetStanding:
    place = target.place
    where = None if place is None else Place(place.protocol, place.address[0], place.address[1])
    return TargetStanding(target.uri, where, target.state)


def switches_of(
    tasks: asyncio.TaskGroup,
    *,
    switch_for: Callable[[SwitchSettings], Switch] | None,
    clock: MachineClock,
    rng: random.Random,
    board: Board,
    pipeline: Pipeline,
    roster: Roster,
) -> Switches:
    """The switches of a node of these parts; none are declared yet."""

    def watch(switches: Switches) -> None:
        board.watch(switches)
        pipeline.target_moved = switches.target_moved
        pipeline.relocated = switches.relocated

    return Switches(
        tasks,
        _RosterTrunks(roster),
        switch_for=switch_for,
        watch=watch,
        clock=clock,
        rng=rng,
    )
