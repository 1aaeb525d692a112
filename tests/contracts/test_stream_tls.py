"""TLS on real connections over loopback: who is trusted, who is not, and in which words."""

import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certificates import Authority, Issued, self_signed
from contracts.far_side import Caller, answering, far_side
from contracts.our_side import Ours, Run, ours, run
from trunkpulse.adapters.network.tls import TlsUnusable, server_context
from trunkpulse.config.settings import ServerTls
from trunkpulse.model import FailureKind, TlsSettings, TransportProtocol
from trunkpulse.ports import TransportPlan

__all__ = ["run"]


class Tls:
    """A far side's certificate and what we trust."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.authority = Authority(folder / "ca")
        self.trusted = TlsSettings(ca_file=str(self.authority.ca_file))

    def plan(
        self, tls: TlsSettings | None = None, domain: str = "sbc.example.com"
    ) -> TransportPlan:
        local = ("127.0.0.1", 0)
        return TransportPlan(TransportProtocol.TLS, local, tls or self.trusted, domain)


def context_of(issued: Issued, *, ca_file: Path | None = None) -> ssl.SSLContext:
    return server_context(
        ServerTls(
            cert_file=str(issued.cert_file),
            key_file=str(issued.key_file),
            ca_file=None if ca_file is None else str(ca_file),
        )
    )


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    return Tls(tmp_path)


def test_over_tls_the_certificate_is_shown_and_verified(run: Run, tls: Tls) -> None:
    issued = tls.authority.issue("sbc.example.com", uris=["sip:sbc.example.com"])
    context = context_of(issued)

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(tls.plan()) as our:
            assert our.transport.certificate(far.address) is None
            our.send(far)
            await our.ear.answers(1)
            shown = our.transport.certificate(far.address)
            assert shown is not None
            assert shown.names == ("sbc.example.com", "sip:sbc.example.com")
            assert shown.subject == "CN=sbc.example.com"
            assert shown.protocol == "TLSv1.3"

    run(story)


def test_a_certificate_for_somebody_else_is_refused_and_still_shown(run: Run, tls: Tls) -> None:
    issued = tls.authority.issue("sbc.example.net")
    context = context_of(issued)

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.TLS
            assert detail == "the certificate is for sbc.example.net, not for sbc.example.com"
            shown = our.transport.certificate(far.address)
            assert shown is not None
            assert shown.names == ("sbc.example.net",)

    run(story)


def test_who_verifies_nothing_takes_any_certificate(run: Run, tls: Tls) -> None:
    issued = self_signed(tls.folder, "nobody.example")
    context = context_of(issued)

    async def story() -> None:
        plan = tls.plan(TlsSettings(verify=False))
        async with far_side(answering, tls=context) as far, ours(plan) as our:
            our.send(far)
            await our.ear.answers(1)
            shown = our.transport.certificate(far.address)
            assert shown is not None
            assert shown.names == ("nobody.example",)

    run(story)


def test_who_is_not_trusted_is_not_talked_to(run: Run, tls: Tls) -> None:
    issued = self_signed(tls.folder, "sbc.example.com")
    context = context_of(issued)

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.TLS
            assert "self-signed" in detail

    run(story)


@pytest.mark.parametrize(
    ("not_before", "not_after", "words"),
    [(-60, -1, "certificate has expired"), (1, 60, "certificate is not yet valid")],
)
def test_a_certificate_out_of_its_time_is_refused(
    run: Run, tls: Tls, not_before: int, not_after: int, words: str
) -> None:
    now = datetime.now(UTC)
    issued = tls.authority.issue(
        "sbc.example.com",
        not_before=now + timedelta(days=not_before),
        not_after=now + timedelta(days=not_after),
    )

    async def story() -> None:
        async with far_side(answering, tls=context_of(issued)) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.TLS
            assert words in detail

    run(story)


def test_an_authority_that_we_do_not_know_is_not_trusted(run: Run, tls: Tls) -> None:
    issued = Authority(tls.folder / "other", "Another CA").issue("sbc.example.com")

    async def story() -> None:
        async with far_side(answering, tls=context_of(issued)) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert (kind, "not trusted" in detail) == (FailureKind.TLS, True)

    run(story)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_both_versions_of_tls_are_spoken(run: Run, tls: Tls, version: ssl.TLSVersion) -> None:
    context = context_of(tls.authority.issue("sbc.example.com"))
    context.minimum_version = context.maximum_version = version

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(tls.plan()) as our:
            our.send(far)
            await our.ear.answers(1)
            shown = our.transport.certificate(far.address)
            assert shown is not None
            assert shown.protocol == {"TLSv1_2": "TLSv1.2", "TLSv1_3": "TLSv1.3"}[version.name]

    run(story)


def test_a_far_side_that_wants_our_certificate_gets_it(run: Run, tls: Tls) -> None:
    issued, own = tls.authority.issue("sbc.example.com"), tls.authority.issue("me.example")
    context = context_of(issued, ca_file=tls.authority.ca_file)
    plan = tls.plan(replace(tls.trusted, cert_file=str(own.cert_file), key_file=str(own.key_file)))

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(plan) as our:
            our.send(far)
            await our.ear.answers(1)

    run(story)


def test_without_a_certificate_of_ours_it_is_said_that_one_may_be_missing(
    run: Run, tls: Tls
) -> None:
    context = context_of(tls.authority.issue("sbc.example.com"), ca_file=tls.authority.ca_file)

    async def story() -> None:
        async with far_side(answering, tls=context) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind in {FailureKind.RESET, FailureKind.TLS}
            assert "certificate" in detail

    run(story)


def test_plain_tcp_where_tls_was_meant_is_said(run: Run, tls: Tls) -> None:
    async def hanging_up(caller: Caller) -> None:
        await caller.reader.read(1)

    async def story() -> None:
        async with far_side(hanging_up) as far, ours(tls.plan()) as our:
            our.send(far)
            kind, detail = await our.ear.failure()
            assert kind is FailureKind.TLS
            assert "the TLS handshake failed" in detail

    run(story)


def test_files_that_cannot_be_used_are_named(run: Run, tmp_path: Path) -> None:
    async def story() -> None:
        plan = TransportPlan(
            TransportProtocol.TLS, ("127.0.0.1", 0), TlsSettings(ca_file="/nowhere.pem"), "x"
        )
        with pytest.raises(TlsUnusable, match=r"The CA file /nowhere\.pem holds no certificates"):
            Ours(plan)
        empty = tmp_path / "empty.pem"
        empty.write_text("nothing")
        plan = TransportPlan(
            TransportProtocol.TLS, ("127.0.0.1", 0), TlsSettings(cert_file=str(empty)), "x"
        )
        with pytest.raises(TlsUnusable, match=r"The certificate .*empty\.pem cannot be used"):
            Ours(plan)

    run(story)
