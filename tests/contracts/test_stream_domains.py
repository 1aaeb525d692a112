"""Over TLS: which certificates are taken for a domain (RFC 5922 7), on real connections."""

import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from certificates import Authority, Issued
from contracts.far_side import answering, far_side
from contracts.our_side import Run, ours, run
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import TransportPlan

__all__ = ["run"]

DOMAIN = "sip.example.com"


def plan(tls: TlsSettings, domain: str = DOMAIN) -> TransportPlan:
    return TransportPlan(TransportProtocol.TLS, ("127.0.0.1", 0), tls, domain)


def shows(issued: Issued) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.cert_file, issued.key_file)
    return context


@pytest.mark.parametrize(
    ("names", "uris", "domain"),
    [
        ([DOMAIN], [], DOMAIN),
        (["*.example.com"], [], DOMAIN),
        (["other.example"], [f"sip:{DOMAIN}"], DOMAIN),
        ([], [f"sip:{DOMAIN}:5061;transport=tls"], DOMAIN),
        (["192.0.2.1"], [], "192.0.2.1"),
        (["2001:db8::1"], [], "[2001:db8::1]"),
        (["192.0.2.1"], ["sip:example.com"], "192.0.2.1"),
        ([DOMAIN], [], f"{DOMAIN}."),
        ([DOMAIN], [f"sip:alice@{DOMAIN}"], DOMAIN),
    ],
)
def test_a_certificate_that_names_the_domain_is_taken(
    run: Run, tmp_path: Path, names: Sequence[str], uris: Sequence[str], domain: str
) -> None:
    authority = Authority(tmp_path)
    issued = authority.issue(*names, uris=uris, file="far")
    tls = TlsSettings(ca_file=str(authority.ca_file))

    async def story() -> None:
        async with far_side(answering, tls=shows(issued)) as far, ours(plan(tls, domain)) as our:
            our.send(far)
            await our.ear.answers(1)

    run(story)


@pytest.mark.parametrize(
    ("named", "domain", "whose"),
    [
        ([DOMAIN, "sip:other.example"], DOMAIN, "other.example"),
        (["*.example.com"], "a.sip.example.com", "*.example.com"),
        ([DOMAIN], "192.0.2.1", DOMAIN),
        (["192.0.2.2"], "192.0.2.1", "192.0.2.2"),
    ],
)
def test_a_certificate_that_names_another_is_not(
    run: Run, tmp_path: Path, named: Sequence[str], domain: str, whose: str
) -> None:
    authority = Authority(tmp_path)
    uris = [name for name in named if ":" in name]
    issued = authority.issue(*(name for name in named if name not in uris), uris=uris, file="far")
    tls = TlsSettings(ca_file=str(authority.ca_file))

    async def story() -> None:
        async with far_side(answering, tls=shows(issued)) as far, ours(plan(tls, domain)) as our:
            our.send(far)
            assert await our.ear.failure() == (
                FailureKind.TLS,
                f"the certificate is for {whose}, not for {domain}",
            )
            assert our.ear.left == []  # nothing was said to a stranger
            assert our.transport.counts.failed == 1

    run(story)


def test_two_domains_at_one_address_are_judged_each_for_itself(run: Run, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    context = shows(authority.issue(DOMAIN))
    tls = TlsSettings(ca_file=str(authority.ca_file))

    async def story() -> None:
        async with (
            far_side(answering, tls=context) as far,
            ours(plan(tls)) as right,
            ours(plan(tls, "sip.example.net")) as wrong,
        ):
            right.send(far, 1)
            wrong.send(far, 2)
            await right.ear.answers(1)
            assert (await wrong.ear.failure())[0] is FailureKind.TLS
            assert right.ear.failures == []
            assert wrong.ear.messages == []

    run(story)


def test_the_domain_is_what_the_far_side_is_asked_for(run: Run, tmp_path: Path) -> None:
    """One far side may serve many domains, each with a certificate of its own (RFC 6066 3)."""
    authority = Authority(tmp_path)
    context = shows(authority.issue("default.example"))
    asked: list[str | None] = []

    def choose(session: ssl.SSLObject | ssl.SSLSocket, name: str | None, _: object) -> None:
        asked.append(name)
        if name == DOMAIN:
            session.context = right

    right = shows(authority.issue(DOMAIN))
    context.sni_callback = choose
    tls = TlsSettings(ca_file=str(authority.ca_file))

    async def story() -> None:
        async with (
            far_side(answering, tls=context) as far,
            ours(plan(tls, f"{DOMAIN}.")) as named,
            ours(plan(TlsSettings(verify=False), "[::1]")) as by_address,
        ):
            named.send(far)
            await named.ear.answers(1)
            by_address.send(far)
            await by_address.ear.answers(1)
            assert asked == [DOMAIN, None]

    run(story)


def test_a_domain_that_no_certificate_can_name_is_said(run: Run, tmp_path: Path) -> None:
    context = shows(Authority(tmp_path).issue(DOMAIN))
    domain = "a" * 64 + ".example"

    async def story() -> None:
        async with (
            far_side(answering, tls=context) as far,
            ours(plan(TlsSettings(), domain)) as our,
        ):
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.TLS
            assert "no TLS server can have that name" in detail

    run(story)


def test_a_certificate_whose_names_cannot_be_read_is_nobodys(run: Run, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DOMAIN)])
    now = datetime.now(UTC)
    unreadable = x509.UnrecognizedExtension(
        ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("30058203fffefd")
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(unreadable, critical=False)
        .sign(key, hashes.SHA256())
    )
    issued = Issued(tmp_path / "odd.pem", tmp_path / "odd.key")
    issued.cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    issued.key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )

    async def story() -> None:
        async with (
            far_side(answering, tls=shows(issued)) as far,
            ours(plan(TlsSettings(verify=False))) as trusting,
            ours(plan(TlsSettings(ca_file=str(issued.cert_file)))) as careful,
        ):
            trusting.send(far, 1)
            await trusting.ear.answers(1)
            assert trusting.transport.certificate(far.address) is None
            careful.send(far, 2)
            assert (await careful.ear.failure())[0] is FailureKind.TLS

    run(story)
