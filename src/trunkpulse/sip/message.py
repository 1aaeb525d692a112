"""Messages: bytes to ``Request`` or ``Response`` and back (RFC 3261 §7, §18.3).

The parser is liberal about layout and strict about meaning. It takes folded headers, compact
forms, white space before the colon, any case, lone line feeds and line breaks ahead of the start
line. It refuses what two readers could understand differently: a bare carriage return, a body
shorter than its Content-Length, two lengths that disagree.

Text is UTF-8; bytes that are not come through as lone surrogates (``surrogateescape``) and leave
again as the same bytes, so an opaque value is never altered. ``Headers``, ``Request`` and
``Response`` check themselves when they are made: whatever can be constructed can be sent.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from trunkpulse.sip.errors import (
    MalformedHeader,
    MalformedMessage,
    Ungrammatical,
    UnsupportedVersion,
    shown,
)
from trunkpulse.sip.grammar import BLANK, check_line, is_token
from trunkpulse.sip.headers import CSeq, Via, header_key, split_values

__all__ = [
    "Headers",
    "Request",
    "Response",
    "ResponseFacts",
    "parse_envelope",
    "parse_message",
    "response_facts",
]

MAX_BYTES = 65535
MAX_HEADERS = 256
MAX_MEMBERS = 1024
"""Of a comma-joined header, all its lines together."""
MAX_HEADER_LINES = 1024
"""Headers and their continuations: whoever sends more wants our memory, not an answer."""
MAX_HEADER_CHARACTERS = 8192

_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n")
_VERSION = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_STATUS_CODE = re.compile(r"[1-6][0-9]{2}")
_LENGTH = re.compile(r"[0-9]{1,9}")
_NO_URI = re.compile(r"[\s\x00-\x20\x7f]")


class Headers:
    """Headers in order, found by any spelling of their name: ``v``, ``VIA`` and ``Via`` are one.

    Immutable. Names leave as they came. Two are equal if they hold equal headers in equal order.
    """

    __slots__ = ("_items", "_keys")

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self._items = tuple((name, value.strip(BLANK)) for name, value in items)
        self._keys = tuple(header_key(name) for name, _ in self._items)
        if len(self._items) > MAX_HEADERS:
            raise MalformedMessage(f"a message has more than {MAX_HEADERS} headers")
        for name, value in self._items:
            _check_header(name, value)

    def first(self, name: str) -> str | None:
        """The value of the first header ``name``, comma-joined as it came; None if absent."""
        key = header_key(name)
        return self._items[self._keys.index(key)][1] if key in self._keys else None

    def every(self, name: str) -> list[str]:
        """The values of all headers ``name``, in order, each as it came."""
        wanted = header_key(name)
        return [
            value for key, (_, value) in zip(self._keys, self._items, strict=True) if key == wanted
        ]

    def members(self, name: str) -> list[str]:
        """The members of all headers ``name``, comma-joined ones taken apart.

        Raises ``MalformedHeader`` if they cannot be told apart or are more than 1024.
        """
        members: list[str] = []
        for value in self.every(name):
            members += split_values(value)
            if len(members) > MAX_MEMBERS:
                raise MalformedHeader(f"header {name} has more than {MAX_MEMBERS} members")
        return members

    def single(self, name: str) -> str:
        """The value of a header that must come exactly once; raises ``MalformedHeader``."""
        values = self.every(name)
        if len(values) != 1:
            raise MalformedHeader(f"a message has {len(values)} {name} headers instead of one")
        return values[0]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __contains__(self, name: str) -> bool:
        return header_key(name) in self._keys

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            return NotImplemented
        return self._canonical() == other._canonical()

    def __hash__(self) -> int:
        return hash(self._canonical())

    def __repr__(self) -> str:
        return f"Headers({list(self._items)!r})"

    def _canonical(self) -> tuple[tuple[str, str], ...]:
        values = (value for _, value in self._items)
        return tuple(zip(self._keys, values, strict=True))


def _check_header(name: str, value: str) -> None:
    if not is_token(name):
        raise MalformedHeader(f"header name {shown(name)} is not a token")
    if len(value) > MAX_HEADER_CHARACTERS:
        raise MalformedHeader(f"header {name} is longer than {MAX_HEADER_CHARACTERS} characters")
    try:
        check_line(value, "value")
    except Ungrammatical as problem:
        raise MalformedHeader(f"header {name} is malformed: {problem}") from None


@dataclass(frozen=True, slots=True)
class Request:
    """A request; ``encode`` writes the headers that it has, Content-Length only if among them."""

    method: str
    uri: str
    """Opaque: a responder must answer for URIs that it cannot read."""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def __post_init__(self) -> None:
        if not is_token(self.method):
            raise MalformedMessage(f"method {shown(self.method)} is not a token")
        if not self.uri or _NO_URI.search(self.uri):
            raise MalformedMessage(f"Request-URI {shown(self.uri)} is empty or holds white space")

    def encode(self) -> bytes:
        """The message on the wire."""
        return _encode(f"{self.method} {self.uri} SIP/2.0", self.headers, self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """A response; ``encode`` writes the headers that it has, Content-Length only if among them."""

    code: int
    """100 to 699."""
    reason: str
    """The reason phrase, for people; may be empty."""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    def __post_init__(self) -> None:
        if not 100 <= self.code <= 699:
            raise MalformedMessage(f"status code {self.code} is not between 100 and 699")
        try:
            check_line(self.reason, "reason phrase")
        except Ungrammatical as problem:
            raise MalformedMessage(f"a status line is malformed: {problem}") from None

    def encode(self) -> bytes:
        """The message on the wire."""
        return _encode(f"SIP/2.0 {self.code} {self.reason}", self.headers, self.body)


def _encode(start_line: str, headers: Headers, body: bytes) -> bytes:
    lines = [start_line, *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("utf-8", "surrogateescape") + body


def parse_message(data: bytes, *, max_bytes: int = MAX_BYTES) -> Request | Response:
    """Read one datagram; raises ``MalformedMessage`` and nothing else.

    A body longer than Content-Length is cut, a shorter one refused (RFC 3261 §18.3); without
    Content-Length it runs to the end of the datagram.
    """
    message = _parse(data, max_bytes, exact=True)
    length = _content_length(message.headers)
    if length is None or length == len(message.body):
        return message
    if length > len(message.body):
        raise MalformedMessage(
            f"Content-Length is {length} but only {len(message.body)} bytes of body came"
        )
    body = message.body[:length]
    if isinstance(message, Request):
        return Request(message.method, message.uri, message.headers, body)
    return Response(message.code, message.reason, message.headers, body)


def parse_envelope(data: bytes, *, max_bytes: int = MAX_BYTES) -> Request | Response:
    """Start line and headers alone; the body is whatever follows, Content-Length unread.

    For who must tell a peer what is wrong with the rest, so a request line may be of another
    version and have spaces too many. Raises ``MalformedMessage``.
    """
    return _parse(data, max_bytes, exact=False)


def _parse(data: bytes, max_bytes: int, *, exact: bool) -> Request | Response:
    if len(data) > max_bytes:
        raise MalformedMessage(f"a message of {len(data)} bytes is longer than {max_bytes}")
    data = data.lstrip(b"\r\n")
    end = _END_OF_HEADERS.search(data)
    if end is None:
        raise MalformedMessage(f"message {shown(data)} has no empty line after its headers")
    if data.count(b"\n", 0, end.start()) > MAX_HEADER_LINES:
        raise MalformedMessage(f"a message has more than {MAX_HEADER_LINES} lines of headers")
    head = data[: end.start()].decode("utf-8", "surrogateescape")
    start_line, *lines = [line.removesuffix("\r") for line in head.split("\n")]
    headers = Headers(_unfold(lines))
    body = data[end.end() :]
    if start_line[:4].upper() == "SIP/":
        return Response(*_status_line(start_line), headers, body)
    return Request(*_request_line(start_line, exact=exact), headers, body)


def _unfold(lines: list[str]) -> list[tuple[str, str]]:
    """Name and value of each header, continuation lines joined by one space (§7.3.1)."""
    folded: list[list[str]] = []
    for line in lines:
        if line[:1] not in {" ", "\t"}:
            folded.append([line])
        elif folded:
            folded[-1].append(line.strip(BLANK))
        else:
            raise MalformedHeader(f"line {shown(line)} continues a header, but none came before")
    headers: list[tuple[str, str]] = []
    for parts in folded:
        name, colon, value = " ".join(parts).partition(":")
        if not colon:
            raise MalformedHeader(f"header line {shown(name)} has no colon")
        headers.append((name.rstrip(BLANK), value))
    return headers


def _request_line(line: str, *, exact: bool) -> tuple[str, str]:
    parts = [part for part in line.split(" ") if exact or part]
    if len(parts) != 3 or not _VERSION.fullmatch(parts[2]):
        raise MalformedMessage(f"start line {shown(line)} is not a method, a URI and SIP/2.0")
    if exact and parts[2].upper() != "SIP/2.0":
        raise UnsupportedVersion(f"start line {shown(line)} asks for another version than SIP/2.0")
    return parts[0], parts[1]


def _status_line(line: str) -> tuple[int, str]:
    version, code, reason = (*line.split(" ", 2), "", "")[:3]
    if version.upper() != "SIP/2.0" or not _STATUS_CODE.fullmatch(code):
        raise MalformedMessage(f"start line {shown(line)} is not SIP/2.0 and a status code")
    return int(code), reason


def _content_length(headers: Headers) -> int | None:
    # The same length twice is one length; two that disagree join into what is no number.
    lengths = dict.fromkeys(headers.every("Content-Length"))
    if not lengths:
        return None
    text = ", ".join(lengths)
    if not _LENGTH.fullmatch(text):
        raise MalformedHeader(f"Content-Length {shown(text)} is not one number of bytes")
    return int(text)


@dataclass(frozen=True, slots=True)
class ResponseFacts:
    """What a client needs to match a response (RFC 3261 §17.1.3, §18.1.2) and to judge it."""

    code: int
    reason: str
    branch: bytes
    """Of the top Via, byte by byte as it came."""
    cseq_method: str
    via_count: int
    """More than one: the response was meant for somebody behind us and is to be dropped."""


def response_facts(data: bytes) -> ResponseFacts:
    """The facts of a response in any legal layout; raises ``MalformedMessage``, also for requests.

    ``peek_response`` is the fast way for the ordinary layout.
    """
    message = parse_message(data)
    if isinstance(message, Request):
        raise MalformedMessage(f"a {shown(message.method)} request came instead of a response")
    vias = message.headers.members("Via")
    if not vias:
        raise MalformedHeader("a response has no Via header")
    branch = Via.parse(vias[0]).branch
    if branch is None:
        raise MalformedHeader(f"Via header {shown(vias[0])} has no branch")
    return ResponseFacts(
        message.code,
        message.reason,
        branch.encode("utf-8", "surrogateescape"),
        CSeq.parse(message.headers.single("CSeq")).method,
        len(vias),
    )
