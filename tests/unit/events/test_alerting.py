"""How many events become few alerts: groups, waits, updates, ends."""

from __future__ import annotations

import pytest

from alert_desk import ACME, START_MS, Desk
from trunkpulse.model import AlertSettings, Reason, TrunkState
from trunkpulse.ports import MAX_ALERT_MEMBERS, AlertKind, AlertSeverity

TRIGGER, UPDATE, RESOLVE = AlertKind.TRIGGER, AlertKind.UPDATE, AlertKind.RESOLVE


def test_ten_thousand_trunks_of_a_carrier_are_one_alert() -> None:
    desk = Desk()
    for number in range(10_000):
        desk.down(f"t{number}")
    desk.pass_time(15)
    (page,) = desk.told
    assert (page.kind, page.group, page.severity) == (TRIGGER, ACME, AlertSeverity.CRITICAL)
    assert (page.total, page.total_down, len(page.members)) == (10_000, 10_000, MAX_ALERT_MEMBERS)
    for number in range(10_000):
        desk.up(f"t{number}")
    desk.pass_time(1)
    assert desk.kinds == [TRIGGER, RESOLVE]
    assert desk.told[1].alert_id == page.alert_id
    assert not desk.groups
    assert not desk.members


def test_the_first_news_waits_for_others_and_no_longer() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(14.999)
    desk.down("b")
    assert not desk.told
    desk.pass_time(0.001)
    assert [member.trunk_id for member in desk.told[0].members] == ["a", "b"]


def test_what_passes_while_the_first_news_waits_wakes_nobody() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(10)
    desk.up("a")
    desk.pass_time(3600)
    assert not desk.told
    assert not desk.members


def test_trunks_of_another_group_have_an_alert_of_their_own() -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.down("c", labels=(("carrier", "other"), ("region", "us-east")))
    desk.down("d", labels=())
    desk.pass_time(15)
    assert len({alert.alert_id for alert in desk.told}) == 3
    assert sorted(alert.total for alert in desk.told) == [1, 1, 2]


def test_later_members_update_the_alert_no_more_often_than_it_may_be() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    for number in range(50):
        desk.down(f"b{number}")
        desk.pass_time(1)
    assert desk.kinds == [TRIGGER]
    desk.pass_time(10)
    assert desk.kinds == [TRIGGER, UPDATE]
    assert desk.told[1].total == 51
    assert desk.told[1].at_ms - desk.told[0].at_ms == 60_000


def test_a_trunk_that_is_back_leaves_the_open_alert_and_the_last_one_ends_it_at_once() -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.pass_time(15)
    desk.up("a")
    desk.pass_time(60)
    assert desk.kinds == [TRIGGER, UPDATE]
    assert [member.trunk_id for member in desk.told[1].members] == ["b"]
    desk.up("b")
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, UPDATE, RESOLVE]
    assert {member.trunk_id for member in desk.told[2].members} == {"a", "b"}
    assert (desk.told[2].total, desk.told[2].total_down) == (2, 0)


def test_a_degraded_trunk_is_a_warning_and_unknown_is_no_recovery() -> None:
    desk = Desk()
    desk.change("a", TrunkState.DEGRADED)
    desk.pass_time(15)
    assert desk.told[0].severity is AlertSeverity.WARNING
    desk.change("a", TrunkState.UNKNOWN)
    desk.pass_time(3600)
    assert RESOLVE not in desk.kinds


def test_a_trunk_that_was_never_in_trouble_is_nobodys_news() -> None:
    desk = Desk()
    desk.up("a")
    desk.change("b", TrunkState.UNKNOWN)
    desk.pass_time(3600)
    assert not desk.told


def test_trouble_after_the_end_is_another_alert() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.up("a")
    desk.pass_time(60)
    desk.down("a")
    desk.pass_time(15)
    assert desk.kinds == [TRIGGER, RESOLVE, TRIGGER]
    assert desk.told[2].alert_id != desk.told[0].alert_id


def test_a_change_that_is_learnt_twice_changes_nothing() -> None:
    desk = Desk(AlertSettings(flapping_changes=2))
    desk.down("a")
    at_ms = desk.now_ms
    desk.pass_time(15)
    desk.change("a", TrunkState.DOWN, at_ms=at_ms)
    desk.pass_time(600)
    assert desk.kinds == [TRIGGER]
    assert not desk.told[0].members[0].flapping


def test_what_was_not_taken_is_told_again_as_it_is_by_then() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.down("b")
    assert not desk.due()  # one at a time
    desk.alerting.failed(first, desk.now_ms + 5000)
    assert desk.alerting.next_ms() == desk.now_ms + 5000
    desk.pass_time(5)
    (second,) = desk.told
    assert (second.kind, second.alert_id, second.total) == (TRIGGER, first.alert_id, 2)


def test_an_alert_that_may_have_been_told_is_told_and_ended_though_all_are_back() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.up("a")
    desk.alerting.failed(first, desk.now_ms + 5000)
    desk.pass_time(5)
    assert desk.kinds == [TRIGGER, RESOLVE]
    assert desk.told[0].title == "Trunk a was in trouble and is back"


def test_news_that_came_while_the_alert_was_told_is_an_update() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.down("b")
    desk.take(first)
    desk.pass_time(59)
    assert desk.kinds == [TRIGGER]
    desk.pass_time(1)
    assert desk.kinds == [TRIGGER, UPDATE]


def test_trouble_that_came_while_the_end_was_told_is_another_alert() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.up("a")
    (end,) = desk.due()
    desk.down("b")
    desk.take(end)
    desk.pass_time(15)
    assert desk.kinds == [TRIGGER, RESOLVE, TRIGGER]
    assert desk.told[2].alert_id != end.alert_id
    assert [member.trunk_id for member in desk.told[2].members] == ["b"]


def test_a_refused_trigger_is_not_repeated_and_has_no_end() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.alerting.refused(first, desk.now_ms)
    desk.pass_time(3600)
    assert not desk.told
    desk.up("a")
    desk.pass_time(3600)
    assert not desk.told
    assert not desk.alerting.members()


def test_after_a_refused_trigger_further_news_is_tried() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.alerting.refused(first, desk.now_ms)
    desk.down("b")
    desk.pass_time(60)
    assert desk.kinds == [TRIGGER]
    assert desk.told[0].total == 2


def test_what_the_destination_pins_at_the_trigger_comes_back_with_the_end() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.take(first, {"ticket": "INC7"})
    desk.restart()
    desk.up("a")
    (end,) = desk.due()
    assert (end.kind, end.pinned) == (RESOLVE, {"ticket": "INC7"})


def test_a_trunk_that_is_no_longer_configured_ends_its_alert() -> None:
    desk = Desk()
    desk.down("a", labels=())
    desk.pass_time(15)
    desk.alerting.leave("a", desk.now_ms)
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, RESOLVE]
    assert (desk.told[1].total, desk.told[1].alert_id) == (0, desk.told[0].alert_id)


@pytest.mark.parametrize("waited_seconds", [5, 15, 100])
def test_a_restart_neither_pages_again_nor_forgets_to_end(waited_seconds: float) -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.pass_time(waited_seconds)
    desk.restart()
    desk.pass_time(100)
    assert desk.kinds == [TRIGGER]
    assert desk.told[0].at_ms == START_MS + 15_000
    desk.restart()
    desk.up("a", "b")
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, RESOLVE]
    assert desk.told[0].alert_id == desk.told[1].alert_id


def test_an_alert_whose_answer_a_crash_took_is_told_again_under_the_same_id() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.restart()
    desk.up("a")
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, RESOLVE]
    assert {alert.alert_id for alert in desk.told} == {first.alert_id}


def test_an_update_whose_answer_a_crash_took_is_told_again() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.down("b")
    desk.now_ms += 60_000
    (update,) = desk.due()
    desk.restart()
    desk.pass_time(0)
    assert desk.told[1].kind is UPDATE
    assert desk.told[1].members == update.members


def test_what_could_not_be_kept_is_kept_with_what_comes_next() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.alerting.put_back(desk.alerting.take())
    desk.alerting.leave("a", desk.now_ms)
    desk.alerting.put_back(desk.alerting.take())
    desk.keep()
    assert not desk.members
    desk.pass_time(0)
    assert not desk.groups


def test_a_refused_trigger_is_tried_once_more_by_the_next_life() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.alerting.refused(first, desk.now_ms)
    desk.keep()
    desk.restart()
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER]
    assert desk.told[0].alert_id == first.alert_id


def test_a_refused_trigger_is_not_tried_again_once_all_are_back() -> None:
    desk = Desk()
    desk.down("a")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.alerting.refused(first, desk.now_ms)
    desk.down("b")
    desk.pass_time(10)
    desk.up("a", "b")
    desk.pass_time(3600)
    assert not desk.told
    assert not desk.groups


def test_an_old_recovery_that_is_replayed_does_not_end_the_alert() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.change("a", TrunkState.AVAILABLE, at_ms=START_MS - 3_600_000)
    desk.change("a", TrunkState.DOWN, at_ms=START_MS - 1_800_000, reason=Reason.ADMIN_DISABLED)
    desk.pass_time(3600)
    assert desk.kinds == [TRIGGER]


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (TrunkState.DOWN, Reason.ADMIN_DISABLED),
        (TrunkState.UNKNOWN, Reason.ADMIN_ENABLED),  # its keepalives are turned off
        (TrunkState.UNKNOWN, Reason.LICENSE_RESTORED),  # it may never be probed
    ],
)
def test_a_trunk_that_is_taken_out_of_service_leaves_its_alert(
    state: TrunkState, reason: Reason
) -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.pass_time(15)
    desk.change("a", state, reason=reason)
    desk.pass_time(60)
    assert [member.trunk_id for member in desk.told[-1].members] == ["b"]
    desk.up("b")
    desk.pass_time(0)
    assert desk.kinds == [TRIGGER, UPDATE, RESOLVE]
    desk.change("a", state, reason=reason)
    desk.pass_time(3600)
    assert not desk.groups


def test_a_trunk_that_fails_after_it_was_enabled_again_is_told() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.change("a", TrunkState.DOWN, reason=Reason.ADMIN_DISABLED)
    desk.pass_time(60)
    desk.change("a", TrunkState.UNKNOWN, reason=Reason.ADMIN_ENABLED)
    desk.pass_time(60)
    desk.down("a")
    desk.pass_time(15)
    assert desk.kinds == [TRIGGER, RESOLVE, TRIGGER]
