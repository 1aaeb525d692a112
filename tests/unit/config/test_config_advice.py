"""Advice on configurations that are valid and yet may be regretted."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trunkpulse.config.advice import Advice, advise
from trunkpulse.config.settings import Config, InstanceSettings, ServerTls, SipSettings
from trunkpulse.model import (
    Destination,
    EventStream,
    IsolationPolicy,
    KeepalivePolicy,
    ProbeIdentity,
    Route,
    RouteTrunk,
    TlsSettings,
    Trunk,
)
from trunkpulse.sip.digest import Credentials
from unit.config.pem import PemFiles

POLICY = KeepalivePolicy()
FAR = ("sip:192.0.2.1:5060",)
FARTHER = ("sip:192.0.2.2:5060",)
NEAR = ("sip:127.0.0.1:5060", "sip:[::1]:5060", "sip:localhost")
SECRET = "whsec_of no matter here"


def trunk(name: str, targets: tuple[str, ...] = FAR, policy: KeepalivePolicy = POLICY) -> Trunk:
    return Trunk(id=name, name=name, targets=targets, keepalive=policy)


def config(
    *trunks: Trunk, routes: tuple[Route, ...] = (), streams: tuple[EventStream, ...] = ()
) -> Config:
    return Config(
        instance=InstanceSettings(id="edge"),
        keepalive=POLICY,
        trunks=trunks,
        routes=routes,
        event_streams=streams,
    )


def route(*names: str) -> Route:
    return Route(id="r", trunks=tuple(RouteTrunk(id=name) for name in names))


def stream(url: str, secret: str | None = SECRET) -> EventStream:
    return EventStream(
        id="s", name="s", destination=Destination(type="webhook", url=url, secret=secret)
    )


def codes(advice: list[Advice]) -> list[str]:
    for item in advice:
        assert item.message.isprintable()
        assert item.message.endswith(".")
        assert ". " not in item.message
        assert "; " in item.message, "the fix follows the why"
        assert item.where
    return [item.code for item in advice]


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
        (replace(POLICY, interval_seconds=60), []),
        (replace(POLICY, interval_seconds=61), ["interval_long"]),
        (replace(POLICY, max_failed_attempts=1), ["single_failure"]),
        (replace(POLICY, min_successful_attempts=1), ["single_success"]),
        (replace(POLICY, enabled=False, interval_seconds=1), ["keepalive_disabled"]),
        (
            replace(POLICY, interval_seconds=20, timeout_seconds=20),
            ["timeout_not_below_interval"],
        ),
        (replace(POLICY, interval_seconds=20, timeout_seconds=19.9), []),
    ],
)
def test_keepalive_settings_are_judged_where_packets_travel(
    policy: KeepalivePolicy, expected: list[str]
) -> None:
    found = advise(config(trunk("a", policy=policy)))
    assert codes(found) == expected
    assert {(item.severity, item.where) for item in found} <= {("warning", 'trunk "a"')}


def test_fast_probes_over_loopback_are_nobodys_business() -> None:
    policy = replace(
        POLICY,
        interval_seconds=0.5,
        timeout_seconds=0.2,
        max_failed_attempts=1,
        min_successful_attempts=1,
    )
    assert advise(config(trunk("a", NEAR, policy))) == []
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


def test_a_route_with_a_single_trunk_has_nowhere_to_turn() -> None:
    (advice,) = advise(config(trunk("a"), routes=(route("a"),)))
    assert (advice.code, advice.severity, advice.where) == (
        "route_single_trunk",
        "warning",
        'route "r"',
    )
    assert '"a"' in advice.message


def test_trunks_that_end_at_the_same_targets_back_nobody_up() -> None:
    same = config(trunk("a", FAR + FARTHER), trunk("b", FARTHER + FAR), routes=(route("a", "b"),))
    assert "route_shared_targets" in codes(advise(same))
    different = config(trunk("a", FAR + FARTHER), trunk("b"), routes=(route("a", "b"),))
    assert "route_shared_targets" not in codes(advise(different))


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


def test_trunks_in_no_route_are_mentioned_once_there_are_routes() -> None:
    trunks = tuple(trunk(name, (f"sip:{name}.example.com",)) for name in "abcd")
    assert advise(config(*trunks)) == []
    (advice,) = advise(config(*trunks, routes=(route("a", "b"),)))
    assert (advice.code, advice.severity, advice.where) == (
        "trunk_unrouted",
        "info",
        'trunks "c", "d"',
    )
    assert advice.message.startswith(
        "the trunks are in no route, so no call runs over them; add them to a route"
    )
    (only,) = advise(config(*trunks[:3], routes=(route("a", "b"),)))
    assert only.where == 'trunk "c"'
    assert "the trunk is in no route, so no call runs over it; add it" in only.message


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


# --- how requests look and how they are secured --------------------------------------------------

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def asking(name: str, identity: ProbeIdentity, *targets: str) -> Trunk:
    return replace(trunk(name, targets or FAR), identity=identity)


def test_far_sides_that_are_not_verified_are_named() -> None:
    anybody = ProbeIdentity(tls=TlsSettings(verify=False))
    (advice,) = advise(config(asking("a", anybody), asking("b", anybody, *FARTHER)))
    assert codes([advice]) == ["tls_not_verified"]
    assert (advice.severity, advice.where) == ("warning", 'trunks "a", "b"')
    assert advise(config(asking("a", anybody, *NEAR))) == []
    assert "; set ca_file to" in advice.message


def test_an_authority_that_is_set_has_only_to_be_heeded() -> None:
    ignored = ProbeIdentity(tls=TlsSettings(verify=False, ca_file="ca.pem"))
    (advice,) = advise(config(asking("a", ignored)))
    assert codes([advice]) == ["tls_not_verified"]
    assert advice.message.endswith("; take verify = false out.")
    assert "set ca_file" not in advice.message


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        (ProbeIdentity(from_uri="sip:192.0.2.1:5060"), ["from_equals_to"]),
        (ProbeIdentity(from_uri="sip:192.0.2.1:5060;transport=udp"), ["from_equals_to"]),
        (ProbeIdentity(from_uri="sip:me@192.0.2.1:5060"), []),
        (ProbeIdentity(from_uri="sip:me@x", to_uri="sip:me@x"), ["from_equals_to"]),
        (ProbeIdentity(from_uri="sip:me@x", request_uri="sip:me@x"), ["from_equals_to"]),
        (ProbeIdentity(from_uri="sip:me@x", request_uri="sip:me@x", to_uri="sip:you@x"), []),
        (ProbeIdentity(from_uri="sip:192.0.2.1:5060", to_uri="sip:you@x"), []),
    ],
)
def test_a_sender_who_writes_to_itself_may_be_blocked(
    identity: ProbeIdentity, expected: list[str]
) -> None:
    assert codes(advise(config(asking("a", identity)))) == expected


def test_a_proxy_that_is_the_target_itself_is_one_too_many() -> None:
    found = advise(config(asking("a", ProbeIdentity(outbound_proxy="sip:192.0.2.1;lr"))))
    assert codes(found) == ["proxy_is_target"]
    assert found[0].severity == "info"
    assert advise(config(asking("a", ProbeIdentity(outbound_proxy="sip:192.0.2.9;lr")))) == []


@pytest.mark.parametrize(
    ("size", "target", "proxy", "expected"),
    [
        (1000, "sip:192.0.2.1", None, ["request_long_for_udp"]),
        (1000, "sip:sbc.example.com", None, ["request_long_for_udp"]),
        (1000, "sip:sbc.example.com;transport=tcp", None, []),
        (1000, "sips:sbc.example.com", None, []),
        (1000, "sip:192.0.2.1", "sip:edge;transport=tcp;lr", []),
        (1000, "sip:x;transport=tcp", "sip:edge:5060;lr", ["request_long_for_udp"]),
        (600, "sip:192.0.2.1", None, []),
        (600, f"sip:{'u' * 200}@192.0.2.1", None, ["request_long_for_udp"]),
    ],
)
def test_a_request_that_udp_may_break_up_is_mentioned(
    size: int, target: str, proxy: str | None, expected: list[str]
) -> None:
    identity = ProbeIdentity(headers=(("X-Long", "x" * size),), outbound_proxy=proxy)
    assert codes(advise(config(asking("a", identity, target)))) == expected


@pytest.mark.parametrize(
    ("responses", "expected"),
    [(("2xx", "401"), ["401"]), (("407", "401"), ["401 and 407"]), (("2xx",), [])],
)
def test_a_challenge_is_no_success_for_whoever_has_credentials(
    responses: tuple[str, ...], expected: list[str]
) -> None:
    policy = replace(POLICY, healthy_responses=responses)
    known = replace(
        trunk("a", policy=policy), identity=ProbeIdentity(credentials=Credentials("me", "hunter2"))
    )
    found = advise(config(known, trunk("b", FARTHER, policy)))
    assert codes(found) == ["challenge_healthy"] * len(expected)
    for advice, named in zip(found, expected, strict=True):
        assert (advice.severity, advice.where) == ("warning", 'trunk "a"')
        assert advice.message.startswith(f"healthy_responses contains {named} although")
        assert "hunter2" not in advice.message


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (timedelta(days=-1), "certificate_expired"),
        (timedelta(0), "certificate_expired"),
        (timedelta(hours=1), "certificate_expiring"),
        (timedelta(days=30), "certificate_expiring"),
        (timedelta(days=31), None),
    ],
)
def test_our_own_certificate_is_watched_for_thirty_days_before_it_expires(
    left: timedelta, expected: str | None, tmp_path: Path, pem_files: PemFiles
) -> None:
    file = tmp_path / "me.pem"
    file.write_bytes(pem_files.expiring(NOW + left))
    ours = ProbeIdentity(tls=TlsSettings(cert_file=str(file)))
    trunks = asking("a", ours), asking("b", ours, *FARTHER)
    found = advise(config(*trunks), NOW)
    assert codes(found) == [expected] * (expected is not None)
    for advice in found:
        assert (advice.severity, advice.where) == ("warning", 'trunks "a", "b"')
        assert (NOW + left).date().isoformat() in advice.message
    listening = replace(
        config(*trunks), sip=SipSettings(tls=ServerTls(cert_file=str(file), key_file=None))
    )
    assert {advice.where for advice in advise(listening, NOW)} <= {'[sip] and trunks "a", "b"'}


@pytest.mark.parametrize("left", [timedelta(days=-1), timedelta(days=1)])
def test_who_refuses_us_for_an_expired_certificate_depends_on_who_sees_it(
    left: timedelta, tmp_path: Path, pem_files: PemFiles
) -> None:
    file = tmp_path / "me.pem"
    file.write_bytes(pem_files.expiring(NOW + left))
    asked = asking("a", ProbeIdentity(tls=TlsSettings(cert_file=str(file))))
    sip = SipSettings(tls=ServerTls(cert_file=str(file), key_file=None))
    (shown_to_far_sides,) = advise(config(asked), NOW)
    (shown_to_callers,) = advise(replace(config(trunk("a")), sip=sip), NOW)
    (shown_to_both,) = advise(replace(config(asked), sip=sip), NOW)
    for advice, callers, far_sides in (
        (shown_to_far_sides, False, True),
        (shown_to_callers, True, False),
        (shown_to_both, True, True),
    ):
        codes([advice])
        assert ("those who connect to us" in advice.message) == callers
        assert ("far sides that ask for it" in advice.message) == far_sides
    assert shown_to_callers.where == "[sip]"


# --- where probes leave from --------------------------------------------------------------------

NOT_HERE = "203.0.113.77"
"""Set aside for documentation (RFC 5737), so no machine has it."""


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (("127.0.0.1", 5070), []),
        ((NOT_HERE, 0), ["source_not_here"]),
        (("2001:db8::77", 5070), ["source_not_here"]),
    ],
)
def test_a_source_that_this_machine_does_not_have_is_told_before_serve_refuses_it(
    source: tuple[str, int], expected: list[str]
) -> None:
    found = advise(config(asking("a", ProbeIdentity(source=source), "sip:sbc.example.com")))
    assert codes(found) == expected
    for advice in found:
        assert (advice.severity, advice.where) == ("warning", 'trunk "a"')
        assert advice.message.startswith(
            f"this machine has no address {source[0]}, so serve would refuse the file here;"
        )


def test_a_source_of_several_trunks_is_told_once_whatever_its_port_and_if_disabled_too() -> None:
    first, second = (ProbeIdentity(source=(NOT_HERE, port)) for port in (5070, 5071))
    disabled = replace(asking("b", second, *FARTHER), enabled=False)
    (advice,) = advise(config(asking("a", first), disabled))
    assert advice.where == 'trunks "a", "b"'


def test_a_source_whose_port_is_in_use_is_here_all_the_same() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        busy = ProbeIdentity(source=("127.0.0.1", taken.getsockname()[1]))
        assert advise(config(asking("a", busy))) == []


def test_a_certificate_that_has_gone_since_is_no_advice(tmp_path: Path) -> None:
    gone = ProbeIdentity(tls=TlsSettings(cert_file=str(tmp_path / "gone.pem")))
    assert advise(config(asking("a", gone)), NOW) == []
