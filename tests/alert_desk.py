"""Drives the state machine of alerts the way its lane does, on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

from trunkpulse.events.alerting import Alerting, News
from trunkpulse.model import AlertSettings, Reason, TrunkState
from trunkpulse.ports import Alert, AlertKind, AlertRecord, MemberRecord

START_MS = 1_700_000_000_000
ACME = (("carrier", "acme"), ("region", "us-east"))


class Desk:
    """An ``Alerting``, what it has told, and what a store would hold of it."""

    def __init__(self, settings: AlertSettings | None = None) -> None:
        self.settings = settings or AlertSettings()
        self.now_ms = START_MS
        self.told: list[Alert] = []
        self.silent_until: dict[str, int] = {}
        """By trunk id, the end of its maintenance."""
        self.groups: dict[str, AlertRecord] = {}
        self.members: dict[tuple[str, str], MemberRecord] = {}
        self._ids = count(1)
        self.alerting = self._machine()

    def restart(self) -> None:
        """The process is gone, and another one takes up what was kept."""
        self.alerting = self._machine()
        self.alerting.restore(self.groups.values(), self.members.values())
        self.alerting.resume(self.now_ms)

    def change(
        self,
        trunk_id: str,
        state: TrunkState,
        labels: tuple[tuple[str, str], ...] = ACME,
        *,
        at_ms: int | None = None,
        reason: Reason | None = None,
    ) -> None:
        """A trunk changes its state, and that is kept."""
        well = state is TrunkState.AVAILABLE
        usual = Reason.KEEPALIVE_RESTORED if well else Reason.KEEPALIVE_FAILURE
        news = News(
            trunk_id=trunk_id,
            name=f"Trunk {trunk_id}",
            state=state,
            reason=reason or usual,
            at_ms=self.now_ms if at_ms is None else at_ms,
            labels=labels,
        )
        self.alerting.learn(news, self.now_ms, self.silence)
        self.keep()

    def down(self, *trunk_ids: str, labels: tuple[tuple[str, str], ...] = ACME) -> None:
        for trunk_id in trunk_ids:
            self.change(trunk_id, TrunkState.DOWN, labels)

    def up(self, *trunk_ids: str) -> None:
        for trunk_id in trunk_ids:
            self.change(trunk_id, TrunkState.AVAILABLE)

    def flap(self, trunk_id: str, changes: int, *, every_seconds: float = 2.0) -> None:
        """Down and up by turns, so many changes in all."""
        for number in range(changes):
            (self.up if number % 2 else self.down)(trunk_id)
            self.pass_time(every_seconds)

    def silence(self, trunk_id: str) -> int | None:
        until = self.silent_until.get(trunk_id, 0)
        return until if until > self.now_ms else None

    def due(self) -> list[Alert]:
        """What is to be told now, which is kept."""
        going_on = any(until > self.now_ms for until in self.silent_until.values())
        alerts = self.alerting.due(self.now_ms, 100, self.silence if going_on else None)
        self.keep()
        return alerts

    def take(self, alert: Alert, pinned: Mapping[str, str] | None = None) -> None:
        """The destination takes it."""
        self.told.append(alert)
        self.alerting.told(replace(alert, pinned={**alert.pinned, **(pinned or {})}), self.now_ms)
        self.keep()

    def pass_time(self, seconds: float) -> None:
        """So much time passes, and whatever falls due in it is told and taken."""
        until_ms = self.now_ms + round(seconds * 1000)
        while True:
            for alert in self.due():
                self.take(alert)
            next_ms = self.alerting.next_ms()
            if next_ms is None or next_ms > until_ms:
                break
            self.now_ms = max(next_ms, self.now_ms)
        self.now_ms = until_ms

    @property
    def kinds(self) -> list[AlertKind]:
        """Of all that was told."""
        return [alert.kind for alert in self.told]

    def keep(self) -> None:
        """Write what has changed, as a store does."""
        commit = self.alerting.take()
        for key in commit.ended:
            self.groups.pop(key, None)
            self.members = {each: kept for each, kept in self.members.items() if each[0] != key}
        for left in commit.left:
            self.members.pop(left, None)
        self.groups.update((record.key, record) for record in commit.alerts)
        self.members.update(((each.key, each.member.trunk_id), each) for each in commit.members)

    def _machine(self) -> Alerting:
        return Alerting("noc", self.settings, new_id=lambda: f"alert-{next(self._ids)}")
