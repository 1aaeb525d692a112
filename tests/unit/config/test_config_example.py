"""The documented example, and that it states the defaults."""

from __future__ import annotations

import base64
from pathlib import Path

from trunkpulse.config import Config
from trunkpulse.config.settings import SipListen
from trunkpulse.config.stamps import FileStamps
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
from unit.config.loading import load
from unit.config.pem import PemFiles

SECRET = "whsec_" + base64.b64encode(b"0123456789" * 3).decode()
PASSWORD = "s3 cret with blanks"
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


def test_a_secret_is_in_no_representation(tmp_path: Path, pem_files: PemFiles) -> None:
    config = load_example(tmp_path, pem_files)
    assert SECRET not in repr(config)
    assert PASSWORD not in repr(config)
    assert SECRET.removeprefix("whsec_") not in str(config)
