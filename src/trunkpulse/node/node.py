"""The parts of a running trunkpulse, put together; how they start, change and end."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable, Iterator, Sequence

import structlog

from trunkpulse.access.licence import Entitlement
from trunkpulse.admission.idempotency import KeptAnswers
from trunkpulse.admission.licensing import Licensing
from trunkpulse.board import Board
from trunkpulse.config import Config
from trunkpulse.events.alert_book import AlertGrounds
from trunkpulse.events.announcing import Announcements
from trunkpulse.events.delivery import Deliveries
from trunkpulse.events.endurance import Endurance
from trunkpulse.events.maintenance import Maintenance
from trunkpulse.events.subscriptions import Subscriptions
from trunkpulse.model import (
    EventStream,
    IsolationEvidence,
    ProberEvent,
    ProberState,
    StateChange,
    Trunk,
)
from trunkpulse.node.live_calls import LiveCalls
from trunkpulse.node.made import Made
from trunkpulse.node.outside import Outside
from trunkpulse.node.readiness import problems_of
from trunkpulse.node.switch_trunks import switches_of
from trunkpulse.node.telling import log_changes
from trunkpulse.node.upkeep import checkpoint, prune
from trunkpulse.pipeline import Pipeline
from trunkpulse.probing.expiry import watch_certificates
from trunkpulse.probing.isolation import Isolation
from trunkpulse.probing.rollup import MinuteRollup
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.probing.whereabouts import Whereabouts
from trunkpulse.progress import Progress, unseen
from trunkpulse.provisioning.estate import Estate, first_ids, some_ids
from trunkpulse.roster import Applied, Roster
from trunkpulse.routing.selection import CallRequest, Decision

__all__ = ["Node"]

log = structlog.get_logger(__name__)

LAST_MINUTE_SECONDS = 0.5
"""What a stop waits for the numbers of the minute that is not over yet."""


class Node:
    """See the package's opening. Lives inside the TaskGroup that it is given."""

    def __init__(self, config: Config, outside: Outside, tasks: asyncio.TaskGroup) -> None:
        self.config = config
        """What is in force: what the file declares, with the settings of the API."""
        self.declared = config
        self._begun_with = config
        """What the process started with, for what only a restart can change."""
        self.board = Board()
        self._outside = outside
        self._tasks = tasks
        self.pipeline = Pipeline(
            clock=outside.clock,
            store=outside.store,
            board=self.board,
            instance_id=config.instance.id,
            region=config.instance.region,
            recorded=self._recorded,
            rng=outside.rng,
        )
        self.roster = Roster(
            self.pipeline,
            clock=outside.clock,
            board=self.board,
            resolver=outside.resolver,
            open_transport=outside.open_transport,
            address_towards=outside.address_towards,
            user_agent=config.sip.user_agent,
            rng=outside.rng,
            answers_at=[
                (each.protocol, each.host, each.port)
                for each in config.sip.listen
                if each.protocol.reliable
            ],
            whereabouts=Whereabouts(kept=bool(config.hep.listen)),
        )
        self.switches = switches_of(
            tasks,
            store=outside.store,
            switch_for=outside.switch_for,
            clock=outside.clock,
            rng=random.Random(f"switches of {config.instance.id}"),
            board=self.board,
            pipeline=self.pipeline,
            roster=self.roster,
        )
        self.live_calls = LiveCalls(
            config.hep, roster=self.roster, pipeline=self.pipeline, clock=outside.clock
        )
        self.pipeline.recorder.overdue_seconds = self.roster.prober.turns.overdue_seconds
        self.endurance = Endurance(
            outside.store,
            instance_id=config.instance.id,
            region=config.instance.region,
            clock=outside.clock,
            rng=outside.rng,
            writing=self.pipeline.recorder.writing,
            recorded=self._announced,
        )
        self.maintenance = Maintenance(outside.store, changed=self._replanned)
        self._knows_trunks = False
        self.deliveries = Deliveries(
            tasks,
            outbox=outside.store,
            sink_for=outside.sink_for,
            clock=outside.clock,
            rng=outside.rng,
            endurance=self.endurance,
            grounds=AlertGrounds(
                store=outside.store,
                maintenance=self.maintenance,
                trunk=self._trunk,
                status=self.board.status,
                region=config.instance.region,
                ready=lambda: self._knows_trunks,
            ),
        )
        self.announcements = Announcements(
            outside.store,
            config.instance.id,
            writing=self.pipeline.recorder.writing,
            recorded=self._announced,
        )
        self.subscriptions = Subscriptions(
            outside.store,
            outside.vault,
            clock=outside.clock,
            deliveries=self.deliveries,
            writing=self.pipeline.recorder.writing,
            tell=self._tell,
        )
        self.answers = KeptAnswers(outside.store, outside.vault, outside.clock)
        self.licensing = Licensing(outside.store, outside.clock, apply=self._license)
        self.made = Made(
            config,
            outside,
            self.roster,
            trunk=self._trunk,
            declared=lambda: self.declared,
            apply_settings=self._follow_settings,
            trunks_changed=self._trunks_changed,
        )
        self.isolation = Isolation(
            config.isolation,
            trunks=self.roster,
            changed=self._prober_changed,
            count=self.pipeline.count_failure,
            link=outside.link,
            clock=outside.clock,
            rng=random.Random(config.instance.id),  # so that it draws from nobody else's luck
        )
        self.pipeline.doubts = self.isolation
        self.minutes = MinuteRollup(
            outside.store,
            outside.clock,
            self.roster.numbers,
            self._measured,
            retention_days=lambda: self.config.numbers.retention_days,
        )
        self._rolling_up: asyncio.Task[None] | None = None
        self.refused: tuple[str, ...] = ()
        """Why the newest configuration was not taken; empty: it is in force."""
        self._listeners: list[Callable[[Sequence[StateChange]], None]] = []
        self._background: list[asyncio.Task[None]] = []

    # --- life --------------------------------------------------------------------------------

    async def start(self, progress: Progress = unseen) -> None:
        """Restore the recorded states, then probe, record and deliver."""
        store, clock = self._outside.store, self._outside.clock
        await store.release()
        recorder = self.pipeline.recorder
        await self.licensing.load()
        await self.answers.load()
        self.pipeline.licensed = Entitlement.TALK not in self.licensing.in_effect
        self.deliveries.held = Entitlement.STREAMS in self.licensing.in_effect
        await self.made.load(self.config)
        await self.switches.load()
        await self.subscriptions.load(self.config.event_streams)
        await self.endurance.load()
        await self.maintenance.start()
        self.roster.restore(await recorder.start(self.subscriptions.all, progress))
        now_ms = int(clock.wall() * 1000)
        isolation = await self.announcements.isolation_on_record(now_ms)
        if isolation is not None:
            self.isolation.resume(isolation)
        self._background = [
            self._tasks.create_task(self.pipeline.recorder.run(), name="recorder"),
            self._tasks.create_task(self.announcements.run(), name="announcements"),
            self._tasks.create_task(self.isolation.run(), name="isolation"),
            self._tasks.create_task(self.roster.locator.run(), name="locator"),
            self._tasks.create_task(self.made.settling.run(), name="settling"),
            self._tasks.create_task(prune(store, clock, self.answers), name="prune"),
            self._tasks.create_task(
                checkpoint(self.roster.records, self.pipeline.recorder, self._some_ids),
                name="checkpoint",
            ),
            self._tasks.create_task(watch_certificates(self.roster.records, clock), name="expiry"),
        ]
        if self.config.hep.listen:
            self._background.append(
                self._tasks.create_task(self.live_calls.run(), name="live calls")
            )
        await self.apply(self.config, progress)
        self._background.append(self._tasks.create_task(self.licensing.run(), name="licence"))
        # Before this there was nobody to probe, so standing still meant nothing.
        watching = self._tasks.create_task(self.roster.watchdog.run(), name="watchdog")
        self._background.append(watching)
        self._rolling_up = self._tasks.create_task(self.minutes.run(), name="minutes")
        self._background.append(self._rolling_up)

    async def apply(self, config: Config, progress: Progress = unseen) -> Applied:
        """From now on run this configuration; what did not change in it is not touched.

        Raises Exists if it declares a trunk or route that was made through the API,
        OSError if a source address cannot be used, DestinationInvalid if a stream's
        destination cannot be, StreamExists if a stream of that id was made through the API, and
        StoreUnavailable if the database is away; then nothing is changed. Otherwise trunks are
        changed some at a time (``Roster.apply``), then the routes.
        """
        async with self.made.applying:
            self.made.routes.check_distinct(config.routes)
            estate = await self.made.with_declared(config)
            await self.roster.prepare(estate.trunks)
            try:
                await self.subscriptions.apply_file(config.event_streams)
            except BaseException:
                self.roster.sockets.close_unused()
                raise
            applied = await self._run(config, estate, progress)
            self.refused = ()
            return applied

    async def _follow_settings(self) -> None:
        """The settings of the API are other ones: no socket, stream or file has a say in that."""
        await self._run(self.declared, await self.made.with_declared(self.declared))

    async def _run(self, declared: Config, estate: Estate, progress: Progress = unseen) -> Applied:
        config = estate.config
        await self.roster.pace(config.pacing.probes_per_second, dict(config.pacing.carriers))
        applied = await self.roster.apply(estate.trunks, progress, user_agent=config.sip.user_agent)
        self.made.trunks.adopt(estate.heirs)
        await self.made.routes.declare(config.routes, config.routing.timezone)
        self.declared, self.config = declared, config
        self.isolation.configure(config.isolation)
        self.maintenance.declare(config.maintenance)
        self.switches.declare(config.switches)
        self._knows_trunks = True
        self.deliveries.trunks_changed()
        self._name_what_needs_a_restart(declared)
        log.info(
            "configuration.applied",
            trunks=len(estate.trunks),
            added=len(applied.added),
            changed=len(applied.changed),
            removed=len(applied.removed),
            routes=len(self.made.routes.all),
            streams=len(self.subscriptions.all),
        )
        return applied

    async def _license(self, lacking: frozenset[Entitlement]) -> None:
        await self.subscriptions.hold(held=Entitlement.STREAMS in lacking)
        async with self.made.applying:
            await self.roster.license(licensed=Entitlement.TALK not in lacking)

    async def _trunks_changed(self, trunk_ids: Sequence[str]) -> None:
        """Trunks of the API are other ones than before, or gone."""
        self.deliveries.trunks_changed()
        await self.made.routes.trunks_changed(trunk_ids)

    def refuse(self, problems: Sequence[str]) -> None:
        """A new configuration cannot be used: the one in force goes on."""
        self.refused = tuple(problems)
        for problem in problems:
            log.error("configuration.refused", problem=problem, in_force="the one before goes on")

    async def _tell(self, streams: Sequence[EventStream]) -> None:
        await self.pipeline.recorder.set_streams(streams)
        self.announcements.set_streams(streams)

    def _name_what_needs_a_restart(self, config: Config) -> None:
        if config.api.bound_to != self._begun_with.api.bound_to:
            log.warning("configuration.needs_restart", section="[api]")
        for section in ("instance", "storage", "access", "oidc", "sip", "hep"):
            if getattr(config, section) != getattr(self._begun_with, section):
                log.warning("configuration.needs_restart", section=f"[{section}]")

    def problems(self) -> list[str]:
        """Why this node should get no traffic, one sentence each; empty: it is ready."""
        return problems_of(self.pipeline.recorder, self.isolation, self.roster.prober)

    def _measured(self) -> Iterator[ProbeTarget]:
        """The targets whose numbers are kept minute by minute, read bit by bit."""
        records = self.roster.records()
        for trunk_id in first_ids(self.config, self.made.trunks, self.config.numbers.rollup_trunks):
            record = records.get(trunk_id)
            if record is not None:
                yield from record.targets

    def _some_ids(self, start: int, count: int) -> Sequence[str]:
        return some_ids(self.config, self.made.trunks, start, count)

    async def stop(self, deadline_seconds: float) -> None:
        """Probe no more, write what is decided, finish deliveries under way; then end.

        What cannot be finished by the deadline is not lost: it is in the outbox, or, if the
        database is away, will be found again by the probes of the next start.
        """
        self.roster.prober.close()
        self.minutes.finish()
        self.switches.stop()
        recorder = self.pipeline.recorder
        for record in self.roster.records().values():
            recorder.enqueue(record)  # with the moment of its last good answer
        try:
            async with asyncio.timeout(deadline_seconds / 2):
                await recorder.flushed()
                await self.announcements.flushed()
                await self.switches.recorded()
        except TimeoutError:
            recorder.name_unwritten()
        await self.deliveries.drain(deadline_seconds / 2)
        if self._rolling_up is not None:
            await asyncio.wait({self._rolling_up}, timeout=LAST_MINUTE_SECONDS)
        for task in self._background:
            task.cancel()
        self.roster.sockets.close()

    # --- calls -------------------------------------------------------------------------------

    def decide(self, request: CallRequest, *, rng: random.Random | None = None) -> Decision:
        """Which trunks shall take this call, in order, as things stand.

        As things stand, the same state of ``rng`` gives the same answer.
        """
        return self.made.routes.table.decide(
            request,
            self.board.status,
            rng or self._outside.rng,
            int(self._outside.clock.wall() * 1000),
            self.board.returned_ms,
        )

    def listen(self, listener: Callable[[Sequence[StateChange]], None]) -> None:
        """Have ``listener`` called with every batch of changes once it is recorded."""
        self._listeners.append(listener)

    def _replanned(self) -> None:
        self.deliveries.maintenance_changed()

    def _trunk(self, trunk_id: str) -> Trunk | None:
        record = self.roster.records().get(trunk_id)
        return None if record is None else record.trunk

    def _prober_changed(self, state: ProberState, evidence: IsolationEvidence) -> None:
        outside, instance = self._outside, self._begun_with.instance
        event = ProberEvent(
            event_id=str(uuid.UUID(int=outside.rng.getrandbits(128), version=4)),
            instance_id=instance.id,
            region=instance.region,
            sequence=0,  # given when it is recorded
            at_ms=int(outside.clock.wall() * 1000),
            state=state,
            evidence=evidence,
        )
        self.announcements.add(event)

    def _announced(self, told: frozenset[str]) -> None:
        self.deliveries.wake(told)
        for listener in self._listeners:
            listener(())

    def _recorded(self, changes: Sequence[StateChange], told: frozenset[str]) -> None:
        self.deliveries.wake(told)
        log_changes(changes)
        if changes:
            for listener in self._listeners:
                listener(changes)
