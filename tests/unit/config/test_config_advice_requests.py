"""Advice on how requests look, how they are secured and where they leave from."""

from __future__ import annotations

import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from trunkpulse.config.advice import advise
from trunkpulse.config.settings import ServerTls, SipSettings
from trunkpulse.model import ProbeIdentity, TlsSettings, Trunk
from trunkpulse.sip.digest import Credentials
from unit.config.advised import FAR, FARTHER, NEAR, POLICY, codes, config, trunk
from unit.config.pem import PemFiles

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


@pytest.mark.parametrize(("name", "expected"), [("me", []), ("me" * 100, ["request_long_for_udp"])])
def test_what_a_challenge_is_answered_with_counts_too(name: str, expected: list[str]) -> None:
    plain = ProbeIdentity(headers=(("X-Long", "x" * 450),))
    assert advise(config(asking("a", plain))) == []
    known = replace(plain, credentials=Credentials(name, "hunter2"))
    assert codes(advise(config(asking("a", known)))) == expected


@pytest.mark.parametrize(
    ("target", "proxy", "expected"),
    [
        ("sips:192.0.2.1:5060", None, 1),
        ("sip:sbc.example.com:5060;transport=tls", None, 1),
        ("sip:192.0.2.1", "sip:192.0.2.9:5060;transport=tls;lr", 1),
        ("sip:192.0.2.1:5060;transport=tls", "sip:192.0.2.9;lr", 0),
        ("sips:192.0.2.1:5061", None, 0),
        ("sips:sbc.example.com", None, 0),
        ("sip:192.0.2.1:5060", None, 0),
        ("sip:192.0.2.1:5060;transport=tcp", None, 0),
    ],
)
def test_tls_on_the_port_of_what_is_not_tls_is_named(
    target: str, proxy: str | None, expected: int
) -> None:
    found = advise(config(asking("a", ProbeIdentity(outbound_proxy=proxy), target)))
    assert codes(found) == ["tls_on_5060"] * expected
    assert {(each.severity, each.where) for each in found} <= {("warning", 'trunk "a"')}


PUBLIC = "sip:8.8.8.8:5060"


@pytest.mark.parametrize(
    ("identity", "target", "expected"),
    [
        (ProbeIdentity(source=("10.1.2.3", 0)), PUBLIC, 1),
        (ProbeIdentity(source=("100.64.0.9", 5070)), PUBLIC, 1),
        (ProbeIdentity(source=("fd00::1", 0)), "sip:[2600::1]", 1),
        (ProbeIdentity(source=("10.1.2.3", 0), outbound_proxy=f"{PUBLIC};lr"), "sip:10.0.0.9", 1),
        (ProbeIdentity(source=("10.1.2.3", 0), enable_nat=True), PUBLIC, 0),
        (ProbeIdentity(source=("10.1.2.3", 0), advertised_address="8.8.4.4"), PUBLIC, 0),
        (ProbeIdentity(source=("10.1.2.3", 0), contact_uri="sip:me@8.8.4.4"), PUBLIC, 0),
        (ProbeIdentity(source=("8.8.4.4", 0)), PUBLIC, 0),
        (ProbeIdentity(source=("10.1.2.3", 0)), "sip:10.0.0.9", 0),
        (ProbeIdentity(source=("10.1.2.3", 0)), "sip:sbc.example.com", 0),
        (ProbeIdentity(source=("127.0.0.1", 0)), PUBLIC, 0),
        (ProbeIdentity(), PUBLIC, 0),
    ],
)
def test_a_private_source_towards_a_public_target_wants_its_nat_told(
    identity: ProbeIdentity, target: str, expected: int
) -> None:
    found = [
        each for each in advise(config(asking("a", identity, target))) if each.code == "nat_off"
    ]
    assert codes(found) == ["nat_off"] * expected
    assert {(each.severity, each.where) for each in found} <= {("warning", 'trunk "a"')}


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
