"""What the roster knows, as those who tell switches want to know it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence

from trunkpulse.board import Board
from trunkpulse.config.switches import SwitchSettings
from trunkpulse.health.rollup import roll_up
from trunkpulse.model import Reason, TargetState, TrunkState
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import DocumentStore, MachineClock, Switch
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster import Roster
from trunkpulse.switching.standing import Place, TargetStanding, TrunkStanding
from trunkpulse.switching.switches import Switches

__all__ = ["switches_of"]


class _RosterTrunks:
    """``Trunks`` of the roster."""

    def __init__(self, roster: Roster, began: float) -> None:
        """The process ``began`` then, in wall-clock seconds."""
        self._roster = roster
        self._began = began

    def ids(self) -> Iterable[str]:
        return self._roster.records()

    def standing(self, trunk_id: str) -> TrunkStanding | None:
        record = self._roster.records().get(trunk_id)
        if record is None:
            return None
        targets = tuple([_standing(target, self._began) for target in record.targets])
        return TrunkStanding(
            record.state,
            record.reason is not Reason.ADMIN_DISABLED,
            targets,
            watched=record.trunk.keepalive.enabled,
            licensed=record.reason is not Reason.LICENSE_ISSUE,
            proven=all(target.proven for target in targets) or _is_proven(record, targets),
        )


def _standing(target: ProbeTarget, began: float) -> TargetStanding:
    place = target.place
    where = None if place is None else Place(place.protocol, place.address[0], place.address[1])
    return TargetStanding(target.uri, where, target.state, _is_borne_out(target, began))


def _is_borne_out(target: ProbeTarget, began: float) -> bool:
    """True if an attempt of this life of the process agrees with what is believed of ``target``.

    The life ``began`` then, in wall-clock seconds; the first success that is remembered may be of
    the one before. All others are of this life, also if the clock was set back since.

    One is enough: what was decided in the last life and what is seen in this one are two witnesses.
    """
    state = target.state
    if state is TargetState.DOWN:
        # A failure that is held (the prober suspects itself) is not in the run.
        return target.failures > 0 or (target.successes > 0 and target.failure is not None)
    if state is TargetState.UNKNOWN:
        return True
    if not target.attempts:
        return target.code is not None  # a bad answer would be remembered
    first, *others = target.runs()
    return (first.success and first.at >= began) or any(each.success for each in others)


def _is_proven(record: TrunkRecord, targets: Sequence[TargetStanding]) -> bool:
    """True if those targets that are borne out are enough for the trunk to be up, or down."""
    shown = roll_up(
        [each.state if each.proven else TargetState.UNKNOWN for each in targets],
        min_available=min(record.trunk.min_available_targets, len(targets)),
        previous=TrunkState.UNKNOWN,
    )
    return shown is not TrunkState.UNKNOWN and (
        (shown is TrunkState.DOWN) is (record.state is TrunkState.DOWN)
    )


def switches_of(
    tasks: asyncio.TaskGroup,
    *,
    store: DocumentStore,
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
        _RosterTrunks(roster, clock.wall()),
        store=store,
        switch_for=switch_for,
        watch=watch,
        clock=clock,
        rng=rng,
    )
