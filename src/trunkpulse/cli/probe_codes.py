"""What status codes and failed connections mean, for somebody who is connecting a carrier."""

from __future__ import annotations

from typing import Final, NamedTuple

__all__ = ["CODES", "CODE_CLASSES", "OUR_CERTIFICATE_REFUSED", "TLS_TROUBLES", "TlsTrouble"]

CODES: Final = {
    401: "it wants credentials; the answer still shows that it is alive",
    403: "it refuses this sender: the carrier may want another From or Contact (--from,"
    " --contact), or it does not know the address that the probe comes from (--source)",
    404: "it does not know the user or host of this URI; many carriers answer OPTIONS so while"
    " calls work, then 404 may count as healthy",
    405: "it does not take OPTIONS; the answer still shows that it is alive",
    407: "a proxy wants credentials; the answer still shows that it is alive",
    408: "something on the way got no answer from the endpoint behind it; the carrier may also"
    " want another From or Contact (--from, --contact)",
    480: "the user of this URI is not registered or not available there",
    481: "it takes the OPTIONS for part of a call that it does not know; the answer still shows"
    " that it is alive",
    483: "the request goes round in circles between proxies, or --max-forwards is too small; check"
    " the carrier's routing",
    486: "it is busy; it is alive, but it would not take a call now",
    501: "it does not implement OPTIONS; the answer still shows that it is alive",
    502: "the next hop behind it answers badly; ask the carrier about its upstream",
    503: "it is overloaded or under maintenance; no calls should go there now",
    504: "the next hop behind it does not answer; ask the carrier about its upstream",
}
"""By status code; each completes "It answers CODE: …"."""

CODE_CLASSES: Final = {
    3: "it sends callers elsewhere; probe the Contact that it names",
    4: "it refuses the request; --trace shows what it says",
    5: "it has a fault of its own and says so, unlike one that is silent; ask the carrier",
    6: "it declines everywhere for this URI; ask the carrier which URI to use",
}
"""For all other codes, by their first digit."""


class TlsTrouble(NamedTuple):
    """A way in which no secure connection comes about."""

    words: tuple[str, ...]
    """In lower case; any of them in what is said of a failure tells that it is this one."""
    code: str
    what_to_do: str


OUR_CERTIFICATE_REFUSED: Final = (
    "alert certificate",
    "alert bad certificate",
    "alert unsupported certificate",
    "alert unknown ca",
    "alert access denied",
    "alert decrypt error",
)
"""Alerts of a far side about our certificate, or that we show none; theirs was looked at before.

"alert handshake failure" may be one as well (TLS 1.2), but also that no cipher is in common.
"""

TLS_TROUBLES: Final = (
    TlsTrouble(
        (
            *OUR_CERTIFICATE_REFUSED,
            "alert handshake failure",
        ),
        "tls-client-certificate",
        "the far side wants a certificate of ours that it knows: give it with --cert-file and"
        " --key-file (tls.cert_file, tls.key_file)",
    ),
    TlsTrouble(
        ("protocol version", "unsupported protocol", "no shared cipher", "no protocols"),
        "tls-version",
        "the two sides have no version of TLS in common; the far side has to offer TLS 1.2 or 1.3",
    ),
    TlsTrouble(
        ("wrong version number", "unknown protocol", "record layer", "http request"),
        "tls-not-spoken",
        "nobody speaks TLS on that port; probe it with ;transport=tcp, or name the port of TLS,"
        " usually 5061",
    ),
    TlsTrouble(
        ("ended early", "eof occurred", "unexpected eof", "connection reset", "connection lost"),
        "tls-broken-off",
        "the port may not speak TLS, so try ;transport=tcp; or the far side does not let us in",
    ),
    TlsTrouble(
        ("has expired",),
        "tls-expired",
        "the operator of the far side has to renew it; check this machine's clock too",
    ),
    TlsTrouble(
        ("not yet valid",),
        "tls-not-yet-valid",
        "check this machine's clock, or wait until it is valid",
    ),
    TlsTrouble(
        ("local issuer", "in certificate chain", "unable to verify", "unable to get issuer"),
        "tls-unknown-authority",
        "give the certificate of the authority that issued it with --ca-file (tls.ca_file), and"
        " have the far side send its whole chain",
    ),
    TlsTrouble(
        ("self-signed", "self signed"),
        "tls-self-signed",
        "get that certificate from its operator over another way and give it with --ca-file"
        " (tls.ca_file), or have one of a known authority installed there",
    ),
    TlsTrouble(
        ("the certificate is for",),
        "tls-wrong-name",
        "probe the domain that it is for, or say with --server-name (tls.server_name) which name"
        " it has to bear; --insecure shows whether all else works",
    ),
)
"""The first that knows a failure's words explains it."""
