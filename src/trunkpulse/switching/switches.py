"""All switches of the configuration: which there are, and who tells them what changed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from trunkpulse.config.switches import SwitchSettings
from trunkpulse.model import TrunkState
from trunkpulse.ports import MachineClock, Switch
from trunkpulse.switching.loop import SwitchLoop
from trunkpulse.switching.report import Line, LinkState, SwitchReport
from trunkpulse.switching.standing import Trunks
from trunkpulse.switching.taken import Taken

__all__ = ["SwitchBusy", "SwitchOff", "Switches", "UnknownSwitch"]

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
        switch_for: Callable[[SwitchSettings], Switch] | None,
        watch: Callable[[Switches], None],
        clock: MachineClock,
        rng: random.Random,
    ) -> None:
        """``switch_for`` makes a switch, not yet connected; None: there is no way out to them.

        ``watch`` is called with this, once, when there is somebody to be told of changes.
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
        self._running: dict[str, asyncio.Task[None]] = {}

    def declare(self, settings: Sequence[SwitchSettings]) -> None:
        """From now on these are the switches; one that did not change is not touched."""
        self.settings = tuple(settings)
        self._settings = {each.id: each for each in settings}
        replaced: dict[str, SwitchLoop] = {}
        for switch_id, loop in list(self._loops.items()):
            if self._settings.get(switch_id) != loop.settings:
                replaced[switch_id] = self._loops.pop(switch_id)
                self._running[switch_id].cancel()
        if self._switch_for is None:
            return
        for each in settings:
            if each.enabled and each.id not in self._loops:
                self._begin(each, self._switch_for, replaced.get(each.id))
        self._running = {
            key: task
            for key, task in self._running.items()
            if key in self._loops or not task.done()
        }

    def _begin(
        self,
        settings: SwitchSettings,
        switch_for: Callable[[SwitchSettings], Switch],
        old: SwitchLoop | None,
    ) -> None:
        if not self._watching:
            self._watching = True
            self._watch(self)
        taken = old.taken if old is not None and old.settings.url == settings.url else Taken()
        wide = settings
        if settings.groups:  # what was taken out of other groups has to be read to be given back
            others = taken.groups_besides(frozenset(settings.groups))
            wide = replace(settings, groups=(*settings.groups, *others))
        loop = SwitchLoop(
            settings,
            switch_for(wide),
            self._trunks,
            clock=self._clock,
            rng=self._rng,
            taken=taken,
        )
        self._loops[settings.id] = loop
        before = self._running.get(settings.id)
        self._running[settings.id] = self._tasks.create_task(
            loop.run(before), name=f"switch {settings.id}"
        )

    def stop(self) -> None:
        """Tell nobody anything any more; what the switches were told last stays so."""
        for task in self._running.values():
            task.cancel()

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
        ]

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
