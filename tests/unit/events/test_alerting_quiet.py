"""What alerts keep to themselves: trunks that flap, and trunks under maintenance."""

from __future__ import annotations

from alert_desk import START_MS, Desk
from trunkpulse.events.flapping import Flapping
from trunkpulse.model import AlertSettings
from trunkpulse.ports import AlertKind, AlertSeverity

TRIGGER, UPDATE, RESOLVE = AlertKind.TRIGGER, AlertKind.UPDATE, AlertKind.RESOLVE
HOUR_MS = 3_600_000
NOON_MS = START_MS + HOUR_MS


def test_a_trunk_that_flaps_is_one_alert_that_ends_when_it_has_been_quiet() -> None:
    desk = Desk()
    desk.flap("a", 100, every_seconds=20)
    triggers = desk.kinds.count(TRIGGER)
    assert triggers <= 3  # until six changes say that it flaps
    last_ms = desk.now_ms - 20_000
    desk.pass_time(600 - 20 - 0.001)
    assert desk.kinds[-1] is not RESOLVE
    desk.pass_time(0.001)
    assert desk.kinds[-1] is RESOLVE
    assert desk.told[-1].at_ms == last_ms + 600_000
    assert desk.kinds.count(RESOLVE) == desk.kinds.count(TRIGGER) == triggers


def test_what_a_flapping_trunk_does_meanwhile_is_not_told() -> None:
    desk = Desk()
    desk.flap("a", 6, every_seconds=20)
    desk.pass_time(60)
    told = len(desk.told)
    assert desk.told[-1].members[0].flapping
    assert desk.told[-1].severity is AlertSeverity.WARNING
    desk.flap("a", 20, every_seconds=20)
    assert len(desk.told) == told


def test_a_trunk_that_flaps_faster_than_the_first_news_waits_is_told_as_flapping() -> None:
    desk = Desk()
    desk.flap("a", 6)
    desk.pass_time(15)
    (alert,) = desk.told
    assert alert.kind is TRIGGER
    assert alert.title == "Trunk a is flapping: it comes and goes, well at the moment"


def test_a_trunk_that_stays_down_no_longer_flaps_and_ends_at_once_when_back() -> None:
    desk = Desk()
    desk.flap("a", 7)
    desk.pass_time(600)
    desk.up("a")
    desk.pass_time(0)
    assert desk.kinds[-1] is RESOLVE


def test_changes_that_are_far_apart_are_no_flapping() -> None:
    desk = Desk(AlertSettings(flapping_changes=4, flapping_seconds=600))
    desk.flap("a", 20, every_seconds=201)
    assert desk.kinds == [TRIGGER, RESOLVE] * 10


def test_flapping_outlives_a_restart() -> None:
    desk = Desk()
    desk.flap("a", 6)
    desk.pass_time(15)
    desk.restart()
    desk.pass_time(500)
    assert RESOLVE not in desk.kinds
    desk.pass_time(600)
    assert desk.kinds == [TRIGGER, RESOLVE]


def test_trouble_that_begins_and_ends_under_maintenance_wakes_nobody() -> None:
    desk = Desk()
    desk.silent_until["a"] = NOON_MS
    desk.down("a")
    desk.pass_time(600)
    desk.up("a")
    desk.pass_time(2 * 3600)
    assert not desk.told
    assert not desk.members


def test_a_trunk_that_is_still_down_when_its_maintenance_ends_is_told_then() -> None:
    desk = Desk()
    for number in range(100):
        desk.silent_until[f"t{number}"] = NOON_MS
        desk.down(f"t{number}")
    desk.restart()
    desk.pass_time(3600)
    (alert,) = desk.told
    assert (alert.kind, alert.at_ms, alert.total) == (TRIGGER, NOON_MS, 100)


def test_maintenance_that_goes_on_keeps_silent_until_its_last_end() -> None:
    desk = Desk()
    desk.silent_until["a"] = NOON_MS
    desk.down("a")
    desk.pass_time(1800)
    desk.silent_until["a"] = NOON_MS + HOUR_MS
    desk.pass_time(3600)
    assert not desk.told
    desk.pass_time(1800)
    assert desk.told[0].at_ms == NOON_MS + HOUR_MS


def test_maintenance_that_begins_while_the_first_news_waits_silences_it() -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.silent_until["a"] = NOON_MS
    desk.pass_time(15)
    (alert,) = desk.told
    assert [member.trunk_id for member in alert.members] == ["b"]


def test_a_trunk_told_of_before_its_maintenance_is_ended_when_it_is_back() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.silent_until["a"] = NOON_MS
    desk.pass_time(60)
    desk.up("a")
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, RESOLVE]


def test_a_trunk_that_fails_again_under_maintenance_does_not_hold_the_alert_open() -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.pass_time(15)
    desk.up("a")
    desk.silent_until["a"] = NOON_MS
    desk.down("a")
    desk.up("b")
    desk.pass_time(60)
    assert desk.kinds == [TRIGGER, RESOLVE]
    desk.pass_time(3600)
    assert desk.kinds == [TRIGGER, RESOLVE, TRIGGER]
    assert desk.told[2].alert_id != desk.told[0].alert_id


def test_maintenance_that_is_called_off_is_over() -> None:
    desk = Desk()
    desk.silent_until["a"] = NOON_MS
    desk.down("a")
    desk.pass_time(60)
    desk.silent_until.clear()
    desk.alerting.silences_changed(desk.now_ms)
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER]


def test_a_trunk_flaps_until_it_has_been_quiet_however_slowly_it_goes_on() -> None:
    desk = Desk()
    desk.flap("a", 6)
    desk.pass_time(300)
    desk.down("a")
    desk.pass_time(310)
    desk.up("a")
    desk.pass_time(599)
    assert RESOLVE not in desk.kinds
    desk.pass_time(1)
    assert desk.kinds[-1] is RESOLVE


def test_a_change_counts_once_however_often_it_is_told() -> None:
    flapping = Flapping(changes=2, within_ms=1000)
    assert not flapping.count("a", 5)
    assert not flapping.count("a", 5)
    assert flapping.count("a", 6)
    assert not flapping.count("a", 1006)
