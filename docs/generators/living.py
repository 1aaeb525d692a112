"""What only a running trunkpulse can say: its endpoints and its metrics.

A whole instance runs for a moment on loopback, with a carrier that answers over TLS, so that every
metric has a sample to show its labels.
"""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from prometheus_client.parser import text_string_to_metric_families

from trunkpulse.adapters.clock import SystemClock
from trunkpulse.adapters.network.responder import OptionsResponder, ResponderSettings
from trunkpulse.app import running
from trunkpulse.config import load_config
from trunkpulse.config.settings import ServerTls, SipListen
from trunkpulse.model import TransportProtocol
from trunkpulse.sip.server import AnswerSettings

__all__ = ["METHODS", "Access", "Endpoint", "MetricFamily", "Observed", "observe"]

METHODS = ("get", "post", "put", "patch", "delete")
DEADLINE_SECONDS = 20

CONFIG = """
[api]
listen = "127.0.0.1:0"

[sip]
listen = []

[hep]
listen = ["udp:127.0.0.1:0"]

[pacing]
probes_per_second = 1000

[keepalive]
confirm_interval_seconds = 0.1

[[trunks]]
id = "a"
targets = ["sip:127.0.0.1:{port};transport=tls"]
advanced = {{ tls = {{ verify = false }} }}

[[switches]]
id = "nowhere"
type = "kamailio"
url = "udp:127.0.0.1:9"

[[event_streams]]
id = "s"
destination = {{ type = "webhook", url = "http://127.0.0.1:9/" }}
"""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may use an operation."""

    public: bool
    permission: str | None
    refuses_limited: bool


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An operation of the API."""

    method: str
    path: str
    parameters: tuple[str, ...]
    summary: str
    access: Access


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """A metric of /metrics."""

    name: str
    kind: str
    labels: tuple[str, ...]
    help: str


@dataclass(frozen=True, slots=True)
class Observed:
    """What the instance said."""

    endpoints: tuple[Endpoint, ...]
    metrics: tuple[MetricFamily, ...]


async def observe(folder: Path) -> Observed:
    """Run an instance with its database in ``folder`` and ask it."""
    responder = await OptionsResponder.listen_on(
        SipListen(TransportProtocol.TLS, "127.0.0.1", 0),
        ResponderSettings(answer=AnswerSettings(tag_key=b"documentation")),
        clock=SystemClock(),
        rng=random.Random(0),
        tls=_identity(folder),
    )
    try:
        file = folder / "trunks.toml"
        file.write_text(CONFIG.format(port=responder.local_address[1]))
        changed = asyncio.Event()
        async with asyncio.timeout(DEADLINE_SECONDS), running(load_config(file, {}), folder) as one:
            one.node.listen(lambda _: changed.set())
            async with httpx2.AsyncClient(
                base_url=one.url, headers={"authorization": f"Bearer {one.token}"}, trust_env=False
            ) as http:
                if not one.node.board.status("a").since_ms:
                    await changed.wait()
                document = (await http.get("/api/v2/openapi.json")).text
                metrics = (await http.get("/metrics")).text
    finally:
        responder.close()
    return Observed(_endpoints(document), _metrics(metrics))


def _identity(folder: Path) -> ServerTls:
    """A key with a certificate of its own making, good for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "documentation")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file = folder / "documentation.pem"
    file.write_bytes(secret + certificate.public_bytes(Encoding.PEM))
    return ServerTls(cert_file=str(file))


def _endpoints(document: str) -> tuple[Endpoint, ...]:
    return tuple(
        Endpoint(
            method,
            path,
            tuple(f"`{each['name']}`" for each in operation.get("parameters", ())),
            operation["description"].split("\n\n")[0].replace("\n", " ").replace("``", "`"),
            Access(
                operation["x-access"]["public"],
                operation["x-access"]["permission"],
                operation["x-access"]["refusesLimited"],
            ),
        )
        for path, operations in json.loads(document)["paths"].items()
        for method, operation in operations.items()
    )


def _metrics(text: str) -> tuple[MetricFamily, ...]:
    found: list[MetricFamily] = []
    for family in text_string_to_metric_families(text):
        if not family.name.startswith("trunkpulse_"):
            continue  # of the process: prometheus-client's own, and only where /proc exists
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = tuple(sorted({label for sample in family.samples for label in sample.labels}))
        found.append(MetricFamily(name, family.type, labels, family.documentation))
    return tuple(found)
