"""How a trunk is reached, how its requests look, and which of its targets take which share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from trunkpulse.config import Config, load_config
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.values import sip_listen
from trunkpulse.model import KeepalivePolicy, ProbeIdentity, TlsSettings, Trunk
from trunkpulse.sip.digest import Credentials
from unit.config.pem import PemFiles


def load(folder: Path, toml: str, **environ: str) -> Config:
    path = folder / "edge.toml"
    path.write_text(toml, "utf-8")
    return load_config(path, environ)


def trunk(folder: Path, targets: str, rest: str = "", **environ: str) -> Trunk:
    toml = f'[[trunks]]\nid = "a"\ntargets = [{targets}]\n{rest}'
    (only,) = load(folder, toml, **environ).trunks
    return only


def identity(folder: Path, advanced: str, **environ: str) -> ProbeIdentity:
    rest = f"[trunks.advanced]\n{advanced}"
    return trunk(folder, '"sip:sbc.example.com"', rest, **environ).identity


@pytest.mark.parametrize(
    "target",
    [
        "sips:sbc.example.com",
        "sips:sbc.example.com:5061;transport=tcp",
        "sip:sbc.example.com;transport=tcp",
        "sip:192.0.2.1:5061;transport=tls",
        "sip:[2001:db8::1]:5061;transport=udp",
        "sip:sbc.example.com",
        "sip:sbc.example.com:5060",
    ],
)
def test_a_target_is_reached_over_any_transport_that_we_speak(target: str, tmp_path: Path) -> None:
    assert trunk(tmp_path, f'"{target}"').targets == (target,)


@pytest.mark.parametrize(
    ("target", "endpoint"),
    [
        ("sip:192.0.2.1", ("udp", "192.0.2.1", 5060, None)),
        ("sip:192.0.2.1:5060", ("udp", "192.0.2.1", 5060, None)),
        ("sip:[2001:db8::1];transport=tls", ("tls", "2001:db8::1", 5061, None)),
        ("sip:x;transport=TCP", ("tcp", "x", None, None)),
        ("sips:x", ("tls", "x", None, None)),
        ("sip:me@x", (None, "x", None, "me")),
        ("sip:x:5062", ("udp", "x", 5062, None)),
        ("sips:x:5062", ("tls", "x", 5062, None)),
    ],
)
def test_an_endpoint_leaves_to_the_dns_what_a_target_does_not_say(
    target: str, endpoint: tuple[str | None, str, int | None, str | None]
) -> None:
    assert Endpoint.of(target) == endpoint


def test_places_that_differ_in_port_transport_or_way_of_finding_them_stand_in_one_trunk(
    tmp_path: Path,
) -> None:
    targets = (
        "sip:x",
        "sip:x:5060",
        "sip:x;transport=udp",
        "sip:x;transport=tcp",
        "sip:x:5060;transport=tcp",
        "sips:x",
    )
    written = ", ".join(f'"{target}"' for target in targets)
    assert trunk(tmp_path, written).targets == targets


def test_targets_may_share_calls_unevenly(tmp_path: Path) -> None:
    uneven = trunk(tmp_path, '"sip:192.0.2.1:5060", { uri = "SIP:192.0.2.2", weight = 50 }')
    assert uneven.targets == ("sip:192.0.2.1:5060", "sip:192.0.2.2")
    assert uneven.weights == (100, 50)


@pytest.mark.parametrize(
    "targets",
    [
        '"sip:192.0.2.1"',
        '"sip:192.0.2.1", "sip:192.0.2.2"',
        '"sip:192.0.2.1", { uri = "sip:192.0.2.2" }',
        '{ uri = "sip:192.0.2.1", weight = 7 }, { uri = "sip:192.0.2.2", weight = 7 }',
        '{ uri = "sip:192.0.2.1", weight = 7 }',
    ],
)
def test_equal_weights_are_no_weights(targets: str, tmp_path: Path) -> None:
    assert trunk(tmp_path, targets).weights == ()


@pytest.mark.parametrize("name", ["sip:sbc.example.com", "sip:sbc.example.com:5060"])
def test_a_name_may_lead_to_more_targets_than_are_written(name: str, tmp_path: Path) -> None:
    wanted = trunk(tmp_path, f'"sip:192.0.2.1", "{name}"', "min_available_targets = 64")
    assert wanted.min_available_targets == 64


def test_a_request_may_be_written_to_the_last_header(tmp_path: Path) -> None:
    found = identity(
        tmp_path,
        'to_uri = "sip:Monitor@SBC.example.com"\nmax_forwards = 255\n'
        'outbound_proxy = "sip:Edge.example.com:5062;transport=tcp;lr"\n'
        'enable_nat = true\nadvertised_address = "2001:DB8::7"\n'
        'username = "alice"\npassword = "env:PASSWORD"\n',
        PASSWORD="correct horse\n",
    )
    assert found == ProbeIdentity(
        to_uri="sip:Monitor@sbc.example.com",
        max_forwards=255,
        outbound_proxy="sip:edge.example.com:5062;transport=tcp;lr",
        enable_nat=True,
        advertised_address="[2001:db8::7]",
        credentials=Credentials("alice", "correct horse"),
    )


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("198.51.100.7:5070", "198.51.100.7:5070"),
        ("PBX.example.com", "pbx.example.com"),
        ("pbx.example.com:5070", "pbx.example.com:5070"),
        ("[2001:db8:0::7]:5070", "[2001:db8::7]:5070"),
        ("[2001:db8::7]", "[2001:db8::7]"),
    ],
)
def test_what_is_advertised_is_a_host_with_or_without_a_port(
    written: str, shown: str, tmp_path: Path
) -> None:
    assert identity(tmp_path, f'advertised_address = "{written}"').advertised_address == shown


def test_the_files_of_tls_start_from_the_folder_of_the_configuration(
    tmp_path: Path, pem_files: PemFiles
) -> None:
    (tmp_path / "keys").mkdir()
    pem_files.write(tmp_path / "keys")
    found = identity(
        tmp_path,
        'tls = { ca_file = "keys/ca.pem", cert_file = "keys/me.pem", key_file = "keys/me.key" }',
    )
    assert replace(found.tls, stamp=()) == TlsSettings(
        ca_file=str(tmp_path / "keys/ca.pem"),
        cert_file=str(tmp_path / "keys/me.pem"),
        key_file=str(tmp_path / "keys/me.key"),
    )
    both = identity(tmp_path, f'tls = {{ cert_file = "{tmp_path}/keys/both.pem" }}')
    assert replace(both.tls, stamp=()) == TlsSettings(cert_file=str(tmp_path / "keys/both.pem"))


@pytest.mark.parametrize(
    ("targets", "advanced"),
    [
        ('"sip:192.0.2.1:5060", "sips:x"', ""),
        ('"sip:x"', ""),
        ('"sip:192.0.2.1;transport=tls"', ""),
        ('"sip:192.0.2.1"', 'outbound_proxy = "sip:edge;transport=tls;lr"\n'),
    ],
)
def test_tls_may_be_set_wherever_it_may_be_spoken(
    targets: str, advanced: str, tmp_path: Path
) -> None:
    rest = f"[trunks.advanced]\n{advanced}tls = {{ verify = false }}"
    assert not trunk(tmp_path, targets, rest).identity.tls.verify


def test_a_source_need_not_fit_targets_that_are_reached_through_a_proxy(tmp_path: Path) -> None:
    rest = '[trunks.advanced]\nsource = "127.0.0.1"\noutbound_proxy = "sip:127.0.0.2;lr"'
    assert trunk(tmp_path, '"sip:[2001:db8::1]"', rest).identity.source == ("127.0.0.1", 0)


def test_a_test_of_the_next_hop_alone_takes_its_483_for_healthy(tmp_path: Path) -> None:
    hop = "[trunks.advanced]\nmax_forwards = 0\n"
    policy = trunk(tmp_path, '"sip:x"', hop).keepalive
    assert policy.healthy_responses == ("2xx", "483")
    assert policy.healthy_codes == {*range(200, 300), 483}
    listed = '[trunks.keepalive]\nhealthy_responses = ["4xx"]\n'
    assert trunk(tmp_path, '"sip:x"', hop + listed).keepalive.healthy_responses == ("4xx",)
    one_more = "[trunks.advanced]\nmax_forwards = 1\n"
    assert trunk(tmp_path, '"sip:x"', one_more).keepalive == KeepalivePolicy()


def test_trunks_with_equal_identities_share_one(tmp_path: Path) -> None:
    advanced = (
        "",
        "[trunks.advanced]\nmax_forwards = 70\n",
        "[trunks.advanced]\nenable_nat = true\n",
        "[trunks.advanced]\nenable_nat = true\nheaders = {}\n",
        "[trunks.advanced]\nmax_forwards = 0\n",
        "[trunks.advanced]\nmax_forwards = 0\n",
    )
    trunks = load(
        tmp_path,
        "".join(
            f'[[trunks]]\nid = "t{number}"\ntargets = ["sip:x"]\n{each}'
            for number, each in enumerate(advanced)
        ),
    ).trunks
    plain, same, nat, nat_too, hop, hop_too = (each.identity for each in trunks)
    assert plain is same
    assert nat is nat_too is not plain
    assert hop is hop_too
    assert trunks[4].keepalive is trunks[5].keepalive
    assert trunks[0].keepalive is trunks[3].keepalive


def test_a_listener_is_written_like_the_addresses_of_the_configuration() -> None:
    listen = sip_listen("Tls:[0::1]:5061")
    assert (listen.protocol, listen.host, listen.port) == ("tls", "::1", 5061)
