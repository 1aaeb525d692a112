from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from trunkpulse.cli.probe_advice import Recommendation, combined, recommend, trunk_toml
from trunkpulse.cli.probe_facts import ProbedAttempt
from trunkpulse.config import load_config
from trunkpulse.model import ProbeIdentity, TlsSettings
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.middlebox import Finding, Severity
from unit.cli.probed import ANSWERED, SILENCE, answered, plan, server

CALM = Recommendation(30, 4, ("2xx",))


def advice_for(attempts: Sequence[ProbedAttempt]) -> Recommendation:
    advice = recommend(server(attempts), plan())
    assert advice is not None
    return advice


@pytest.mark.parametrize(
    ("rtt", "resent", "timeout"),
    [
        (0.52, 1, 4.0),  # one packet lost
        (1.53, 2, 4.0),
        (3.52, 3, 4.5),
        (3.0, 2, 6.5),  # a slow path: 1.5 s at the least after the last send
        (20.0, 7, 20.5),  # Timer E has reached T2: the seventh left after 19.5 s
    ],
)
def test_where_all_were_sent_again_the_waiting_is_not_counted_twice(
    rtt: float, resent: int, timeout: float
) -> None:
    assert advice_for([answered(rtt=rtt, resent=resent)] * 3).timeout_seconds == timeout


@pytest.mark.parametrize(
    ("rtt", "timeout"), [(0.001, 4.0), (0.25, 4.0), (0.3, 4.5), (1.0, 5.5), (20.0, 32.0)]
)
def test_the_timeout_leaves_room_for_retransmissions_and_the_round_trip(
    rtt: float, timeout: float
) -> None:
    advice = advice_for([answered(rtt=rtt)])
    assert advice.timeout_seconds == timeout
    assert tomllib.loads(advice.toml()) == {
        "trunks": {
            "keepalive": {
                "interval_seconds": 30,
                "timeout_seconds": timeout,
                "healthy_responses": ["2xx"],
            }
        }
    }


def test_the_timeout_leaves_room_for_answers_that_came_too_late() -> None:
    probed = server([answered(), SILENCE])
    probed.late_seconds = [7.2]
    advice = recommend(probed, plan())
    assert advice is not None
    assert advice.timeout_seconds == 8.0


def test_a_refusal_that_shows_life_may_count_as_healthy_a_fault_never() -> None:
    alive = advice_for([answered(405), answered(404), SILENCE])
    assert alive.healthy_responses == ("2xx", "404", "405")
    assert recommend(server([answered(404), answered(503)]), plan()) is None
    assert recommend(server([SILENCE]), plan()) is None


@pytest.mark.parametrize("code", [401, 407])
def test_a_challenge_counts_as_healthy_only_for_those_without_credentials(code: int) -> None:
    assert advice_for([answered(code)]).healthy_responses == ("2xx", str(code))
    alice = plan(identity=ProbeIdentity(credentials=Credentials("alice", "wonderland")))
    assert recommend(server([answered(code)]), alice) is None
    assert recommend(server([answered(), answered(code)]), alice) is None
    assert recommend(server([answered(404)]), alice) is not None


@pytest.mark.parametrize(
    ("code", "severity", "expected"),
    [
        ("behind-nat", Severity.WARNING, True),
        ("behind-nat", Severity.NOTE, False),
        ("nat-port", Severity.WARNING, True),
        ("private-contact", Severity.WARNING, False),
    ],
)
def test_enable_nat_follows_from_being_seen_elsewhere(
    code: str, severity: Severity, *, expected: bool
) -> None:
    finding = Finding(code, severity, "A sentence.")
    assert advice_for([replace(ANSWERED, findings=(finding,))]).enable_nat is expected


def test_several_servers_get_settings_that_suit_all_that_are_alive() -> None:
    slow = Recommendation(30, 9, ("2xx", "405"), enable_nat=True)
    other = Recommendation(30, 5, ("2xx", "404"))
    assert combined([other, None, slow]) == Recommendation(
        30, 9, ("2xx", "404", "405"), enable_nat=True
    )
    assert combined([None]) is None


def test_the_snippet_is_a_trunk_that_is_probed_just_so(tmp_path: Path) -> None:
    wanted = plan(
        "sip:ping@sbc.example.com;transport=tls",
        ProbeIdentity(
            from_uri="sip:me@pbx.example.com",
            to_uri="sip:you@sbc.example.com",
            contact_uri="sip:pbx.example.com:5061",
            request_uri="sip:sbc.example.com",
            headers=(("X-Note", 'a "quoted" \\ text'),),
            max_forwards=3,
            outbound_proxy="sip:edge.example.com;transport=tls;lr",
            source=("192.0.2.7", 5070),
            credentials=Credentials("alice", "wonderland"),
            tls=TlsSettings(server_name="sbc.example.com", verify=False),
        ),
    )
    snippet = trunk_toml(wanted, replace(CALM, enable_nat=True, timeout_seconds=4.5))
    file = tmp_path / "trunks.toml"
    file.write_text(snippet)
    config = load_config(file, {"TRUNKPULSE_PASSWORD": "wonderland"})
    (trunk,) = config.trunks
    assert trunk.id == "sbc.example.com-tls"
    assert trunk.targets == (str(wanted.uri),)
    assert trunk.keepalive.timeout_seconds == 4.5
    assert trunk.identity == replace(
        wanted.identity, enable_nat=True, tls=TlsSettings(server_name="sbc.example.com")
    )
    assert "wonderland" not in snippet
    assert snippet.startswith("# The certificate was not verified (--insecure).")
    assert 'headers = { X-Note = "' in snippet
    assert 'tls = { server_name = "sbc.example.com" }' in snippet


@pytest.mark.parametrize("uri", ["sip:[2001:db8::1]:5062", "sip:192.0.2.1", "sips:a-b_c.example"])
def test_a_plain_snippet_loads_whatever_the_host_is(uri: str, tmp_path: Path) -> None:
    file = tmp_path / "trunks.toml"
    file.write_text(trunk_toml(plan(uri), CALM))
    (trunk,) = load_config(file, {}).trunks
    assert trunk.targets == (uri,)
    assert "advanced" not in file.read_text()


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("sip:sbc.example.com", "sbc.example.com"),
        ("sip:127.0.0.1:21001", "127.0.0.1-21001"),
        ("sip:127.0.0.1:21002;transport=TCP", "127.0.0.1-21002-tcp"),
        ("sip:[::1]:21001", "ipv6-1-21001"),
        ("sip:[2001:db8::1]", "ipv6-2001-db8-1"),
        ("sip:[::]:5060", "ipv6-any-5060"),
        (f"sip:{'a.' * 120}example:5061", f"{'a.' * 55}-5061"),
    ],
)
def test_the_id_tells_hosts_ports_and_transports_apart(uri: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / "trunks.toml"
    file.write_text(trunk_toml(plan(uri), CALM))
    (trunk,) = load_config(file, {}).trunks
    assert trunk.id == name
