"""Valid files: the defaults, and what each notation turns into."""

from __future__ import annotations

import gc
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.config.values import probe_target
from trunkpulse.model import KeepalivePolicy, NumberRange, TransportProtocol, Trunk
from trunkpulse.sip.uri import SipUri
from unit.config.loading import load
from unit.config.pem import PemFiles


def only_trunk(folder: Path, rest: str) -> Trunk:
    toml = f'[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:5061"]\n{rest}'
    (trunk,) = load(folder, toml).trunks
    return trunk


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    config = load(tmp_path, "")
    assert config.instance.region == "default"
    assert config.instance.id
    assert config.storage.path is None
    assert config.sip.allow == (ipaddress.ip_network("127.0.0.0/8"),)
    assert config.keepalive == KeepalivePolicy(
        enabled=True,
        interval_seconds=30,
        max_failed_attempts=3,
        min_successful_attempts=2,
        timeout_seconds=4,
        confirm_interval_seconds=5,
        down_interval_seconds=15,
        jitter=0.05,
        healthy_responses=("2xx",),
        healthy_codes=frozenset(range(200, 300)),
    )


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    assert load(tmp_path, '\ufeff[instance]\nid = "x"').instance.id == "x"


def test_what_the_storage_url_says_wins_over_the_data_folder(tmp_path: Path) -> None:
    relative = load(tmp_path, '[storage]\nurl = "sqlite:///var/t.db"').storage
    assert relative.database(Path("/data")) == tmp_path / "var" / "t.db"
    absolute = load(tmp_path, '[storage]\nurl = "sqlite:////srv/t.db"').storage
    assert absolute.database(Path("/data")) == Path("/srv/t.db")
    assert load(tmp_path, "").storage.database(Path("/data")) == Path("/data/trunkpulse.db")


def test_events_may_go_to_no_more_than_is_said(tmp_path: Path) -> None:
    assert load(tmp_path, "").outbound.allow == ()
    config = load(tmp_path, '[outbound]\nallow = ["10.20.0.0/16", "fd12::/48", "192.0.2.7"]')
    assert [str(each) for each in config.outbound.allow] == [
        "10.20.0.0/16",
        "fd12::/48",
        "192.0.2.7/32",
    ]


def test_addresses_may_be_ipv6_and_sip_may_be_off(tmp_path: Path) -> None:
    config = load(tmp_path, '[api]\nlisten = "[::1]:0"\n[sip]\nlisten = []\nallow = ["::1/128"]')
    assert config.api.listen == ("::1", 0)
    assert config.sip.listen == ()
    assert config.sip.allow == (ipaddress.ip_network("::1/128"),)
    sip = load(tmp_path, '[sip]\nlisten = ["udp:[0:0::1]:5060", "TCP:127.0.0.1:0"]').sip
    assert sip.listen == (
        SipListen(TransportProtocol.UDP, "::1", 5060),
        SipListen(TransportProtocol.TCP, "127.0.0.1", 0),
    )
    assert sip.tls is None


def test_who_listens_for_tls_shows_a_certificate(tmp_path: Path, pem_files: PemFiles) -> None:
    pem_files.write(tmp_path)
    files = 'cert_file = "me.pem", key_file = "me.key", ca_file = "ca.pem"'
    listen = '[sip]\nlisten = ["tls:127.0.0.1:5061"]\n'
    sip = load(tmp_path, f"{listen}tls = {{ {files} }}").sip
    assert sip.listen == (SipListen(TransportProtocol.TLS, "127.0.0.1", 5061),)
    assert sip.tls is not None
    assert replace(sip.tls, stamp=()) == ServerTls(
        cert_file=str(tmp_path / "me.pem"),
        key_file=str(tmp_path / "me.key"),
        ca_file=str(tmp_path / "ca.pem"),
    )
    both = load(tmp_path, f'{listen}tls = {{ cert_file = "{tmp_path}/both.pem" }}').sip
    assert both.tls is not None
    assert replace(both.tls, stamp=()) == ServerTls(cert_file=str(tmp_path / "both.pem"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("127.0.0.1", ("127.0.0.1", 0)),
        ("127.0.0.1:5070", ("127.0.0.1", 5070)),
        ("::1", ("::1", 0)),
        ("[::1]", ("::1", 0)),
        ("[::1]:5070", ("::1", 5070)),
    ],
)
def test_a_source_is_an_address_with_or_without_a_port(
    written: str, meant: tuple[str, int], tmp_path: Path
) -> None:
    target = "sip:[::2]" if ":" in meant[0] else "sip:127.0.0.2"
    trunks = load(
        tmp_path,
        f'[[trunks]]\nid = "a"\ntargets = ["{target}", "sip:sbc.example.com"]\n'
        f'[trunks.advanced]\nsource = "{written}"',
    ).trunks
    assert trunks[0].identity.source == meant


def test_healthy_responses_are_expanded_to_codes(tmp_path: Path) -> None:
    policy = load(tmp_path, '[keepalive]\nhealthy_responses = ["2XX", "404"]').keepalive
    assert policy.healthy_responses == ("2xx", "404")
    assert policy.healthy_codes == {*range(200, 300), 404}


@pytest.mark.parametrize(
    ("listed", "healthy", "unhealthy"),
    [
        ('"200"', {200, 299, 201}, {202, 204, 300, 100}),
        ('"202"', {202}, {200, 299}),
        ('"400"', {400, 409, 499}, {404, 486, 503}),
        ('"404"', {404}, {400, 499}),
        ('"299"', {299}, {200, 298}),
        ('"600", "5xx"', {600, 699, 500, 503, 599}, {603, 608, 404}),
    ],
)
def test_a_code_that_no_standard_defines_counts_as_the_x00_of_its_class(
    tmp_path: Path, listed: str, healthy: set[int], unhealthy: set[int]
) -> None:
    policy = load(tmp_path, f"[keepalive]\nhealthy_responses = [{listed}]").keepalive
    assert policy.healthy_codes >= healthy
    assert policy.healthy_codes.isdisjoint(unhealthy)


def test_a_trunk_inherits_what_it_does_not_override(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[keepalive]\ninterval_seconds = 20\nhealthy_responses = ["404"]\n'
        '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1"]\n'
        # The built-in default, said again, is an override all the same.
        "[trunks.keepalive]\ninterval_seconds = 30\n",
    )
    (trunk,) = config.trunks
    assert trunk.keepalive.interval_seconds == 30
    assert trunk.keepalive.healthy_codes == {404}


def test_trunks_with_equal_settings_share_one_policy(tmp_path: Path) -> None:
    overrides = (
        "",
        "[trunks.keepalive]\ninterval_seconds = 30\n",
        "[trunks.keepalive]\njitter = 0.1\n",
        "[trunks.keepalive]\njitter = 0.1\ninterval_seconds = 30.0\n",
        '[trunks.keepalive]\nhealthy_responses = ["2xx", "404"]\n',
        '[trunks.keepalive]\nhealthy_responses = ["2xx", "404"]\n',
    )
    config = load(
        tmp_path,
        "".join(
            f'[[trunks]]\nid = "t{number}"\ntargets = ["sip:127.0.0.1"]\n{override}'
            for number, override in enumerate(overrides)
        ),
    )
    plain, same, jitter, jitter_too, codes, codes_too = (trunk.keepalive for trunk in config.trunks)
    assert plain is config.keepalive
    # The same today, but it does not follow the defaults when these change.
    assert same == plain
    assert "interval_seconds" in plain.inherited - same.inherited
    assert jitter == jitter_too
    assert jitter != plain
    assert codes is codes_too


def test_a_number_may_be_a_prefix_or_a_range_of_one(tmp_path: Path) -> None:
    config = load(
        tmp_path,
        '[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1"]\n[[routes]]\nid = "r"\n'
        'numbers = ["+49301234567890", "+10-+10"]\ntrunks = [{ id = "a" }]\n',
    )
    assert config.routes[0].numbers == (NumberRange("+49301234567890"), NumberRange("+10", "+10"))


@pytest.mark.parametrize(
    "target",
    ["sip:127.0.0.1:5061", "sip:255.199.9.0:59999", "sip:10.0.0.1:9", "sip:10.0.0.1:65535"],
)
def test_an_ordinary_target_is_canonical_as_it_stands(target: str) -> None:
    assert probe_target(target) == str(SipUri.parse(target)) == target


@pytest.mark.parametrize(
    "target",
    ["sip:127.0.0.01:5061", "sip:256.0.0.1:5060", "sip:10.0.0.1:0", "sip:10.0.0.1:65536"],
)
def test_what_only_looks_like_an_ordinary_target_is_refused(target: str) -> None:
    with pytest.raises(ValueError, match="must be a SIP URI"):
        probe_target(target)


@pytest.mark.parametrize(
    "other",
    [
        "sip:carrier.example.com:5062",
        "sip:carrier.example.com;x=a:5060",
        "sip:me@carrier.example.com",
        "sip:other.example.com",
    ],
)
def test_targets_that_lead_elsewhere_may_stand_in_one_trunk(tmp_path: Path, other: str) -> None:
    toml = f'[[trunks]]\nid = "a"\ntargets = ["sip:carrier.example.com:5061", "{other}"]\n'
    assert len(load(tmp_path, toml).trunks[0].targets) == 2


def test_loading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    assert gc.isenabled()
    load(tmp_path, "")
    assert gc.isenabled()
