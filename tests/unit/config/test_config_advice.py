"""Advice on configurations that are valid and yet may be regretted: settings, routes, streams."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkpulse.config.advice import advise
from trunkpulse.model import (
    Destination,
    EventStream,
    IsolationPolicy,
    KeepalivePolicy,
    MaintenanceWindow,
    Route,
    RouteTrunk,
)
from unit.config.advised import FAR, FARTHER, NEAR, POLICY, codes, config, trunk

SECRET = "whsec_of no matter here"


def route(*names: str) -> Route:
    return Route(id="r", trunks=tuple(RouteTrunk(id=name) for name in names))


def stream(url: str, secret: str | None = SECRET) -> EventStream:
    return EventStream(
        id="s", name="s", destination=Destination(type="webhook", url=url, secret=secret)
    )


def test_a_sound_configuration_gets_no_advice() -> None:
    sound = config(
        trunk("a"),
        trunk("b", FARTHER),
        routes=(route("a", "b"),),
        streams=(stream("https://noc.example.com/hook"),),
    )
    assert advise(sound) == []


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (replace(POLICY, interval_seconds=14.9), ["interval_short"]),
        (replace(POLICY, interval_seconds=15), []),
        (replace(POLICY, interval_seconds=46), []),
        (replace(POLICY, interval_seconds=61), ["interval_long"]),
        (replace(POLICY, max_failed_attempts=1), ["single_failure"]),
        (replace(POLICY, min_successful_attempts=1), ["single_success"]),
        (replace(POLICY, enabled=False, interval_seconds=1), ["keepalive_disabled"]),
        (
            replace(POLICY, interval_seconds=15, timeout_seconds=15),
            ["timeout_not_below_interval"],
        ),
        (replace(POLICY, interval_seconds=15, timeout_seconds=14.9), []),
    ],
)
def test_keepalive_settings_are_judged_where_packets_travel(
    policy: KeepalivePolicy, expected: list[str]
) -> None:
    found = advise(config(trunk("a", policy=policy)))
    assert codes(found) == expected
    assert {(item.severity, item.where) for item in found} <= {("warning", 'trunk "a"')}


@pytest.mark.parametrize(
    ("policy", "fix"),
    [
        (replace(POLICY, interval_seconds=47), "set interval_seconds to 46 or less"),
        (replace(POLICY, interval_seconds=60), "set interval_seconds to 46 or less"),
        (
            replace(POLICY, interval_seconds=15, timeout_seconds=15.1),
            "lower confirm_interval_seconds, timeout_seconds or max_failed_attempts",
        ),
        (
            replace(POLICY, interval_seconds=45, max_failed_attempts=5),
            "set interval_seconds to 36 or less",
        ),
    ],
)
def test_an_outage_that_takes_more_than_a_minute_to_notice_is_mentioned(
    policy: KeepalivePolicy, fix: str
) -> None:
    found = advise(config(trunk("a", policy=policy)))
    [advice] = [each for each in found if each.code == "detection_slow"]
    assert (advice.severity, advice.fix) == ("info", fix)


def test_a_carrier_that_wants_seldom_probes_is_not_asked_for_a_minute() -> None:
    patient = replace(POLICY, interval_seconds=60, minimum_interval_seconds=30)
    assert advise(config(trunk("a", policy=patient))) == []


def test_fast_probes_over_loopback_are_nobodys_business_and_hasty_decisions_are() -> None:
    policy = replace(
        POLICY,
        interval_seconds=0.5,
        timeout_seconds=0.2,
        max_failed_attempts=1,
        min_successful_attempts=1,
    )
    assert codes(advise(config(trunk("a", NEAR, policy)))) == ["single_failure", "single_success"]
    assert codes(advise(config(trunk("a", NEAR + FAR, policy)))) == [
        "interval_short",
        "single_failure",
        "single_success",
    ]


def test_one_far_trunk_is_enough_to_judge_the_settings_it_shares() -> None:
    policy = replace(POLICY, interval_seconds=5)
    shared = config(trunk("near", NEAR, policy), trunk("far", FAR, policy))
    assert codes(advise(shared)) == ["interval_short"]


def test_settings_that_many_trunks_share_are_advised_on_once() -> None:
    policy = replace(POLICY, interval_seconds=5)
    trunks = [trunk(f"t{number}", (f"sip:192.0.2.{number}",), policy) for number in range(5)]
    (advice,) = advise(config(*trunks))
    assert advice.where == 'trunks "t0", "t1", "t2" and 2 more'
    (inherited,) = advise(replace(config(*trunks), keepalive=policy))
    assert inherited.where == "[keepalive]"


def test_a_disabled_trunk_is_not_advised_on() -> None:
    policy = replace(POLICY, interval_seconds=5)
    assert advise(config(replace(trunk("a", policy=policy), enabled=False))) == []


@pytest.mark.parametrize(
    ("hold_seconds", "enabled", "expected"),
    [(194.0, True, []), (193.0, True, ["hold_short"]), (193.0, False, [])],
)
def test_a_hold_is_to_outlast_what_an_outage_takes_to_be_seen(
    hold_seconds: float, *, enabled: bool, expected: list[str]
) -> None:
    slow = replace(POLICY, interval_seconds=180.0)
    isolation = IsolationPolicy(enabled=enabled, hold_seconds=hold_seconds)
    setup = replace(config(trunk("a"), trunk("b", NEAR, slow)), isolation=isolation)
    advice = [each for each in advise(setup) if each.code == "hold_short"]
    assert codes(advice) == expected
    assert all("set 194 or more" in each.message for each in advice)


def test_trunks_are_named_once_in_an_advice() -> None:
    silent = replace(POLICY, enabled=False)
    (found,) = advise(config(trunk("a", policy=silent)))
    assert found.where == 'trunk "a"'
    assert found.message.startswith("keepalive is disabled, so an outage")


@pytest.mark.parametrize(
    ("url", "secret", "expected"),
    [
        ("https://noc.example.com/", SECRET, []),
        ("http://noc.example.com/", SECRET, ["webhook_plain_http"]),
        ("https://noc.example.com/", None, ["webhook_unsigned"]),
        ("http://192.0.2.9/", None, ["webhook_plain_http", "webhook_unsigned"]),
        ("http://127.0.0.1:9000/", None, []),
        ("http://[::1]:9000/", None, []),
        ("http://localhost:9000/", None, []),
        ("http://127.0.0.1.example.com/", SECRET, ["webhook_plain_http"]),
    ],
)
def test_webhooks_that_leave_the_machine_are_encrypted_and_signed(
    url: str, secret: str | None, expected: list[str]
) -> None:
    found = advise(config(trunk("a"), streams=(stream(url, secret),)))
    assert codes(found) == expected
    assert all(SECRET not in item.message for item in found)


def test_a_file_without_trunks_probes_nothing() -> None:
    (advice,) = advise(config())
    assert (advice.code, advice.severity) == ("no_trunks", "warning")
    assert advice.message.startswith("no trunk is declared, so nothing is probed;")


@pytest.mark.parametrize(
    ("responses", "expected"),
    [
        (("2xx", "404", "405", "486"), []),
        (("2xx", "3xx"), []),
        (("2xx", "503"), [("healthy_503", "warning")]),
        (("5xx",), [("healthy_503", "warning")]),
        (("2xx", "4xx"), [("healthy_class", "info")]),
        (("6xx", "503"), [("healthy_class", "info"), ("healthy_503", "warning")]),
    ],
)
@pytest.mark.parametrize("targets", [FAR, NEAR])
def test_responses_that_say_no_are_not_healthy(
    targets: tuple[str, ...], responses: tuple[str, ...], expected: list[tuple[str, str]]
) -> None:
    policy = replace(POLICY, healthy_responses=responses)
    found = advise(config(trunk("a", targets, policy)))
    assert codes(found) == [code for code, _ in expected]
    assert [(item.code, item.severity) for item in found] == expected


def test_one_failure_is_called_an_attempt_because_packets_are_sent_again() -> None:
    (advice,) = advise(config(trunk("a", policy=replace(POLICY, max_failed_attempts=1))))
    assert "so one unanswered attempt takes the trunk down and it flaps" in advice.message


def test_an_address_that_several_trunks_probe_is_named_once_however_it_is_written() -> None:
    (advice,) = advise(
        config(
            trunk("a", ("sip:192.0.2.1", "sip:192.0.2.2:5060")),
            trunk("b", ("sip:192.0.2.1:5060", "sip:me@192.0.2.1;transport=udp")),
            trunk("c", ("sip:you@192.0.2.1",)),
            trunk("d", ("sip:192.0.2.1:5061",)),
        )
    )
    assert (advice.code, advice.severity) == ("address_shared", "info")
    assert advice.where == 'trunks "a", "b", "c"'
    assert "3 trunks probe 192.0.2.1:5060, so it gets 3 times the OPTIONS;" in advice.message
    (two,) = advise(config(trunk("a"), trunk("b")))
    assert "so it gets twice the OPTIONS;" in two.message


def test_an_address_is_not_shared_with_a_trunk_that_is_not_probed() -> None:
    silent = trunk("b", policy=replace(POLICY, enabled=False))
    assert codes(advise(config(trunk("a"), silent))) == ["keepalive_disabled"]
    assert advise(config(trunk("a"), replace(trunk("b"), enabled=False))) == []
    assert advise(config(trunk("a", NEAR), trunk("b", NEAR))) == []


def test_many_shared_addresses_are_counted_rather_than_listed() -> None:
    trunks = [trunk(f"t{number}", (f"sip:192.0.2.{number // 2}",)) for number in range(50)]
    found = advise(config(*trunks))
    assert codes(found) == ["address_shared"] * 11
    assert found[-1].message.startswith("15 more addresses are probed by several trunks each;")
    eleven = advise(config(*trunks[:22]))
    assert eleven[-1].message.startswith("1 more address is probed by")
    assert len(advise(config(*trunks[:20]))) == 10


def test_a_secret_that_other_users_can_read_is_named_by_its_file() -> None:
    (advice,) = advise(replace(config(trunk("a")), exposed_secret_files=("keys/hook",)))
    assert (advice.code, advice.severity) == ("secret_exposed", "warning")
    assert codes([advice]) == ["secret_exposed"]
    assert advice.message.endswith("run chmod 600 keys/hook.")


def test_maintenance_on_names_that_no_trunk_has_is_advised_against() -> None:
    mine = replace(trunk("a"), carrier="acme", region="eu")
    window = MaintenanceWindow(id="w", name="w", carriers=("acmee",), regions=("eu",))
    found = advise(replace(config(mine), maintenance=(window,)))
    [advice] = [each for each in found if each.code == "label_unknown"]
    assert advice.where == 'maintenance "w"'
    assert 'its carriers name "acmee" (did you mean "acme"?)' in advice.message
    right = replace(window, carriers=("acme",))
    assert "label_unknown" not in codes(advise(replace(config(mine), maintenance=(right,))))
