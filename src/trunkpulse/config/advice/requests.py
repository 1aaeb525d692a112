"""Advice on how the OPTIONS of a trunk is written, sent and secured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from trunkpulse.config.advice.item import Advice, leaves_this_machine, named
from trunkpulse.config.certificates import expiry
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.model import ProbeIdentity, Trunk
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.uri import SipUri

__all__ = ["on_certificates", "on_requests"]

_EXPIRES_SOON = timedelta(days=30)
_MOST_BYTES_OVER_UDP = 1300
"""RFC 3261 18.1.1: a longer request may be fragmented, and fragments are often dropped."""
_LONGEST_SENT_BY = "255.255.255.255:65535"


def on_certificates(config: Config, now: datetime) -> Iterator[Advice]:
    """Our own certificates that have expired or soon will; once for each file."""
    using: dict[str, list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled and trunk.identity.tls.cert_file is not None:
            using.setdefault(trunk.identity.tls.cert_file, []).append(trunk)
    files = {
        file: (named("trunk", trunks), "far sides that ask for it refuse us")
        for file, trunks in using.items()
    }
    if config.sip.tls is not None:
        file = config.sip.tls.cert_file
        refused = "those who connect to us over TLS refuse us"
        if file in files:
            trunks_named, refused_too = files[file]
            files[file] = f"[sip] and {trunks_named}", f"{refused}, and {refused_too}"
        else:
            files[file] = "[sip]", refused
    for file, (where, refusal) in files.items():
        until = expiry(file)
        if until is None or until - now > _EXPIRES_SOON:
            continue
        day = until.date().isoformat()
        if until <= now:
            yield Advice(
                "certificate_expired",
                "warning",
                where,
                f"the certificate in {file} expired on {day}, so {refusal}; renew it.",
            )
        else:
            yield Advice(
                "certificate_expiring",
                "warning",
                where,
                f"the certificate in {file} expires on {day}, and from then on {refusal}; renew it"
                " before.",
            )


def on_requests(config: Config) -> Iterator[Advice]:
    """One advice of a kind per set of settings, however many trunks share it."""
    sharing: dict[ProbeIdentity, list[Trunk]] = {}
    for trunk in config.trunks:
        if trunk.enabled and trunk.keepalive.enabled:
            sharing.setdefault(trunk.identity, []).append(trunk)
    for identity, trunks in sharing.items():
        yield from _on_verification(identity, trunks)
        yield from _on_sender(identity, trunks)
        yield from _on_proxy(identity, trunks)
        yield from _on_length(identity, trunks, config.sip.user_agent)
        yield from _on_credentials(identity, trunks)


def _on_verification(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    if identity.tls.verify or not any(map(leaves_this_machine, trunks)):
        return
    if identity.tls.ca_file is None:
        advice = (
            "tls.verify is false, so anybody on the way can pose as the far side; set ca_file to"
            " the authority that signed its certificate, or server_name to the name in it."
        )
    else:
        advice = (
            "tls.verify is false, so ca_file is of no use and anybody on the way can pose as the"
            " far side; take verify = false out."
        )
    yield Advice("tls_not_verified", "warning", named("trunk", trunks), advice)


def _on_sender(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    if identity.from_uri is None:
        return
    sender = _whom(identity.from_uri)
    written_to = identity.to_uri or identity.request_uri
    same = [
        trunk
        for trunk in trunks
        if any(_whom(written_to or target) == sender for target in trunk.targets)
    ]
    if same:
        yield Advice(
            "from_equals_to",
            "warning",
            named("trunk", same),
            "From and To of its probes are the same, and some far sides block a sender whose From"
            " equals To; give from_uri a user of its own.",
        )


def _whom(uri: str) -> tuple[str | None, str, int | None]:
    parsed = SipUri.parse(uri)
    return parsed.user, parsed.host, parsed.port


def _on_proxy(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    if identity.outbound_proxy is None:
        return
    proxy = Endpoint.of(identity.outbound_proxy)._replace(user=None)
    same = [
        trunk
        for trunk in trunks
        if any(Endpoint.of(target)._replace(user=None) == proxy for target in trunk.targets)
    ]
    if same:
        yield Advice(
            "proxy_is_target",
            "info",
            named("trunk", same),
            "outbound_proxy is where a target leads anyway, so it only adds a Route header that a"
            " far side may not expect; take it out.",
        )


def _on_length(
    identity: ProbeIdentity, trunks: Sequence[Trunk], user_agent: str
) -> Iterator[Advice]:
    shared = SharedOptions(
        sent_by=_LONGEST_SENT_BY,
        advertised=identity.advertised_address,
        from_uri=identity.from_uri,
        to_uri=identity.to_uri,
        contact_uri=identity.contact_uri,
        routes=(identity.outbound_proxy,) if identity.outbound_proxy else (),
        max_forwards=identity.max_forwards,
        headers=identity.headers,
        user_agent=user_agent,
    )
    without_uri = shared.rendered_bytes(b"")

    def is_long(uri: str) -> bool:
        # It stands in the request line and in To; most are nowhere near the limit.
        return (
            without_uri + 2 * len(uri) > _MOST_BYTES_OVER_UDP
            and shared.rendered_bytes(request_uri_bytes(SipUri.parse(uri))) > _MOST_BYTES_OVER_UDP
        )

    long = [
        trunk
        for trunk in trunks
        for target in trunk.targets
        if is_long(identity.request_uri or target)
        and Endpoint.of(identity.outbound_proxy or target).transport in {"udp", None}
    ]
    if long:
        yield Advice(
            "request_long_for_udp",
            "warning",
            named("trunk", list(dict.fromkeys(long))),
            f"its OPTIONS is longer than {_MOST_BYTES_OVER_UDP} bytes, so UDP may have to break it"
            " up and firewalls drop the pieces; shorten headers, or use TCP with"
            ' ";transport=tcp".',
        )


def _on_credentials(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    if identity.credentials is None:
        return
    for policy in dict.fromkeys(trunk.keepalive for trunk in trunks):
        ignored = [code for code in ("401", "407") if code in policy.healthy_responses]
        if ignored:
            yield Advice(
                "challenge_healthy",
                "warning",
                named("trunk", [trunk for trunk in trunks if trunk.keepalive is policy]),
                f"healthy_responses contains {' and '.join(ignored)} although there are"
                " credentials, so a wrong password goes unnoticed; take it out.",
            )
