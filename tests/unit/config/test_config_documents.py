"""Valid files: the documented example, the defaults, and what each notation turns into."""

from __future__ import annotations

import base64
import gc
import ipaddress
from dataclasses import replace
from pathlib import Path

import pytest

from trunkpulse.config import Config, load_config
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.config.stamps import FileStamps
from trunkpulse.config.values import probe_target
from trunkpulse.model import (
    Destination,
    Direction,
    EventStream,
    KeepalivePolicy,
    NumberRange,
    ProbeIdentity,
    Route,
    RouteTrunk,
    TlsSettings,
    TransportProtocol,
    Trunk,
    WhenNoneAvailable,
)
from trunkpulse.sip.digest import Credentials
from trunkpulse.sip.uri import SipUri
from unit.config.pem import PemFiles

PASSWORD = "s3 cret with blanks"
SECRET = "whsec_" + base64.b64encode(b"0123456789" * 3).decode()

EXAMPLE = """
[instance]
id = "edge-1"
region = "us-east"

[storage]
url = "sqlite:///trunkpulse.db"

[api]
listen = "127.0.0.1:8080"

[sip]
listen = ["udp:127.0.0.1:5080"]
allow = ["127.0.0.0/8"]
user_agent = "trunkpulse"

[keepalive]
enabled = true
interval_seconds = 30
max_failed_attempts = 3
min_successful_attempts = 2
timeout_seconds = 4
confirm_interval_seconds = 5
down_interval_seconds = 15
jitter = 0.05
healthy_responses = ["2xx"]

[[trunks]]
id = "carrier-a"
name = "Primary-PSTN-Trunk"
direction = "both"
region = "us-east"
carrier = "acme"
profile = "generic"
targets = ["sip:127.0.0.1:5061", "sip:SBC.example.com;transport=tls"]
min_available_targets = 1
enabled = true
[trunks.keepalive]
interval_seconds = 20
[trunks.advanced]
from_uri = "sip:ping@pbx.example.com"
contact_uri = "sip:pbx.example.com:5060"
request_uri = "sip:ping@sbc.example.com"
headers = { "X-Account" = "42" }
outbound_proxy = "sip:edge.example.com;lr"
source = "127.0.0.1:5070"
enable_nat = true
advertised_address = "198.51.100.7"
username = "alice"
password = "env:CARRIER_A_PASSWORD"
[trunks.advanced.tls]
verify = true
ca_file = "ca.pem"
cert_file = "me.pem"
key_file = "me.key"
server_name = "sbc.example.com"

[[trunks]]
id = "carrier-b"
targets = ["sip:127.0.0.1:5062"]

[[routes]]
id = "us-outbound"
direction = "outbound"
numbers = ["+1", "+15551230000-+15551239999"]
regions = ["us-east"]
trunks = [ { id = "carrier-a", priority = 1, weight = 100 }, { id = "carrier-b", priority = 2 } ]
when_none_available = "fail"

[[event_streams]]
id = "noc"
name = "Network operations"
event_types = ["telephony.trunks.stateChange"]
trunks = []
reason_codes = ["KEEPALIVE_FAILURE", "NETWORK_ERROR"]
[event_streams.destination]
type = "webhook"
url = "http://127.0.0.1:9000/hook"
secret = "env:NOC_WEBHOOK_SECRET"
"""


def load(folder: Path, toml: str, **environ: str) -> Config:
    path = folder / "edge.toml"
    path.write_text(toml, "utf-8")
    return load_config(path, environ)


def only_trunk(folder: Path, rest: str) -> Trunk:
    toml = f'[[trunks]]\nid = "a"\ntargets = ["sip:127.0.0.1:5061"]\n{rest}'
    (trunk,) = load(folder, toml).trunks
    return trunk


def only_stream(folder: Path, secret: str, **environ: str) -> EventStream:
    toml = (
        '[[event_streams]]\nid = "s"\n[event_streams.destination]\ntype = "webhook"\n'
        f'url = "https://noc.example.com/hook"\nsecret = "{secret}"\n'
    )
    (stream,) = load(folder, toml, **environ).event_streams
    return stream


def load_example(folder: Path, pem_files: PemFiles) -> Config:
    pem_files.write(folder)
    return load(folder, EXAMPLE, NOC_WEBHOOK_SECRET=SECRET, CARRIER_A_PASSWORD=PASSWORD)


def test_the_documented_example_means_what_it_says(tmp_path: Path, pem_files: PemFiles) -> None:
    config = load_example(tmp_path, pem_files)
    assert config.instance.id == "edge-1"
    assert config.instance.region == "us-east"
    assert config.storage.path == tmp_path / "trunkpulse.db"
    assert config.api.listen == ("127.0.0.1", 8080)
    assert config.sip.listen == (SipListen(TransportProtocol.UDP, "127.0.0.1", 5080),)
    assert config.keepalive == KeepalivePolicy()
    assert config.trunks == (
        Trunk(
            id="carrier-a",
            name="Primary-PSTN-Trunk",
            direction=Direction.BOTH,
            region="us-east",
            carrier="acme",
            targets=("sip:127.0.0.1:5061", "sip:sbc.example.com;transport=tls"),
            keepalive=KeepalivePolicy(interval_seconds=20),
            identity=ProbeIdentity(
                from_uri="sip:ping@pbx.example.com",
                contact_uri="sip:pbx.example.com:5060",
                request_uri="sip:ping@sbc.example.com",
                headers=(("X-Account", "42"),),
                outbound_proxy="sip:edge.example.com;lr",
                source=("127.0.0.1", 5070),
                enable_nat=True,
                advertised_address="198.51.100.7",
                credentials=Credentials("alice", PASSWORD),
                tls=TlsSettings(
                    ca_file=str(tmp_path / "ca.pem"),
                    cert_file=str(tmp_path / "me.pem"),
                    key_file=str(tmp_path / "me.key"),
                    server_name="sbc.example.com",
                    stamp=FileStamps().of(
                        *(str(tmp_path / name) for name in ("ca.pem", "me.pem", "me.key"))
                    ),
                ),
            ),
            managed_by="edge.toml",
        ),
        Trunk(
            id="carrier-b",
            name="carrier-b",
            targets=("sip:127.0.0.1:5062",),
            managed_by="edge.toml",
        ),
    )
    assert config.routes == (
        Route(
            id="us-outbound",
            direction=Direction.OUTBOUND,
            numbers=(NumberRange("+1"), NumberRange("+15551230000", "+15551239999")),
            regions=("us-east",),
            trunks=(
                RouteTrunk(id="carrier-a", priority=1, weight=100),
                RouteTrunk(id="carrier-b", priority=2, weight=100),
            ),
            when_none_available=WhenNoneAvailable.FAIL,
            managed_by="edge.toml",
        ),
    )
    assert config.event_streams == (
        EventStream(
            id="noc",
            name="Network operations",
            destination=Destination(
                type="webhook", url="http://127.0.0.1:9000/hook", secret=SECRET
            ),
            managed_by="edge.toml",
        ),
    )


def test_the_example_states_the_defaults(tmp_path: Path, pem_files: PemFiles) -> None:
    said = load_example(tmp_path, pem_files)
    silent = load(tmp_path, "")
    assert silent.api == said.api
    assert silent.sip == said.sip
    assert silent.keepalive == said.keepalive
    assert silent.storage.database(tmp_path) == said.storage.database(Path("elsewhere"))
    assert (silent.trunks, silent.routes, silent.event_streams) == ((), (), ())


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
    assert plain is same is config.keepalive
    assert jitter is jitter_too is not plain
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


def test_a_secret_comes_from_the_environment(tmp_path: Path) -> None:
    stream = only_stream(tmp_path, "env:HOOK", HOOK=f"{SECRET}\n")
    assert stream.destination.secret == SECRET


def test_a_secret_comes_from_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "hook").write_text(f"{SECRET}\r\n")
    assert only_stream(tmp_path, "file:keys/hook").destination.secret == SECRET
    absolute = tmp_path / "keys" / "hook"
    assert only_stream(tmp_path, f"file:{absolute}").destination.secret == SECRET


@pytest.mark.parametrize(
    ("mode", "exposed"),
    [(0o600, ()), (0o400, ()), (0o640, ("hook",)), (0o604, ("hook",)), (0o666, ("hook",))],
)
def test_a_file_of_a_secret_that_lets_others_in_is_remembered(
    tmp_path: Path, mode: int, exposed: tuple[str, ...]
) -> None:
    file = tmp_path / "hook"
    file.write_text(SECRET)
    file.chmod(mode)
    toml = (
        '[[event_streams]]\nid = "s"\n[event_streams.destination]\ntype = "webhook"\n'
        'url = "https://noc.example.com/hook"\nsecret = "file:hook"\n'
    )
    assert load(tmp_path, toml).exposed_secret_files == exposed


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


def test_a_secret_is_in_no_representation(tmp_path: Path, pem_files: PemFiles) -> None:
    config = load_example(tmp_path, pem_files)
    assert SECRET not in repr(config)
    assert PASSWORD not in repr(config)
    assert SECRET.removeprefix("whsec_") not in str(config)


def test_loading_leaves_the_garbage_collector_as_it_was(tmp_path: Path) -> None:
    assert gc.isenabled()
    load(tmp_path, "")
    assert gc.isenabled()
