"""The trunks that are run: which there are, and what an administrator does with one."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import partial

from trunkpulse.board import Board
from trunkpulse.model import TransportProtocol, Trunk, TrunkState
from trunkpulse.pipeline import Pipeline
from trunkpulse.ports import Location, MachineClock, Resolver, StoredHealth, TransportPlan
from trunkpulse.probing.locating import Locator, Watch
from trunkpulse.probing.prober import Prober
from trunkpulse.probing.publicity import PublicAddresses
from trunkpulse.probing.sight import Sight
from trunkpulse.probing.sockets import (
    COMMON_PLANS,
    GONE,
    AddressTowards,
    OpenTransport,
    ProbeSockets,
    plans_of,
)
from trunkpulse.probing.target import ProbeSettings, ProbeTarget
from trunkpulse.probing.targeting import Retargeted, Targeting
from trunkpulse.probing.watchdog import Watchdog
from trunkpulse.probing.whereabouts import Whereabouts
from trunkpulse.progress import Progress, Step, unseen
from trunkpulse.recorder import TrunkRecord
from trunkpulse.roster.absent import Absent
from trunkpulse.roster.duty import Duty
from trunkpulse.roster.errors import UnknownTrunk
from trunkpulse.roster.looking_up import look_up
from trunkpulse.roster.turns import GLANCES_PER_TURN, TRUNKS_PER_TURN, in_turns

__all__ = ["Applied", "Roster"]

HANDFUL = 20
"""New targets that are probed at once; more are spread over an interval."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What a configuration changed, by trunk id."""

    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


class Roster:
    """See the package's opening; the pipeline's ``Keeper``."""

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        clock: MachineClock,
        board: Board,
        resolver: Resolver,
        open_transport: OpenTransport,
        address_towards: AddressTowards,
        user_agent: str,
        rng: random.Random,
        answers_at: Collection[tuple[TransportProtocol, str, int]] = (),
        whereabouts: Whereabouts | None = None,
    ) -> None:
        """Probe nothing yet; ``answers_at`` is where we listen over connections."""
        self._pipeline = pipeline
        self._clock = clock
        self._board = board
        self._records: dict[str, TrunkRecord] = {}
        self._absent = Absent()
        self.whereabouts = whereabouts or Whereabouts(kept=False)
        self.locator = Locator(resolver, clock, self._located)
        self.sight = Sight(clock)
        self.prober = Prober(
            clock=clock, sink=pipeline, look_up=partial(look_up, self.locator), sight=self.sight
        )
        self.numbers = self.prober.numbers
        self.sockets = ProbeSockets(
            self.prober, open_transport, address_towards, user_agent, answers_at
        )
        self.targeting = Targeting(self.sockets, self.locator, self._adopt)
        self.public = PublicAddresses(self.sockets)
        self.watchdog = Watchdog(
            clock=clock,
            sight=self.sight,
            turns=self.prober.turns,
            paces=self.sockets.paces,
            transports=self.sockets.transports,
        )
        self._duty = Duty(self._records, pipeline, self.prober, clock=clock, rng=rng)
        pipeline.keeper = self

    # --- what the pipeline asks (Keeper) -----------------------------------------------------

    def record_of(self, target: ProbeTarget) -> TrunkRecord:
        """The trunk that ``target`` is one of."""
        return self._records[target.owner]

    def is_kept(self, record: TrunkRecord) -> bool:
        """False if the trunk is no longer configured."""
        return self._records.get(record.trunk.id) is record

    def why_challenged(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        return self.prober.why_challenged(target)

    def learn(self, target: ProbeTarget, data: bytes, now: float) -> None:
        """``data``, an answer, may say as whom we are seen."""
        self.public.learn(target, data, now)

    def decided(self, record: TrunkRecord, target: ProbeTarget) -> None:
        """Targets that stayed until those that took over from them were decided may go."""
        left = self.targeting.decided(record.trunk, target.uri, record.targets)
        if left is not None:
            self._take_over(record, left)

    def resume(self, record: TrunkRecord) -> None:
        """Start the trunk's probes that rest, if it shall be probed; else stop them."""
        self._duty.set_going(record)

    # --- where names lead ------------------------------------------------------------------

    def _located(self, watches: Collection[Watch], location: Location) -> None:
        """The DNS says where these lead: a target for each place, what is gone is let go."""
        servers = self.targeting.within_reach(location.servers)
        fresh: list[ProbeTarget] = []
        for trunk_id, uri in watches:
            record = self._records.get(trunk_id)
            if record is None:
                continue
            found = self.targeting.relocate(record.trunk, uri, record.targets, servers)
            if found is not None:
                self._take_over(record, found)
                if self._duty.is_active(record):
                    fresh += found.fresh
        if len(fresh) > HANDFUL:
            self.prober.spread(fresh)
            return
        now = self._clock.monotonic()
        for target in fresh:
            self.prober.probe_at(target, now)

    def _adopt(self, target: ProbeTarget, settings: ProbeSettings) -> None:
        """Have a target that is there already go on with these settings."""
        moves = settings.transport is not target.settings.transport
        if moves and target.awaiting:
            # Its answer would come to a transport that is closed by then: it is asked anew.
            self.prober.pause(target)
            self.prober.probe_at(target, self._clock.monotonic())
        elif target.awaiting:
            self.prober.unfold(target)
        paced_anew = settings.pace is not target.settings.pace
        target.adopt(self.public.known(target, settings))
        if paced_anew:
            self.prober.ask_again((target,))  # the place that it waits for is of the other cap

    def _take_over(self, record: TrunkRecord, found: Retargeted) -> None:
        record.targets = found.targets
        self.whereabouts.add(found.targets)
        self._pipeline.relocated(record.trunk.id)
        if not found.fresh and not found.gone:
            return
        self._drop(found.gone)
        self.prober.add(found.fresh)
        self._pipeline.decide(record)
        self._pipeline.recorder.enqueue(record)

    # --- which trunks there are ------------------------------------------------------------

    def restore(self, stored: dict[str, StoredHealth]) -> None:
        """Before the first ``apply``: the states that trunks had when last recorded."""
        self._absent.restore(stored)

    async def pace(self, total: float | None, carriers: Mapping[str, float]) -> None:
        """From now on these caps, in probes per second; who waited for others asks again."""
        if self.sockets.paces.change(total, carriers):
            async for part in in_turns(self.prober.waiting(), GLANCES_PER_TURN):
                self.prober.ask_again(part)

    async def prepare(self, trunks: Sequence[Trunk]) -> None:
        """Open the sockets that these trunks will need, or raise OSError and open none."""
        plans: set[TransportPlan] = set()
        async for part in in_turns(trunks, GLANCES_PER_TURN):
            for trunk in part:
                record = self._records.get(trunk.id)
                if record is None or not self._is_as(record, trunk):
                    plans.update(plans_of(trunk))
        self.sockets.prepare(plans)

    async def apply(
        self, trunks: Sequence[Trunk], progress: Progress = unseen, *, user_agent: str | None = None
    ) -> Applied:
        """From now on these are the trunks. One that did not change is not touched.

        ``user_agent`` is what probes call their sender from now on; None: as before.
        A target that a changed trunk keeps goes on with its state and its next probe as planned.

        Done some hundred trunks at a time, so that the probes of the others leave on time: readers
        see some trunks changed earlier than others. Nothing can fail on the way, so nothing stays
        half changed: the sockets are there already (``prepare``). One call at a time.
        """
        anew = self.sockets.call_sender(user_agent)
        removed = await self._remove_all_but(trunks)
        added, changed = await self._bring_up(trunks, progress, anew=anew)
        if anew or changed or removed:
            self.sockets.close_unused()
        return Applied(tuple(added), tuple(changed), tuple(removed))

    async def _bring_up(
        self, trunks: Sequence[Trunk], progress: Progress = unseen, *, anew: bool = False
    ) -> tuple[Sequence[str], Sequence[str]]:
        """Run those that are not run so yet (all, if ``anew``); ids of the new and the changed."""
        added: list[str] = []
        changed: list[str] = []
        paced: list[str] = []
        done = undecided = 0
        async for part in in_turns(trunks, TRUNKS_PER_TURN):
            for trunk in part:
                record = self._records.get(trunk.id)
                if record is None:
                    added.append(trunk.id)
                elif not anew and self._is_as(record, trunk):
                    continue
                else:
                    (paced if record.trunk == trunk else changed).append(trunk.id)
                undecided += self._take_on(trunk, record).state is TrunkState.UNKNOWN
            done += len(part)
            progress(Step.STARTING, done, len(trunks))
        await self._duty.begin([*changed, *paced, *added], undecided=undecided)
        return added, changed

    async def put(
        self, trunks: Sequence[Trunk], *, enabled: AbstractSet[str] = frozenset()
    ) -> None:
        """From now on these are among the trunks; no others are touched, or looked at.

        Of those ``enabled``, by id, it is forgotten that an administrator disabled them, or
        somebody of that name who is gone.

        Their sockets are there already (``prepare``), so nothing can fail on the way. One call of
        this, of ``apply`` or ``remove`` at a time.
        """
        left: set[TransportPlan] = set()
        pardoned: list[str] = []
        async for part in in_turns(trunks, TRUNKS_PER_TURN):
            for trunk in part:
                record = self._records.get(trunk.id)
                if trunk.id in enabled and (
                    not record.admin_enabled if record else self._absent.pardon(trunk.id)
                ):
                    pardoned.append(trunk.id)
                if record is not None and not self._is_as(record, trunk):
                    left.update(plans_of(record.trunk))
        await self._bring_up(trunks)
        async for ids in in_turns(pardoned, TRUNKS_PER_TURN):
            for trunk_id in ids:
                self._pipeline.recorder.enqueue(self.set_admin_enabled(trunk_id, enabled=True))
        self._close_what_was_left(left)

    def remove(self, trunk_id: str) -> None:
        """Let this trunk go, and no other; raises UnknownTrunk. Not while ``apply`` is under way.

        What is known of it is in the database, and if it comes back it goes on counting. That an
        administrator disabled it goes with it.
        """
        record = self.record(trunk_id)
        if not record.admin_enabled:
            record.admin_enabled = True
            self._pipeline.recorder.enqueue(record)
        self._retire(record)
        self._absent.forget_oldest()
        self._close_what_was_left(plans_of(record.trunk))

    def _close_what_was_left(self, plans: Iterable[TransportPlan]) -> None:
        """Close what nobody leaves by any more, if it was not for all trunks.

        Whether others do takes a look at all settings.
        """
        if not COMMON_PLANS.issuperset(plans):
            self.sockets.close_unused()

    async def _remove_all_but(self, trunks: Sequence[Trunk]) -> Sequence[str]:
        """Let all others go; gives their ids."""
        removed: list[str] = []
        if not self._records:  # as at every start
            return removed
        wanted: set[str] = set()
        async for part in in_turns(trunks, GLANCES_PER_TURN):
            wanted.update([trunk.id for trunk in part])
        async for ids in in_turns(list(self._records), TRUNKS_PER_TURN):
            for trunk_id in ids:
                if trunk_id not in wanted:
                    self._retire(self._records[trunk_id])
                    removed.append(trunk_id)
        return removed

    def _is_as(self, record: TrunkRecord, trunk: Trunk) -> bool:
        """True if what runs is already as ``trunk`` says."""
        if not (record.trunk is trunk or record.trunk == trunk):
            return False
        pace = self.sockets.paces.of(trunk.carrier)  # caps are no part of the trunk
        return not record.targets or record.targets[0].settings.pace is pace

    def _take_on(self, trunk: Trunk, record: TrunkRecord | None) -> TrunkRecord:
        """Run a trunk that changed, or is new (``record`` None); new targets rest until spread."""
        stored = None
        if record is None:
            stored = self._absent.recorded(trunk.id)
            record = self._admit(trunk, stored)
        present = record.targets
        # Most of a million: nothing is known of the trunk, so nothing follows from it.
        in_service = record.admin_enabled and trunk.enabled and self._pipeline.licensed
        is_blank = in_service and not (present or stored)
        record.trunk = trunk
        found = self.targeting.retarget(trunk, present, stored.targets if stored else ())
        self._drop(found.gone)
        record.targets = found.targets
        self.whereabouts.add(found.targets)
        self.prober.add(found.fresh)
        if not is_blank:
            self._pipeline.decide(record)
        self._pipeline.publish(record)
        if len(found.fresh) < len(found.targets) or not self._duty.is_active(record):
            # Those that rest are spread with the new ones: many may be enabled at once.
            self._duty.set_going(record, but_not=found.fresh, wake=False)
        return record

    def _admit(self, trunk: Trunk, stored: StoredHealth | None) -> TrunkRecord:
        record = self._absent.back(trunk.id)
        if record is None:
            record = TrunkRecord(trunk, stored)
        self._pipeline.recorder.keep(record)
        self._records[trunk.id] = record
        return record

    def _retire(self, record: TrunkRecord) -> None:
        trunk_id = record.trunk.id
        self._drop(record.targets)
        self.targeting.unwatch(record.trunk)
        record.retire()
        del self._records[trunk_id]
        self._absent.keep(record)
        self._board.remove(trunk_id)
        self._pipeline.recorder.forget(record)

    def _drop(self, targets: Sequence[ProbeTarget]) -> None:
        self.whereabouts.remove(targets)
        for target in targets:
            self.public.forget(target)
            if target.index >= 0:
                self.prober.remove(target)
            target.settings = GONE  # the schedule forgets it only when its turn would have come

    # --- what an administrator does ----------------------------------------------------------

    def record(self, trunk_id: str) -> TrunkRecord:
        """The trunk as it runs, to read; raises UnknownTrunk."""
        try:
            return self._records[trunk_id]
        except KeyError:
            raise UnknownTrunk(trunk_id) from None

    def records(self) -> Mapping[str, TrunkRecord]:
        """All trunks as they run, by id, to read."""
        return self._records

    def set_admin_enabled(self, trunk_id: str, *, enabled: bool) -> TrunkRecord:
        """Disable or enable a trunk, at once; ``recorder.written`` tells when it is durable."""
        record = self.record(trunk_id)
        if record.admin_enabled != enabled:
            record.admin_enabled = enabled
            self._pipeline.decide(record)
            self._duty.set_going(record)
            self._pipeline.recorder.enqueue(record)
        return record

    async def license(self, *, licensed: bool) -> None:
        """Take all trunks out of service, or put them back, some hundred at a time.

        Not while ``apply`` runs.
        """
        self._pipeline.licensed = licensed
        trunk_ids = list(self._records)
        async for ids in in_turns(trunk_ids, TRUNKS_PER_TURN):
            for trunk_id in ids:
                record = self._records.get(trunk_id)
                if record is not None:
                    self._pipeline.decide(record)
                    self._duty.set_going(record, wake=False)
        if licensed:
            await self._duty.begin(trunk_ids, undecided=len(trunk_ids))

    def is_probed(self, record: TrunkRecord) -> bool:
        """True if the trunk is in service and has keepalives."""
        return self._duty.is_active(record)

    def probe_now(self, trunk_id: str) -> int:
        """Probe the trunk's targets at once; returns how many (0: it is not being probed)."""
        record = self.record(trunk_id)
        if not self._duty.is_active(record):
            return 0
        now = self._clock.monotonic()
        for target in record.targets:
            self.prober.probe_at(target, now)
        return len(record.targets)
