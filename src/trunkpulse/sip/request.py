"""The OPTIONS that a probe sends (RFC 3261 §8.1.1, §11.1), rendered by one join.

A million targets fit in memory because each holds nothing but its Request-URI as bytes: the rest
of the message is alike for all targets that share settings and socket, and lives once in a
``SharedOptions``. Only branch, tag, Call-ID and CSeq are new with each attempt.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from trunkpulse.sip.errors import RefusedHeader, shown
from trunkpulse.sip.grammar import check_token, host_and_port, is_token, split_sent_by
from trunkpulse.sip.headers import header_key
from trunkpulse.sip.uri import SipUri

__all__ = ["SharedOptions", "check_extra_header", "request_uri_bytes"]

_RESERVED = frozenset(
    {
        "call-id",
        "contact",
        "content-length",
        "cseq",
        "from",
        "max-forwards",
        "record-route",
        "require",
        "proxy-require",
        "route",
        "to",
        "via",
    }
)
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_LONGEST_VALUE_CHARACTERS = 1024


def check_extra_header(name: str, value: str) -> None:
    """Raise ``RefusedHeader`` if a configured header may not be added to an OPTIONS."""
    if not is_token(name):
        raise RefusedHeader(f"header name {shown(name)} is not a token; write one like X-Account")
    if header_key(name) in _RESERVED:
        raise RefusedHeader(
            f"header {name} cannot be added because the probe itself decides it; leave it out"
        )
    if _CONTROL.search(value):
        raise RefusedHeader(
            f"header {name} has the value {shown(value)}; take out line breaks and control"
            " characters"
        )
    if len(value) > _LONGEST_VALUE_CHARACTERS:
        raise RefusedHeader(
            f"header {name} has a value of {len(value)} characters; at most"
            f" {_LONGEST_VALUE_CHARACTERS} are allowed"
        )


def request_uri_bytes(uri: SipUri) -> bytes:
    """``uri`` as a request line may hold it: without headers and method (RFC 3261 §19.1.1)."""
    parameters = tuple(pair for pair in uri.parameters if pair[0] != "method")
    return str(replace(uri, parameters=parameters, headers=())).encode("ascii")


class SharedOptions:
    """Everything of an OPTIONS but the Request-URI and what is new with each attempt.

    One object serves all targets that share a trunk's settings and a socket.
    """

    __slots__ = (
        "_after_branch",
        "_after_call_id",
        "_after_cseq",
        "_after_tag",
        "_after_to_uri",
        "_after_uri",
    )

    def __init__(
        self,
        *,
        sent_by: str,
        from_uri: str | None = None,
        contact_uri: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        user_agent: str = "trunkpulse",
        transport: str = "UDP",
    ) -> None:
        """``sent_by`` is the ``host:port`` of the socket as the far side shall see it.

        ``from_uri`` defaults to ``sip:ping@`` the sent-by's host: some far sides block a sender
        whose From equals their To. ``contact_uri`` defaults to the sent-by. Raises ``SipError``.
        """
        check_token(transport, "transport")
        host, port = split_sent_by(sent_by)
        sender = SipUri.parse(from_uri) if from_uri else SipUri("sip", "ping", None, host)
        if contact_uri:
            contact = SipUri.parse(contact_uri)
        else:
            over = () if transport.upper() == "UDP" else (("transport", transport.lower()),)
            contact = SipUri("sip", None, None, host, port, over)
        for name, value in headers:
            check_extra_header(name, value)
        lines = [
            f"Contact: <{contact}>",
            *_unless_given("Accept", "application/sdp", headers),
            *_unless_given("User-Agent", user_agent, headers),
            *(f"{name}: {value}" for name, value in headers),
            "Content-Length: 0",
        ]
        via = f"Via: SIP/2.0/{transport.upper()} {host_and_port(host, port)};rport;branch="
        self._after_uri = f" SIP/2.0\r\n{via}".encode("ascii")
        self._after_branch = f"\r\nMax-Forwards: 70\r\nFrom: <{sender}>;tag=".encode("ascii")
        self._after_tag = b"\r\nTo: <"
        self._after_to_uri = b">\r\nCall-ID: "
        self._after_call_id = b"\r\nCSeq: "
        self._after_cseq = (" OPTIONS\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode()

    def render(self, uri: bytes, branch: bytes, tag: bytes, call_id: bytes, cseq: int) -> bytes:
        """One OPTIONS to ``uri``, which ``request_uri_bytes`` gave. The tokens are trusted."""
        return b"".join(
            (
                b"OPTIONS ",
                uri,
                self._after_uri,
                branch,
                self._after_branch,
                tag,
                self._after_tag,
                uri,
                self._after_to_uri,
                call_id,
                self._after_call_id,
                b"%d" % cseq,
                self._after_cseq,
            )
        )


def _unless_given(name: str, value: str, headers: Sequence[tuple[str, str]]) -> list[str]:
    """The line of a default header, unless a configured one of the same name replaces it."""
    if any(header_key(given) == header_key(name) for given, _ in headers):
        return []
    check_extra_header(name, value)
    return [f"{name}: {value}"]
