"""All switches of the configuration: which there are, and who tells them what changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog

from trunkpulse.config.switches import SwitchSettings
from trunkpulse.model import TrunkState
from trunkpulse.ports import DocumentStore, MachineClock, Switch
from trunkpulse.switching.giving_back import give_back, named_some
from trunkpulse.switching.loop import SwitchLoop
from trunkpulse.switching.on_record import MOST_SWITCHES, OnRecord, SwitchPlace, TakenFrom
from trunkpulse.switching.report import Line, LinkState, SwitchReport
from trunkpulse.switching.standing import Trunks
from trunkpulse.switching.taken import Taken

__all__ = ["SwitchBusy", "SwitchOff", "Switches", "UnknownSwitch"]

log = structlog.get_logger(__name__)

SYNC_SECONDS: Final = 5.0
"""How long somebody who wants a round now waits for it."""


_WORDS: Final = {
    LinkState.UNREACHABLE: "out of reach",
    LinkState.REFUSED: "refusing us",
}


class UnknownSwitch(LookupError):
    """No switch of the configuration has this id."""


class SwitchOff(Exception):
    """The switch is not enabled."""


class SwitchBusy(Exception):
    """A round takes longer than anybody should wait for; it goes on."""


class Switches:
    """Lives inside the TaskGroup that it is given; watches the board once there is a switch."""

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        trunks: Trunks,
        *,
        store: DocumentStore,
        switch_for: Callable[[SwitchSettings], Switch] | None,
        watch: Callable[[Switches], None],
        clock: MachineClock,
        rng: random.Random,
    ) -> None:
        """``switch_for`` makes a switch, not yet connected; None: there is no way out to them.

        ``store`` keeps what was taken out of them. ``watch`` is called with this, once, when there
        is somebody to be told of changes.
        """
        self._tasks = tasks
        self._trunks = trunks
        self._switch_for = switch_for
        self._watch = watch
        self._watching = False
        self._clock = clock
        self._rng = rng
        self.settings: Sequence[SwitchSettings] = ()
        """Those of the configuration; the same object until they change."""
        self._settings: dict[str, SwitchSettings] = {}
        self._loops: dict[str, SwitchLoop] = {}
        self._running: dict[SwitchPlace, asyncio.Task[None]] = {}
        """A loop, or who gives back what a loop that has ended took out there."""
        self._record = OnRecord(store, clock)
        self._recording: asyncio.Task[None] | None = None
        self._formerly: dict[str, TakenFrom] = {}
        """What earlier lives took out, until it is known who looks after it now."""
        self._leaving: dict[SwitchPlace, TakenFrom] = {}
        """What is being given back, by people who may still change their mind."""
        self._given_up: dict[SwitchPlace, TakenFrom] = {}
        """What could not be given back, until somebody looks after the switch again."""
        self._left: dict[str, str] = {}
        """What stays out for good, a sentence for each switch."""

    async def load(self) -> None:
        """Learn, before the first ``declare``, what earlier lives of the process took out.

        Raises StoreUnavailable.
        """
        if self._switch_for is not None:
            self._formerly = dict(await self._record.load())
            self._recording = self._tasks.create_task(self._record.run(), name="taken out")

    def declare(self, settings: Sequence[SwitchSettings]) -> None:
        """From now on these are the switches; one that did not change is not touched.

        What was taken out of one that nobody looks after any more is given back.
        """
        self.settings = tuple(settings)
        self._settings = {each.id: each for each in settings}
        wanted = {each.id: each for each in settings if each.enabled}
        self._left = {key: said for key, said in self._left.items() if key not in wanted}
        formerly = {each.place: each for each in self._formerly.values()}
        self._formerly = {}
        last = {place: self._settings.get(place.switch_id) for place in formerly}
        for place in map(SwitchPlace.of, wanted.values()):
            if place in self._leaving:  # it is back before it got all back
                formerly[place] = self._leaving.pop(place)
                self._running[place].cancel()
            elif place in self._given_up:
                formerly[place] = self._given_up.pop(place)
        for switch_id, loop in list(self._loops.items()):
            if self._settings.get(switch_id) != loop.settings:
                del self._loops[switch_id]
                place = SwitchPlace.of(loop.settings)
                self._running[place].cancel()
                formerly[place] = TakenFrom.of(loop.settings, loop.taken)
                last[place] = loop.settings
        if self._switch_for is None:
            return
        news = [each for each in wanted.values() if each.id not in self._loops]
        before = [self._former_of(each, formerly) for each in news]
        for place, former in formerly.items():
            self._leave(former, last.get(place), self._switch_for)
        for each, known in zip(news, before, strict=True):
            self._begin(each, self._switch_for, Taken() if known is None else known.taken)
        self._running = {place: task for place, task in self._running.items() if not task.done()}

    def _former_of(
        self, settings: SwitchSettings, formerly: dict[SwitchPlace, TakenFrom]
    ) -> TakenFrom | None:
        """What was taken out of the same switch, perhaps under an id that is used no more."""
        known = formerly.pop(SwitchPlace.of(settings), None)
        if known is not None:
            return known
        for place in formerly:
            is_same = place[1:] == (settings.type, settings.url)
            if is_same and place.switch_id not in self._settings:
                self._record.keep(TakenFrom(*place, asks_who=False))
                return formerly.pop(place)
        return None

    def _begin(
        self,
        settings: SwitchSettings,
        switch_for: Callable[[SwitchSettings], Switch],
        taken: Taken,
    ) -> None:
        if not self._watching:
            self._watching = True
            self._watch(self)
        self._record.keep(TakenFrom.of(settings, taken))
        loop = SwitchLoop(
            settings,
            switch_for(_wide(settings, taken)),
            self._trunks,
            clock=self._clock,
            rng=self._rng,
            taken=taken,
            ended=self._record.stir,
        )
        self._loops[settings.id] = loop
        place = SwitchPlace.of(settings)
        before = self._running.get(place)
        self._running[place] = self._tasks.create_task(
            loop.run(before), name=f"switch {settings.id}"
        )

    def _leave(
        self,
        former: TakenFrom,
        settings: SwitchSettings | None,
        switch_for: Callable[[SwitchSettings], Switch],
    ) -> None:
        """Give back what was taken out there; ``settings`` are the last ones that are known."""
        if not former.taken:
            return
        self._record.keep(former)
        if settings is None or former.place != SwitchPlace.of(settings):
            settings = SwitchSettings(id=former.switch_id, type=former.type, url=former.url)
            if former.asks_who:
                self._stays_out(former, "the password is no longer in the file")
                return
        if settings.dry_run:
            self._stays_out(former, "dry_run was set")
            return
        place = former.place
        self._leaving[place] = former
        self._running[place] = self._tasks.create_task(
            self._give_back(former, settings, switch_for, self._running.get(place)),
            name=f"giving back to switch {former.switch_id}",
        )

    async def _give_back(
        self,
        former: TakenFrom,
        settings: SwitchSettings,
        switch_for: Callable[[SwitchSettings], Switch],
        before: asyncio.Task[None] | None,
    ) -> None:
        if before is not None:
            await asyncio.wait({before})
        groups = tuple(former.taken.groups_besides(frozenset()))
        switch = switch_for(replace(settings, groups=groups))
        is_done = await give_back(settings, switch, former.taken)
        self._leaving.pop(former.place, None)
        if is_done:
            self._record.stir()
        else:
            self._stays_out(former, "it could not be told")

    def _stays_out(self, former: TakenFrom, why: str) -> None:
        if former.switch_id not in self._loops:
            self._record.forget_later(former)
        self._given_up[former.place] = former
        if len(self._given_up) > MOST_SWITCHES:
            del self._given_up[next(iter(self._given_up))]
        what = named_some(former.taken)
        log.warning(
            "switch.stays_out", switch=former.switch_id, url=str(former.url), some=what, why=why
        )
        self._left[former.switch_id] = (
            f"Switch {former.switch_id} at {former.url} is no longer looked after, and what "
            f"trunkpulse took out of it stays out ({what}) because {why}; set it active there by "
            "hand."
        )

    def stop(self) -> None:
        """Tell nobody anything any more; what the switches were told last stays so."""
        for task in self._running.values():
            task.cancel()
        if self._recording is not None:
            self._recording.cancel()

    async def recorded(self) -> None:
        """Return once what was taken out, up to ``stop``, is written down, or cannot be."""
        if self._recording is not None:
            await asyncio.wait({self._recording})
            await self._record.finish()

    # --- what changed ------------------------------------------------------------------------

    def moved(self, trunk_id: str, state: TrunkState) -> None:
        """The trunk has left its state for this one (of ``BoardWatcher``)."""
        for loop in self._loops.values():
            loop.moved(trunk_id)

    def listed(self, trunk_id: str) -> None:
        """The trunk has come or gone, or was published again (of ``BoardWatcher``)."""
        for loop in self._loops.values():
            loop.listed(trunk_id)

    def target_moved(self, trunk_id: str) -> None:
        """A target of the trunk is in another state; the trunk itself may be as before."""
        for loop in self._loops.values():
            loop.moved(trunk_id)

    def relocated(self, trunk_id: str) -> None:
        """The names of the trunk's targets lead elsewhere."""
        for loop in self._loops.values():
            loop.listed(trunk_id)

    # --- what is known -----------------------------------------------------------------------

    def reports(self) -> list[SwitchReport]:
        """How each stands, in the order of the configuration."""
        return [self.report(switch_id) for switch_id in self._settings]

    def report(self, switch_id: str) -> SwitchReport:
        """How one stands; raises UnknownSwitch."""
        loop = self._loops.get(switch_id)
        return self._off(switch_id) if loop is None else loop.report()

    def lines(self, switch_id: str) -> Sequence[Line]:
        """How the entries of one stand; raises UnknownSwitch."""
        loop = self._loops.get(switch_id)
        if loop is not None:
            return loop.lines
        self._off(switch_id)
        return ()

    async def sync(self, switch_id: str) -> SwitchReport:
        """Have it put right now; how it stands after that.

        Raises UnknownSwitch, SwitchOff and, after ``SYNC_SECONDS``, SwitchBusy.
        """
        loop = self._loops.get(switch_id)
        if loop is None:
            self._off(switch_id)
            raise SwitchOff(f"Switch {switch_id!r} is not enabled; set enabled = true in the file.")
        try:
            async with asyncio.timeout(SYNC_SECONDS):
                await loop.sync()
        except TimeoutError:
            raise SwitchBusy(
                f"Switch {switch_id!r} is not read and written to the end yet; that goes on, and "
                f"'trunkpulse switches show {switch_id}' says how it stands."
            ) from None
        return loop.report()

    def remarks(self) -> list[str]:
        """Which switches cannot be told anything at present, one sentence each, for everybody."""
        return [
            f"Switch {each.settings.id} is {_WORDS[each.link]}, so it is not told which trunks are "
            "alive; 'trunkpulse switches list' says why."
            for each in self.reports()
            if each.link in _WORDS
        ] + list(self._left.values())

    def _off(self, switch_id: str) -> SwitchReport:
        settings = self._settings.get(switch_id)
        if settings is None:
            raise UnknownSwitch(switch_id)
        return SwitchReport(
            settings=settings,
            link=LinkState.OFF,
            problem=None,
            in_sync=False,
            read_ms=None,
            read_seconds_ago=None,
            entries=0,
            unmatched=0,
            differing=0,
            orders=0,
            drifts=0,
            failures=0,
        )


def _wide(settings: SwitchSettings, taken: Taken) -> SwitchSettings:
    """With the groups of what is yet to be given back, which has to be read for that."""
    if not settings.groups:
        return settings
    others = taken.groups_besides(frozenset(settings.groups))
    return replace(settings, groups=(*settings.groups, *others))
