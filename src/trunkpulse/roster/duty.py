"""Which trunks are probed: those in service, unless they are configured not to be."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import Clock
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.schedule import NEVER
from trunkpulse.probing.starting import start_probes
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster.turns import GLANCES_PER_TURN, in_turns

__all__ = ["Duty"]

UNDECIDED_PER_SECOND = 9_000
"""Of the trunks that nothing is known of yet, so many begin in a second: each is soon asked again,
and what is decided is recorded, which takes longer than a few probes."""
DECIDED_PER_SECOND = 35_000


class Duty:
    """Starts the probes of trunks that are on duty, and stops those of all others."""

    def __init__(
        self,
        records: Mapping[str, TrunkRecord],
        pipeline: Pipeline,
        prober: Prober,
        *,
        clock: Clock,
        rng: random.Random,
    ) -> None:
        """``records`` are the trunks as they run, by id; the roster changes them."""
        self._records = records
        self._pipeline = pipeline
        self._prober = prober
        self._clock = clock
        self._rng = rng

    def is_active(self, record: TrunkRecord) -> bool:
        """True if the trunk shall be probed."""
        trunk = record.trunk
        in_service = trunk.enabled and record.admin_enabled and self._pipeline.licensed
        return in_service and trunk.keepalive.enabled

    def set_going(
        self, record: TrunkRecord, but_not: Sequence[ProbeTarget] = (), *, wake: bool = True
    ) -> None:
        """Start the probes of an active trunk that rest, stop those of any other.

        ``wake``: False if somebody else is about to spread those that rest.
        """
        if self.is_active(record):
            start_probes(
                record.targets,
                self._prober,
                clock=self._clock,
                rng=self._rng,
                but_not=but_not,
                wake=wake,
            )
            return
        for target in record.targets:
            self._prober.pause(target)

    async def begin(self, trunk_ids: Sequence[str], *, undecided: int) -> None:
        """Spread the probes that rest of these trunks, of so many of which nothing is known."""
        decided = len(trunk_ids) - undecided
        seconds = undecided / UNDECIDED_PER_SECOND + decided / DECIDED_PER_SECOND
        async for ids in in_turns(trunk_ids, GLANCES_PER_TURN):
            self._prober.spread([*self._resting(ids)], seconds)

    def _resting(self, trunk_ids: Sequence[str]) -> Iterator[ProbeTarget]:
        """The targets of these trunks that shall be probed, and have no next probe yet."""
        for trunk_id in trunk_ids:
            record = self._records.get(trunk_id)
            if record is not None and self.is_active(record):
                for target in record.targets:
                    if target.due_tick == NEVER and not self._prober.is_under_way(target):
                        yield target
