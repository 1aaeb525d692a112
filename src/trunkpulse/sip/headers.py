"""The headers that a transaction is matched by: Via, From and To (``NameAddr``), CSeq.

Each is frozen, is checked when it is made, and comes back from ``parse(str(x))`` unchanged.
A branch or a tag is compared byte by byte (RFC 3261 §17.1.3), so it is never decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self

from trunkpulse.sip.errors import MalformedHeader, Ungrammatical, shown
from trunkpulse.sip.grammar import (
    BLANK,
    Parameters,
    check_host,
    check_line,
    check_parameters,
    check_port,
    check_range,
    check_token,
    find_parameter,
    host_and_port,
    matched,
    parse_number,
    parse_parameters,
    quote,
    split_outside_quotes,
    split_sent_by,
    unquote,
    write_parameters,
)

__all__ = ["COMPACT_FORMS", "CSeq", "NameAddr", "Via", "header_key", "split_values"]

COMPACT_FORMS = {
    "a": "accept-contact",
    "b": "referred-by",
    "c": "content-type",
    "d": "request-disposition",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "n": "identity-info",
    "o": "event",
    "r": "refer-to",
    "s": "subject",
    "t": "to",
    "u": "allow-events",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
"""One-letter names and what they stand for (IANA, SIP Parameters, Header Fields)."""

_VIA_HEAD = re.compile(
    r"([^/\s]+)[ \t]*/[ \t]*([^/\s]+)[ \t]*/[ \t]*([^/\s]+)[ \t]+(\S.*)", re.DOTALL
)
_CSEQ = re.compile(r"([0-9]+)[ \t]+(\S+)")
_ADDRESS = re.compile(
    r'("(?:[^"\\]++|\\.)*+"|[^"<>]*+)[ \t]*<([^<>]*+)>[ \t]*(?:;(.*))?', re.DOTALL
)
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^\s<>\"\x00-\x20\x7f]+")
# A comma or a question mark of a bare URI could be the header's as well (RFC 3261 §20).
_NEEDS_NO_BRACKETS = re.compile(r"[^,?]*")
_HIGHEST_CSEQ = 2**31 - 1


def header_key(name: str) -> str:
    """The name that equal headers share: lower case, compact forms spelled out."""
    lowered = name.lower()
    return COMPACT_FORMS.get(lowered, lowered)


def split_values(value: str) -> list[str]:
    """The members of a comma-joined header; commas in quotes or angle brackets do not count."""
    try:
        return split_outside_quotes(value, ",")
    except Ungrammatical as problem:
        raise _malformed("list", value, problem) from None


def _malformed(what: str, text: str, problem: Ungrammatical) -> MalformedHeader:
    return MalformedHeader(f"{what} header {shown(text)} is malformed: {problem}")


@dataclass(frozen=True, slots=True)
class Via:
    """One hop's place to send the response to (RFC 3261 §20.42, RFC 3581)."""

    transport: str
    """As written: "UDP", "TCP", "TLS", "WS", …"""
    host: str
    """Of the sent-by, lower case; an IPv6 address without its brackets."""
    port: int | None = None
    parameters: Parameters = ()
    """In order, names as written; a name that is given twice is refused."""
    protocol: str = "SIP/2.0"

    def __post_init__(self) -> None:
        try:
            check_token(self.transport, "transport")
            name, _, version = self.protocol.partition("/")
            check_token(name, "protocol")
            check_token(version, "protocol version")
            object.__setattr__(self, "host", check_host(self.host))
            if self.port is not None:
                check_port(self.port)
            check_parameters(self.parameters)
        except Ungrammatical as problem:
            raise _malformed("Via", str(self), problem) from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one Via, not a comma-joined list; raises ``MalformedHeader``."""
        try:
            sent, *parameter_texts = split_outside_quotes(text, ";")
            head = matched(
                _VIA_HEAD, sent, "it does not begin with protocol, transport and sent-by"
            )
            host, port = split_sent_by(head[4])
            parameters = parse_parameters(parameter_texts)
        except Ungrammatical as problem:
            raise _malformed("Via", text, problem) from None
        return cls(head[3], host, port, parameters, f"{head[1]}/{head[2]}")

    def __str__(self) -> str:
        sent_by = host_and_port(self.host, self.port)
        return f"{self.protocol}/{self.transport} {sent_by}{write_parameters(self.parameters)}"

    @property
    def branch(self) -> str | None:
        """What names the transaction; opaque. None if absent or empty."""
        return find_parameter(self.parameters, "branch") or None

    @property
    def received(self) -> str | None:
        """The address that the next hop saw the request come from, without brackets."""
        value = find_parameter(self.parameters, "received")
        return value.strip("[]") if value else None

    @property
    def rport(self) -> str | None:
        """The port that the next hop saw: "" asks for it (RFC 3581), None does not."""
        return find_parameter(self.parameters, "rport")


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A URI with an optional name and parameters: From, To, Contact (RFC 3261 §20.10)."""

    uri: str
    """Any scheme, opaque; ``SipUri.parse`` reads a SIP one."""
    display_name: str | None = None
    """What a person reads, without quotes and backslashes."""
    parameters: Parameters = ()

    def __post_init__(self) -> None:
        try:
            matched(_URI, self.uri, f"{shown(self.uri)} is not a URI")
            if self.display_name is not None:
                check_line(self.display_name, "display name")
            check_parameters(self.parameters)
        except Ungrammatical as problem:
            raise _malformed("address", str(self), problem) from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``"name" <uri>;parameters`` or ``uri;parameters``; raises ``MalformedHeader``.

        Without angle brackets every parameter is the header's, none the URI's.
        """
        try:
            bracketed = _ADDRESS.fullmatch(text)
            if bracketed is None:
                uri, *parameter_texts = split_outside_quotes(text, ";")
                matched(_NEEDS_NO_BRACKETS, uri, f"{shown(uri)} must stand in angle brackets")
                return cls(uri, None, parse_parameters(parameter_texts))
            name = bracketed[1].strip(BLANK)
            display_name = unquote(name) if name.startswith('"') else name or None
            rest = bracketed[3]
            parameter_texts = [] if rest is None else split_outside_quotes(rest, ";")
            parameters = parse_parameters(parameter_texts)
        except Ungrammatical as problem:
            raise _malformed("address", text, problem) from None
        return cls(bracketed[2].strip(BLANK), display_name, parameters)

    def __str__(self) -> str:
        name = "" if self.display_name is None else quote(self.display_name) + " "
        return f"{name}<{self.uri}>{write_parameters(self.parameters)}"

    @property
    def tag(self) -> str | None:
        """This side's half of the dialog's name; opaque. None if absent or empty."""
        return find_parameter(self.parameters, "tag") or None


@dataclass(frozen=True, slots=True)
class CSeq:
    """A request's number and method (RFC 3261 §20.16)."""

    number: int
    """0 to 2**31 - 1."""
    method: str
    """Case counts."""

    def __post_init__(self) -> None:
        try:
            check_range(self.number, "number", lowest=0, highest=_HIGHEST_CSEQ)
            check_token(self.method, "method")
        except Ungrammatical as problem:
            raise _malformed("CSeq", str(self), problem) from None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``number method``; raises ``MalformedHeader``."""
        try:
            parts = matched(_CSEQ, text, "it is not a number and a method")
            number = parse_number(parts[1], "number", lowest=0, highest=_HIGHEST_CSEQ)
        except Ungrammatical as problem:
            raise _malformed("CSeq", text, problem) from None
        return cls(number, parts[2])

    def __str__(self) -> str:
        return f"{self.number} {self.method}"
