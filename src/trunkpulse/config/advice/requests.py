"""Advice on how the OPTIONS of a trunk is written, sent and secured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from trunkpulse.config.advice.item import Advice, leaves_this_machine, named
from trunkpulse.config.advice.nat import hides_behind_nat, is_public, nat_off
from trunkpulse.config.certificates import expiry
from trunkpulse.config.endpoint import Endpoint
from trunkpulse.config.settings import Config
from trunkpulse.model import ProbeIdentity, Trunk
from trunkpulse.sip.digest import DigestSession
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.request import SharedOptions, request_uri_bytes
from trunkpulse.sip.uri import SipUri

__all__ = ["on_certificates", "on_requests"]

_EXPIRES_SOON = timedelta(days=30)
_MOST_BYTES_OVER_UDP = 1300
"""RFC 3261 18.1.1: a longer request may be fragmented, and fragments are often dropped."""
_TYPICAL_CHALLENGE = (
    b"SIP/2.0 401 Unauthorized\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:c@d>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n"
    b'WWW-Authenticate: Digest realm="sip.carrier.example.com", nonce="'
    + b"0" * 48
    + b'", opaque="'
    + b"0" * 32
    + b'", algorithm=SHA-256, qop="auth"\r\nContent-Length: 0\r\n\r\n'
)
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
                f"the certificate in {file} expired on {day}, so {refusal}",
                "renew it",
            )
        else:
            yield Advice(
                "certificate_expiring",
                "warning",
                where,
                f"the certificate in {file} expires on {day}, and from then on {refusal}",
                "renew it before",
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
        yield from _on_tls_port(identity, trunks)
        yield from _on_nat(identity, trunks)
        yield from _on_credentials(identity, trunks)


def _on_verification(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    if identity.tls.verify or not any(map(leaves_this_machine, trunks)):
        return
    if identity.tls.ca_file is None:
        why = "tls.verify is false, so anybody on the way can pose as the far side"
        fix = (
            "set ca_file to the authority that signed its certificate, or server_name to the name"
            " in it"
        )
    else:
        why = (
            "tls.verify is false, so ca_file is of no use and anybody on the way can pose as the"
            " far side"
        )
        fix = "take verify = false out"
    yield Advice("tls_not_verified", "warning", named("trunk", trunks), why, fix)


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
            " equals To",
            "give from_uri a user of its own",
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
            " far side may not expect",
            "take it out",
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
    proof = _proof(identity)
    without_uri = shared.rendered_bytes(b"", proof)

    def is_long(uri: str) -> bool:
        # It stands in the request line and in To; most are nowhere near the limit.
        return (
            without_uri + 2 * len(uri) > _MOST_BYTES_OVER_UDP
            and shared.rendered_bytes(request_uri_bytes(SipUri.parse(uri)), proof)
            > _MOST_BYTES_OVER_UDP
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
            " up and firewalls drop the pieces",
            'shorten headers, or use TCP with ";transport=tcp"',
        )


def _proof(identity: ProbeIdentity) -> bytes:
    """What a challenge, as most far sides write it, is answered with; b"" without credentials."""
    if identity.credentials is None:
        return b""
    session = DigestSession(identity.credentials, new_cnonce=lambda: "0" * 32)
    challenge = parse_message(_TYPICAL_CHALLENGE)
    assert isinstance(challenge, Response)
    session.challenged(challenge)
    return session.headers("OPTIONS", identity.request_uri or "sip:192.0.2.1:5060")


def _on_tls_port(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    on_it = [
        trunk
        for trunk in trunks
        if any(_is_tls_on_5060(identity.outbound_proxy or target) for target in trunk.targets)
    ]
    if on_it:
        yield Advice(
            "tls_on_5060",
            "warning",
            named("trunk", on_it),
            "TLS is spoken to port 5060, which is that of SIP without TLS, so the handshake most"
            " likely fails",
            "leave the port out, or write 5061",
        )


def _is_tls_on_5060(uri: str) -> bool:
    if "5060" not in uri or (uri.startswith("sip:") and ";" not in uri):
        return False  # most of a million are told from TLS without reading all of them
    endpoint = Endpoint.of(uri)
    return endpoint.transport == "tls" and endpoint.port == 5060


def _on_nat(identity: ProbeIdentity, trunks: Sequence[Trunk]) -> Iterator[Advice]:
    """Of names it takes a look-up to tell, so those are advised on while the service runs."""
    if identity.source is None or not hides_behind_nat(identity, identity.source[0]):
        return
    away = [
        trunk
        for trunk in trunks
        if any(
            is_public(Endpoint.of(identity.outbound_proxy or target).host)
            for target in trunk.targets
        )
    ]
    if away:
        yield nat_off(named("trunk", away), identity.source[0])


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
                " credentials, so a wrong password goes unnoticed",
                "take it out",
            )
