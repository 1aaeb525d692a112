"""What an alert says to a person."""

from __future__ import annotations

from alert_desk import Desk
from trunkpulse.model import TrunkState
from trunkpulse.ports import AlertSeverity


def test_an_alert_of_one_trunk_reads_like_one() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.up("a")
    desk.pass_time(0)
    first, last = desk.told
    assert first.title == "Trunk a is DOWN: no healthy answers to keepalives"
    assert first.summary == "Trunk a is DOWN: no healthy answers to keepalives."
    assert last.title == "Trunk a is back"
    assert last.severity is AlertSeverity.INFO


def test_an_alert_of_many_counts_them_and_names_the_worst_first() -> None:
    desk = Desk()
    desk.change("warm", TrunkState.DEGRADED)
    desk.down(*(f"t{number}" for number in range(1200)))
    desk.pass_time(15)
    (alert,) = desk.told
    assert alert.title == (
        "1,201 trunks of carrier acme in region us-east are in trouble (1,200 down, 1 degraded)"
    )
    lines = alert.summary.splitlines()
    assert lines[1] == "Trunk t0 (t0) is DOWN: no healthy answers to keepalives."
    assert lines[-1] == "And 1,191 more."
    assert len(lines) == 12


def test_an_update_says_how_many_are_back_and_the_end_that_all_are() -> None:
    desk = Desk()
    desk.down("a", "b", "c")
    desk.pass_time(15)
    desk.up("a", "b")
    desk.pass_time(60)
    assert desk.told[1].title == (
        "1 trunk of carrier acme in region us-east is in trouble (1 down, 2 back)"
    )
    desk.up("c")
    desk.pass_time(0)
    assert desk.told[2].title == "3 trunks of carrier acme in region us-east are back"


def test_what_was_over_before_it_could_be_told_says_so() -> None:
    desk = Desk()
    desk.down("a", "b")
    desk.now_ms += 15_000
    (first,) = desk.due()
    desk.up("a", "b")
    desk.alerting.failed(first, desk.now_ms)
    desk.pass_time(0)
    assert desk.told[0].title == (
        "2 trunks of carrier acme in region us-east were in trouble, now back"
    )
    assert desk.told[0].severity is AlertSeverity.CRITICAL


def test_trunks_that_are_no_longer_configured_have_no_names_to_tell() -> None:
    desk = Desk()
    desk.down("a")
    desk.pass_time(15)
    desk.alerting.leave("a", desk.now_ms)
    desk.pass_time(0)
    assert desk.told[1].title == (
        "No trunk of carrier acme in region us-east is in trouble any more"
    )
