"""The OPTIONS that a probe sends (RFC 3261 §8.1.1, §11.1), rendered in one go.

A million targets fit in memory because each holds nothing but its Request-URI as bytes: the rest
of the message is alike for all targets that share settings and socket, and lives once in a
``SharedOptions``. Only branch, tag, Call-ID and CSeq are new with each attempt.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from trunkpulse.sip.errors import RefusedHeader, SipError, shown
from trunkpulse.sip.grammar import (
    check_range,
    check_token,
    find_parameter,
    host_and_port,
    is_token,
    split_sent_by,
)
from trunkpulse.sip.headers import header_key
from trunkpulse.sip.uri import SipUri

__all__ = ["Form", "SharedOptions", "check_extra_header", "request_uri_bytes"]

_ITSELF = "the probe itself decides it"
_PROOF = "the probe itself answers challenges"
_NO_BODY = "the probe's OPTIONS has no body"
_LEAVE_OUT = "leave it out"
_RESERVED = {
    "authorization": (_PROOF, "set username and password instead"),
    "call-id": (_ITSELF, _LEAVE_OUT),
    "contact": (_ITSELF, "set contact_uri instead"),
    "content-disposition": (_NO_BODY, _LEAVE_OUT),
    "content-encoding": (_NO_BODY, _LEAVE_OUT),
    "content-language": (_NO_BODY, _LEAVE_OUT),
    "content-length": (_NO_BODY, _LEAVE_OUT),
    "content-type": (_NO_BODY, _LEAVE_OUT),
    "cseq": (_ITSELF, _LEAVE_OUT),
    "from": (_ITSELF, "set from_uri instead"),
    "max-forwards": (_ITSELF, "set max_forwards instead"),
    "mime-version": (_NO_BODY, _LEAVE_OUT),
    "proxy-authorization": (_PROOF, "set username and password instead"),
    "proxy-require": ("it would have proxies refuse the probe", _LEAVE_OUT),
    "record-route": ("only proxies write it", _LEAVE_OUT),
    "require": ("it would have the far side refuse the probe", _LEAVE_OUT),
    "route": (_ITSELF, "set outbound_proxy instead"),
    "to": (_ITSELF, "set to_uri instead"),
    "via": (_ITSELF, _LEAVE_OUT),
}
"""Headers that may not be added: why, and what to do about it."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")
_LONGEST_VALUE_CHARACTERS = 1024
_HIGHEST_MAX_FORWARDS = 255
# Interpolated, which is measurably faster than joining.
_OPTIONS = b"OPTIONS %b%b%b%b%b\r\nTo: <%b>\r\nCall-ID: %b\r\nCSeq: %d OPTIONS\r\n%b%b"
# As long as any that a prober makes; of CSeq, the longest that there is.
_TYPICAL_BRANCH = b"z9hG4bK" + b"0" * 32
_TYPICAL_TAG = b"0" * 24
_TYPICAL_CALL_ID = b"0" * 32
_LONGEST_CSEQ = 2**31 - 1


def check_extra_header(name: str, value: str) -> None:
    """Raise ``RefusedHeader`` if a configured header may not be added to an OPTIONS."""
    if not is_token(name):
        raise RefusedHeader(f"header name {shown(name)} is not a token; write one like X-Account")
    reserved = _RESERVED.get(header_key(name))
    if reserved is not None:
        why, what_to_do = reserved
        raise RefusedHeader(f"header {name} cannot be added because {why}; {what_to_do}")
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
    if not uri.parameters and not uri.headers:
        return str(uri).encode("ascii")
    parameters = tuple(pair for pair in uri.parameters if pair[0] != "method")
    return str(replace(uri, parameters=parameters, headers=())).encode("ascii")


Form = Callable[[bytes, bytes], bytes]
"""Renders the request to a URI, given the middle of its branch, tag and Call-ID as well."""


class SharedOptions:
    """Everything of an OPTIONS but the Request-URI and what is new with each attempt.

    One object serves all targets that share a trunk's settings and a socket.
    """

    __slots__ = (
        "_after_branch",
        "_after_extra",
        "_after_uri",
        "_to_uri",
    )

    def __init__(
        self,
        *,
        sent_by: str,
        advertised: str | None = None,
        from_uri: str | None = None,
        to_uri: str | None = None,
        contact_uri: str | None = None,
        routes: Sequence[str] = (),
        max_forwards: int = 70,
        headers: Sequence[tuple[str, str]] = (),
        user_agent: str = "trunkpulse",
        transport: str = "UDP",
        secure: bool = False,
    ) -> None:
        """``sent_by`` is the ``host:port`` of the socket as the far side shall see it.

        ``advertised`` (``host`` or ``host:port``) is shown instead of it in Via and in the defaults
        below, for those behind a NAT; the port stays unless one is given.
        ``from_uri`` defaults to ``sip:ping@`` the sent-by's host: some far sides block a sender
        whose From equals their To. ``to_uri`` defaults to the target's URI, ``contact_uri`` to the
        sent-by. ``routes`` are the URIs of the proxies to pass, in order (RFC 3261 §8.1.2).
        ``secure`` is for targets and routes that are SIPS: then so is Contact (§8.1.1.8).
        ``max_forwards`` is 0 to 255; with 0 the next hop answers 483 (§8.1.1.6). Raises
        ``SipError``.
        """
        check_token(transport, "transport")
        check_range(max_forwards, "max_forwards", lowest=0, highest=_HIGHEST_MAX_FORWARDS)
        host, port = split_sent_by(sent_by)
        if advertised is not None:
            host, advertised_port = split_sent_by(advertised)
            port = port if advertised_port is None else advertised_port
        sender = SipUri.parse(from_uri) if from_uri else SipUri("sip", "ping", None, host)
        if contact_uri:
            contact = SipUri.parse(contact_uri)
        elif secure:
            contact = SipUri("sips", None, None, host, port)
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
        passing = [f"Max-Forwards: {max_forwards}", *map(_route, routes)]
        self._to_uri = str(SipUri.parse(to_uri)).encode("ascii") if to_uri else None
        self._after_uri = f" SIP/2.0\r\n{via}".encode("ascii")
        after_branch = "\r\n".join(["", *passing, f"From: <{sender}>;tag="])
        self._after_branch = after_branch.encode("ascii")
        self._after_extra = ("\r\n".join(lines) + "\r\n\r\n").encode()

    # All by position: this is the hot path, and names cost time there.
    def render(  # noqa: PLR0917
        self,
        uri: bytes,
        branch: bytes,
        tag: bytes,
        call_id: bytes,
        cseq: int,
        extra: bytes = b"",
    ) -> bytes:
        """One OPTIONS to ``uri``, which ``request_uri_bytes`` gave. The tokens are trusted.

        So is ``extra``: whole header lines, each with its line break, such as
        ``DigestSession.headers`` gives.
        """
        return _OPTIONS % (
            uri,
            self._after_uri,
            branch,
            self._after_branch,
            tag,
            self._to_uri or uri,
            call_id,
            cseq,
            extra,
            self._after_extra,
        )

    def form(
        self, branch_head: bytes, tag_head: bytes, call_head: bytes, *, tail: bytes, cseq: int
    ) -> Form:
        """``render`` for branches, tags and Call-IDs that begin so and end with ``tail``.

        What they have in between is alike in all three.
        """
        fixed_to, join = self._to_uri, b"".join
        before_uri, before_branch = b"OPTIONS ", self._after_uri + branch_head
        before_tag, before_to = tail + self._after_branch + tag_head, tail + b"\r\nTo: <"
        before_call_id = b">\r\nCall-ID: " + call_head
        after_call_id = tail + b"\r\nCSeq: %d OPTIONS\r\n" % cseq + self._after_extra

        def filled(uri: bytes, middle: bytes) -> bytes:
            return join(
                (
                    before_uri,
                    uri,
                    before_branch,
                    middle,
                    before_tag,
                    middle,
                    before_to,
                    fixed_to or uri,
                    before_call_id,
                    middle,
                    after_call_id,
                )
            )

        return filled

    def rendered_bytes(self, uri: bytes, extra: bytes = b"") -> int:
        """About how long a request to ``uri`` is, rather too much than too little.

        What is longer than 1300 bytes is not for UDP (RFC 3261 §18.1.1).
        """
        tokens = (_TYPICAL_BRANCH, _TYPICAL_TAG, _TYPICAL_CALL_ID, _LONGEST_CSEQ)
        return len(self.render(uri, *tokens, extra))


def _route(uri: str) -> str:
    """The Route line of one proxy to pass."""
    proxy = SipUri.parse(uri)
    if find_parameter(proxy.parameters, "lr") is None:
        loose = replace(proxy, parameters=(*proxy.parameters, ("lr", None)))
        raise SipError(
            f"route {shown(uri)} is without ;lr, so its proxy would rewrite the Request-URI; write"
            f" {shown(str(loose))}"
        )
    return f"Route: <{request_uri_bytes(proxy).decode('ascii')}>"


def _unless_given(name: str, value: str, headers: Sequence[tuple[str, str]]) -> list[str]:
    """The line of a default header, unless a configured one of the same name replaces it."""
    if any(header_key(given) == header_key(name) for given, _ in headers):
        return []
    check_extra_header(name, value)
    return [f"{name}: {value}"]
