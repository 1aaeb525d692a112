"""TLS for SIP: contexts, and whether a certificate is the right one (RFC 5922).

OpenSSL verifies the chain and the dates. The name is verified here, after the handshake, because
SIP has rules of its own (RFC 5922 §7): a certificate may name a SIP domain as a URI, and if it does
then its host names do not count. One rule is not kept: a wildcard for the left-most label, which
§7.2 forbids, is accepted, because carriers' certificates are full of them and no other client
refuses them.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import re
import ssl
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from cryptography import x509
from cryptography.x509.oid import NameOID

from trunkpulse.config.settings import ServerTls
from trunkpulse.model import TlsSettings
from trunkpulse.ports import Certificate
from trunkpulse.sip.errors import shown

__all__ = [
    "LISTENER_CIPHERS",
    "TlsUnusable",
    "client_context",
    "failure_words",
    "misnamed",
    "read_certificate",
    "server_context",
]

_SIP_DOMAIN: Final = re.compile(
    r"sip:(\[[0-9a-f:.]+\]|[^@:;?/]+)(?::[0-9]+)?(?:[;?][^@]*)?", re.IGNORECASE
)
"""The host is the domain, whatever follows it; with a user it names a person (RFC 5922 7.1)."""
_HAS_EXPIRED: Final = 10
"""``X509_V_ERR_CERT_HAS_EXPIRED`` of OpenSSL."""
_LARGEST_FILE_BYTES: Final = 1024 * 1024
LISTENER_CIPHERS: Final = (
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
)
"""What those who come to us may use with TLS 1.2, in OpenSSL's names, the strongest first.

All have forward secrecy and authenticated encryption (RFC 9325 4.2). The suites of TLS 1.3 all
have, and OpenSSL chooses among them.
"""
_UNREADABLE: Final = (
    ValueError,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class TlsUnusable(OSError):
    """A file that TLS needs cannot be used; ``strerror`` is a sentence about it."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EINVAL, sentence)

    def __str__(self) -> str:
        return str(self.strerror)


_contexts: Final[WeakValueDictionary[TlsSettings, ssl.SSLContext]] = WeakValueDictionary()
"""Those in use: to read what this machine trusts takes 20 ms and most of a megabyte."""


def client_context(tls: TlsSettings) -> ssl.SSLContext:
    """A context that verifies what ``tls`` says but the name; raises TlsUnusable.

    Who asks for the same gets the same one, as long as the stamp of its files is the same too.
    """
    known_as = replace(tls, server_name=None)  # which is no matter of the context's
    context = _contexts.get(known_as)
    if context is None:
        context = _contexts[known_as] = _client_context(tls)
    return context


def _client_context(tls: TlsSettings) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False  # see ``misnamed``
    if not tls.verify:
        context.verify_mode = ssl.CERT_NONE
    elif tls.ca_file is None:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        with _about(f"The CA file {tls.ca_file} holds no certificates to trust"):
            context.load_verify_locations(tls.ca_file)
    if tls.cert_file is not None:
        _load_own(context, tls.cert_file, tls.key_file)
    return context


def server_context(tls: ServerTls) -> ssl.SSLContext:
    """A context that shows our certificate, and asks for theirs if it has a CA; TlsUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(LISTENER_CIPHERS))
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    _load_own(context, tls.cert_file, tls.key_file)
    if tls.ca_file is not None:
        with _about(f"The CA file {tls.ca_file} holds no certificates to trust"):
            context.load_verify_locations(tls.ca_file)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _load_own(context: ssl.SSLContext, cert_file: str, key_file: str | None) -> None:
    files = cert_file if key_file is None else f"{cert_file} with the key {key_file}"
    if key_file is None:
        _check_for_key(cert_file)
    with _about(f"The certificate {files} cannot be used"):
        # An encrypted key would have OpenSSL ask for its password on the terminal.
        context.load_cert_chain(cert_file, key_file, password=lambda: b"")


def _check_for_key(cert_file: str) -> None:
    """Tell a certificate alone from no certificate; OpenSSL gives no reason for either."""
    try:
        with Path(cert_file).open("rb") as stream:
            content = stream.read(_LARGEST_FILE_BYTES)
    except OSError:
        return  # loading it will tell
    if b"-----BEGIN CERTIFICATE-----" in content and b"PRIVATE KEY-----" not in content:
        raise TlsUnusable(
            f"The private key of the certificate {cert_file} is missing; add its file with --key,"
            " --key-file or, in a configuration, key_file"
        )


@contextlib.contextmanager
def _about(what: str) -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as problem:
        reason = (problem.reason or "not PEM").lower().replace("_", " ")
        raise TlsUnusable(f"{what} ({reason}); check the file") from problem
    except OSError as problem:
        raise TlsUnusable(f"{what} ({problem.strerror}); check the path") from problem


# --- what a far side showed ----------------------------------------------------------------


def read_certificate(connection: ssl.SSLObject) -> Certificate | None:
    """The certificate that the far side of ``connection`` showed; None if none can be read."""
    encoded = connection.getpeercert(binary_form=True)
    if encoded is None:
        return None
    try:
        certificate = x509.load_der_x509_certificate(encoded)
        names = tuple(dict.fromkeys(_names(certificate)))
        subject, issuer = certificate.subject, certificate.issuer
        cipher = connection.cipher()
        return Certificate(
            subject=subject.rfc4514_string(),
            issuer=issuer.rfc4514_string(),
            names=names,
            not_before_ms=int(certificate.not_valid_before_utc.timestamp() * 1000),
            not_after_ms=int(certificate.not_valid_after_utc.timestamp() * 1000),
            protocol=connection.version() or "",
            cipher=cipher[0] if cipher else "",
        )
    except _UNREADABLE:
        return None


def _names(certificate: x509.Certificate) -> Iterator[str]:
    """Its alternative names; without any of a host or a URI, its common name (RFC 5922 §7.1)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        alternatives: list[x509.GeneralName] = []
    else:
        alternatives = list(extension.value)
    found = False
    for name in alternatives:
        match name:
            case x509.UniformResourceIdentifier() | x509.DNSName():
                found = True
                yield name.value
            case x509.IPAddress():
                yield str(name.value)
            case _:
                pass
    if not found:
        yield from _common_names(certificate)


def _common_names(certificate: x509.Certificate) -> list[str]:
    attributes = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return [str(attribute.value) for attribute in attributes]


def misnamed(names: tuple[str, ...], domain: str) -> str | None:
    """Why a certificate of these names is not that of ``domain`` (RFC 5922 §7.2); None: it is."""
    domains = [found[1] for name in names if (found := _SIP_DOMAIN.fullmatch(name))]
    hosts = [name for name in names if ":" not in name or _is_address(name)]
    if _is_address(domain):
        candidates = domains + [host for host in hosts if _is_address(host)] or hosts
    else:
        candidates = domains or hosts
    if any(_matches(candidate, domain) for candidate in candidates):
        return None
    listed = ", ".join(map(_printable, candidates[:3])) + (
        " and others" if len(candidates) > 3 else ""
    )
    return f"the certificate is for {listed or 'nobody'}, not for {domain}"


def _printable(name: str) -> str:
    """A stranger's certificate may hold anything under a name."""
    return name if name.isprintable() and len(name) <= 253 else shown(name)


def _matches(name: str, domain: str) -> bool:
    if _is_address(domain) or _is_address(name):
        return _is_address(name) and _is_address(domain) and _address(name) == _address(domain)
    theirs, ours = name.lower().rstrip("."), domain.lower().rstrip(".")
    if theirs == ours:
        return True
    head, dot, rest = theirs.partition(".")
    return head == "*" and "." in rest and bool(dot) and rest == ours.partition(".")[2]


def _is_address(text: str) -> bool:
    try:
        _address(text)
    except ValueError:
        return False
    return True


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.ip_address(text.strip("[]"))


def failure_words(problem: BaseException, shown: Certificate | None = None) -> str:
    """Why a handshake failed, as a phrase for a person; ``shown`` is the far side's certificate."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        words = problem.verify_message
        if shown is not None and problem.verify_code == _HAS_EXPIRED:
            words += _since(shown.not_after_ms)
        return f"the certificate is not trusted ({words})"
    if isinstance(problem, ssl.SSLError):
        reason = (problem.reason or "it ended early").lower().replace("_", " ")
        return f"the TLS handshake failed ({reason})"
    return f"the TLS handshake failed ({str(problem) or 'it ended early'})"


def _since(end_ms: int) -> str:
    """`` on 2025-02-01``; nothing if that is still to come: then an authority's has expired."""
    end = datetime.fromtimestamp(end_ms / 1000, UTC)
    return f" on {end:%Y-%m-%d}" if end < datetime.now(UTC) else ""
