"""What a far side's certificate says, why it is not trusted, and when it runs out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from trunkpulse.adapters.network.tls import client_context, read_certificate
from trunkpulse.cli.output import amount
from trunkpulse.cli.probe_codes import OUR_CERTIFICATE_REFUSED, TLS_TROUBLES
from trunkpulse.cli.probe_facts import ProbedServer, ProbePlan
from trunkpulse.model import FailureKind, TlsSettings
from trunkpulse.ports import Address, Certificate
from trunkpulse.sip.middlebox import Finding, Severity

__all__ = ["days_left", "on_certificate", "on_tls_failure", "shown_certificate", "verification"]

NOTICE_DAYS: Final = 30
_DAY_MS: Final = 86_400_000
_LOOK_SECONDS: Final = 4.0


def days_left(certificate: Certificate, now_ms: int) -> int:
    """Whole days until it runs out; negative once it has."""
    return (certificate.not_after_ms - now_ms) // _DAY_MS


async def shown_certificate(
    tls: TlsSettings, address: Address, server_name: str
) -> Certificate | None:
    """What ``address`` shows to somebody who trusts anybody; nothing is sent to it.

    Verification ends a handshake before its certificate can be read, so this is for those that
    were not trusted. None if it shows none in a few seconds.
    """
    try:
        context = client_context(replace(tls, verify=False, ca_file=None))
        async with asyncio.timeout(_LOOK_SECONDS):
            _, writer = await asyncio.open_connection(
                address[0], address[1], ssl=context, server_hostname=server_name
            )
    except (OSError, TimeoutError):
        return None
    session = writer.get_extra_info("ssl_object")
    certificate = read_certificate(session)
    writer.transport.abort()
    return certificate


def verification(probed: ProbedServer, plan: ProbePlan) -> str | None:
    """None if the certificate was verified, otherwise why not, as a phrase."""
    problem = _distrust(probed)
    if problem is not None:
        return problem
    return None if plan.identity.tls.verify else "--insecure: it was not looked at"


def _distrust(probed: ProbedServer) -> str | None:
    """Why a handshake failed on our side of it; None if all that did failed on theirs.

    A far side judges our certificate after we have judged its own, so an alert about ours says
    that theirs has passed.
    """
    return next(
        (
            each.detail
            for each in probed.attempts
            if each.failure is FailureKind.TLS
            and not any(words in each.detail.lower() for words in OUR_CERTIFICATE_REFUSED)
        ),
        None,
    )


def on_tls_failure(detail: str, share: str, tls: TlsSettings) -> Finding:
    """Why no secure connection came about, and what to do about it."""
    said = detail.lower()
    code, advice = "tls", "ask the operator of the far side what it expects"
    for trouble in TLS_TROUBLES:
        if any(words in said for words in trouble.words):
            code, advice = trouble.code, trouble.what_to_do
            break
    if code == "tls-client-certificate" and tls.cert_file is not None:
        may = "does not" if any(words in said for words in OUR_CERTIFICATE_REFUSED) else "may not"
        advice = (
            f"the far side {may} trust the certificate {tls.cert_file}: show one of an authority"
            " that it trusts, or have its operator trust this one's"
        )
    return Finding(code, Severity.FAULT, f"TLS fails{share}: {detail.rstrip('.')}; {advice}.")


def on_certificate(probed: ProbedServer, plan: ProbePlan, now_ms: int) -> Iterator[Finding]:
    """What is to be known of a certificate that did its duty, 30 days ahead."""
    certificate = probed.certificate
    if certificate is None or _distrust(probed) is not None:
        return
    days = days_left(certificate, now_ms)
    date = time.strftime("%Y-%m-%d", time.gmtime(certificate.not_after_ms / 1000))
    if days < 0:
        yield Finding(
            "certificate-expired",
            Severity.WARNING,
            f"The certificate of the far side ran out on {date}; only --insecure lets it pass, so"
            " its operator has to renew it.",
        )
    elif days < NOTICE_DAYS:
        yield Finding(
            "certificate-expires",
            Severity.WARNING,
            f"The certificate of the far side runs out on {date}, in {amount(days, 'day')}; after"
            " that the trunk is down, so have its operator renew it.",
        )
    if not plan.identity.tls.verify:
        yield Finding(
            "insecure",
            Severity.WARNING,
            "The certificate was not verified (--insecure), so anybody in between may read and"
            " change everything; use --ca-file for good.",
        )
    domain = (plan.identity.tls.server_name or plan.way.host).lower()
    by_wildcard = f"*.{domain.partition('.')[2]}"
    if domain not in {name.removeprefix("sip:").lower() for name in certificate.names} and (
        by_wildcard in certificate.names
    ):
        yield Finding(
            "wildcard",
            Severity.NOTE,
            f"The certificate is for {by_wildcard}, which RFC 5922 7.2 does not let stand for"
            f" {domain}: trunkpulse accepts it, stricter peers will not.",
        )
