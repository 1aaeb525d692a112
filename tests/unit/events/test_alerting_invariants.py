"""What holds of alerts whatever happens: no end without a beginning, none left open, none lost."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from alert_desk import Desk
from trunkpulse.model import AlertSettings, TrunkState
from trunkpulse.ports import Alert, AlertKind

SETTINGS = AlertSettings(flapping_changes=4)
GROUPS = {
    "a": (("carrier", "acme"),),
    "b": (("carrier", "acme"),),
    "c": (("carrier", "acme"),),
    "d": (("carrier", "other"),),
    "e": (("carrier", "other"),),
    "f": (),
}
TRUNKS = st.sampled_from(sorted(GROUPS))
STATES = st.sampled_from([TrunkState.AVAILABLE, TrunkState.DEGRADED, TrunkState.DOWN])
PAUSES = st.sampled_from([0.001, 1.0, 14.999, 15.0, 60.0, 300.0, 600.0])


class AlertsAndTheirDestination(RuleBasedStateMachine):
    """A destination that loses answers, a process that dies, trunks that do as they like."""

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk(SETTINGS)
        self.truth: dict[str, TrunkState] = {}
        self.open: dict[str, Alert] = {}
        """By alert id, what the destination was told last."""
        self.ended: set[str] = set()
        self.unheard: set[str] = set()
        """Those whose end arrived, and nobody knows: what is told after that opens them again."""

    def arrives(self, alert: Alert) -> None:
        """The destination gets ``alert``, whether or not its answer gets back."""
        assert (
            alert.alert_id not in self.ended
            or alert.kind is AlertKind.RESOLVE
            or alert.alert_id in self.unheard
        )
        assert alert.kind is AlertKind.TRIGGER or alert.alert_id in self.open | dict.fromkeys(
            self.ended
        )
        if alert.kind is AlertKind.RESOLVE:
            self.open.pop(alert.alert_id, None)
            self.ended.add(alert.alert_id)
        else:
            assert alert.total >= 1
            self.open[alert.alert_id] = alert
            self.ended.discard(alert.alert_id)

    def goes_unheard(self, alert: Alert) -> None:
        """The destination gets ``alert``, and what it says to that is lost."""
        self.arrives(alert)
        if alert.kind is AlertKind.RESOLVE:
            self.unheard.add(alert.alert_id)

    @rule(trunk=TRUNKS, state=STATES)
    def changes(self, trunk: str, state: TrunkState) -> None:
        if self.truth.get(trunk, TrunkState.AVAILABLE) is not state:
            self.truth[trunk] = state
            self.desk.now_ms += 1
            self.desk.change(trunk, state, GROUPS[trunk])

    @rule(seconds=PAUSES)
    def time_passes(self, seconds: float) -> None:
        self.desk.now_ms += round(seconds * 1000)

    @rule(came=st.booleans(), answered=st.booleans(), again=st.sampled_from([0, 5000, 30_000]))
    def tells(self, *, came: bool, answered: bool, again: int) -> None:
        for alert in self.desk.due():
            if came and answered:
                self.arrives(alert)
                self.desk.take(alert)
            else:
                if came:
                    self.goes_unheard(alert)
                self.desk.alerting.failed(alert, self.desk.now_ms + again)
                self.desk.keep()

    @rule(came=st.booleans())
    def dies(self, *, came: bool) -> None:
        for alert in self.desk.due():
            if came:
                self.goes_unheard(alert)
        self.desk.restart()

    @rule(trunk=TRUNKS, minutes=st.integers(1, 30))
    def is_worked_on(self, trunk: str, minutes: int) -> None:
        # What is planned is only ever prolonged unannounced: to end it sooner is to call it off.
        until_ms = self.desk.now_ms + minutes * 60_000
        self.desk.silent_until[trunk] = max(until_ms, self.desk.silent_until.get(trunk, 0))

    @precondition(lambda self: self.desk.silent_until)
    @rule()
    def is_no_longer_worked_on(self) -> None:
        self.desk.silent_until.clear()
        self.desk.alerting.silences_changed(self.desk.now_ms)

    @rule()
    def all_is_calm(self) -> None:
        """Long enough for a failed attempt to be repeated, a group to wait, and an update."""
        self.passes(30 + SETTINGS.group_wait_seconds + SETTINGS.update_seconds)
        told = {member.trunk_id for alert in self.open.values() for member in alert.members}
        for trunk, state in self.truth.items():
            if state is not TrunkState.AVAILABLE and self.desk.silence(trunk) is None:
                assert trunk in told, f"{trunk} is {state} and nobody was told"

    @rule()
    def all_is_well(self) -> None:
        """Every trunk recovers, and stays well for longer than one that flaps is doubted."""
        for trunk in sorted(GROUPS):
            self.changes(trunk, TrunkState.AVAILABLE)
        self.passes(30 + SETTINGS.flapping_seconds + SETTINGS.update_seconds)
        assert not self.open
        assert not self.desk.groups
        assert not self.desk.members

    def passes(self, seconds: float) -> None:
        """Time, in which the destination takes all that it is told."""
        until_ms = self.desk.now_ms + round(seconds * 1000)
        while True:
            for alert in self.desk.due():
                self.arrives(alert)
                self.desk.take(alert)
            next_ms = self.desk.alerting.next_ms()
            if next_ms is None or next_ms > until_ms:
                break
            self.desk.now_ms = max(next_ms, self.desk.now_ms)
        self.desk.now_ms = until_ms

    @invariant()
    def what_is_kept_is_whole(self) -> None:
        keys = set(self.desk.groups)
        assert all(key in keys for key, _ in self.desk.members)
        assert {trunk for _, trunk in self.desk.members} == {
            member.trunk_id for member in self.desk.alerting.members()
        }


TestAlertsAndTheirDestination = AlertsAndTheirDestination.TestCase
TestAlertsAndTheirDestination.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None
)
