"""What a request that reaches us is answered with, without keeping any state.

An OPTIONS gets what an INVITE would get (RFC 3261 §11.2). The answer is a pure function of the
request, its source and the settings, and so is its To tag: a retransmission gets the same bytes
again (§8.2.7), and no transaction needs to be remembered. The answer goes back to where the
request really came from (§18.2.2, RFC 3581): a ``maddr`` that asks otherwise is ignored, for it
would let anybody aim our answers at a third party.

We are where a request ends, so its Max-Forwards is not looked at, 0 included (§16.3 counts it
for those who pass a request on). A response is never answered, whatever it says: two answering
machines would keep each other busy for ever.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from trunkpulse.sip.errors import MalformedMessage, SipError, UnsupportedVersion, shown
from trunkpulse.sip.grammar import BLANK, Parameters, write_parameters
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Headers, Request, Response, parse_envelope, parse_message
from trunkpulse.sip.status import REASON_PHRASES

__all__ = [
    "MAX_ANSWER_BYTES",
    "RETRY_AFTER_CODES",
    "Answer",
    "AnswerSettings",
    "answer_port",
    "answer_request",
    "answer_tag",
    "reply",
    "with_source",
]

RETRY_AFTER_CODES = frozenset({404, 413, 480, 486, 500, 503, 600, 603})
"""The status codes that a Retry-After may come with (RFC 3261 §20.33)."""

MAX_ANSWER_BYTES = 65_507
"""What one UDP datagram over IPv4 can carry; no echo makes an answer longer."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_KNOWN_SCHEMES = frozenset({"sip", "sips", "tel"})
_UNNAMED_CLASSES = {2: "OK", 3: "Redirection", 4: "Request Failure", 5: "Server Failure"}


class Answer(NamedTuple):
    """A response, and where it goes if it goes in a datagram.

    On a connection it goes back on the one that the request came on (§18.2.2).
    """

    data: bytes
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSettings:
    """What OPTIONS are answered with. Making illegal settings raises ``SipError``."""

    tag_key: bytes
    """Up to 64 secret bytes that make our To tags unguessable; keep them while the process runs."""
    code: int = 200
    """200 to 699: what an INVITE would get now."""
    reason: str | None = None
    """None: the usual phrase."""
    retry_after_seconds: int | None = None
    """Sent with ``RETRY_AFTER_CODES``."""
    allow: tuple[str, ...] = ("OPTIONS",)
    """Methods that are answered with anything but 405; say INVITE only if somebody takes them."""
    accept: str = "application/sdp"
    accept_encoding: str = "identity"
    accept_language: str = "en"
    supported: tuple[str, ...] = ()
    """Option tags; a request that requires any other is answered 420."""
    server: str = "trunkpulse"
    echo: bool = False
    """A 2xx to OPTIONS carries the request as it arrived (message/sip, §27.5), byte by byte, so
    that whoever asked sees what was changed on the way. An answer that would pass
    ``MAX_ANSWER_BYTES`` is sent without it."""

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 699:
            raise SipError(f"answer code {self.code} is not between 200 and 699")
        if len(self.tag_key) > 64:
            raise SipError(f"a tag key of {len(self.tag_key)} bytes is longer than 64")
        headers = Headers([*_capabilities(self), ("Server", self.server)])
        Response(self.code, self.reason or "", headers)


def answer_request(
    data: bytes, source_host: str, source_port: int, *, settings: AnswerSettings
) -> Answer | None:
    """The answer to a message that came from ``source_host`` and ``source_port``.

    None for what must not or cannot be answered: an ACK, a response, bytes that are no message or
    that lack the headers an answer copies. Never raises.
    """
    source = (source_host, source_port)
    try:
        request = parse_message(data)
        if isinstance(request, Response) or request.method == "ACK":
            return None
        code, reason, headers = _verdict(request, settings)
        if settings.echo and request.method == "OPTIONS" and 200 <= code < 300:
            # Its Accept is not consulted: whoever switched the echo on wants to see it.
            kind = [*headers, ("Content-Type", "message/sip")]
            echoing = reply(request, source, code, reason, kind, body=data, settings=settings)
            if len(echoing.data) <= MAX_ANSWER_BYTES:
                return echoing
        return reply(request, source, code, reason, headers, settings=settings)
    except MalformedMessage as problem:
        return _refuse_malformed(data, source, problem, settings)


def _verdict(
    request: Request, settings: AnswerSettings
) -> tuple[int, str | None, list[tuple[str, str]]]:
    """Code, phrase and headers, checked in the order of RFC 3261 §8.2."""
    NameAddr.parse(request.headers.single("From"))
    cseq = CSeq.parse(request.headers.single("CSeq"))
    if cseq.method != request.method:
        raise MalformedMessage(
            f"CSeq {shown(str(cseq))} belongs to another method than {request.method}"
        )
    if request.method == "CANCEL":
        # Whatever it would cancel was answered at once (§9.2).
        return 481, None, []
    if request.method != "OPTIONS":
        return 405, None, [("Allow", ", ".join(settings.allow))]
    scheme = _SCHEME.match(request.uri)
    if scheme is not None and scheme[1].lower() not in _KNOWN_SCHEMES:
        return 416, None, []
    known = {tag.lower() for tag in settings.supported}
    required = request.headers.members("Require")
    unknown = [tag for tag in required if tag and tag.lower() not in known]
    if unknown:
        return 420, None, [("Unsupported", ", ".join(unknown))]
    return settings.code, settings.reason, _capabilities(settings)


def _capabilities(settings: AnswerSettings) -> list[tuple[str, str]]:
    """The headers of an answer to OPTIONS (§11.2); an empty list is a legal value of each."""
    headers = [
        ("Allow", ", ".join(settings.allow)),
        ("Accept", settings.accept),
        ("Accept-Encoding", settings.accept_encoding),
        ("Accept-Language", settings.accept_language),
        ("Supported", ", ".join(settings.supported)),
    ]
    if settings.retry_after_seconds is not None and settings.code in RETRY_AFTER_CODES:
        headers.append(("Retry-After", str(settings.retry_after_seconds)))
    return headers


def _refuse_malformed(
    data: bytes, source: tuple[str, int], problem: MalformedMessage, settings: AnswerSettings
) -> Answer | None:
    """400 or 505 if the start line and what an answer copies can be read, otherwise nothing."""
    try:
        request = parse_envelope(data)
        if isinstance(request, Response) or request.method == "ACK":
            return None
        if isinstance(problem, UnsupportedVersion):
            return reply(request, source, 505, settings=settings)
        return reply(request, source, 400, f"Bad Request: {problem}", settings=settings)
    except MalformedMessage:
        return None


def reply(
    request: Request,
    source: tuple[str, int],
    code: int,
    reason: str | None = None,
    headers: Sequence[tuple[str, str]] = (),
    *,
    body: bytes = b"",
    settings: AnswerSettings,
) -> Answer:
    """Any response to any request: what it copies (§8.2.6.2), ``headers``, Server and ``body``.

    ``reason`` None is the usual phrase. Raises ``MalformedMessage`` if the request lacks a
    header that a response copies, or if its top Via or its To cannot be read.
    """
    top, *others = request.headers.members("Via") or [""]
    via = Via.parse(top)
    sender, recipient, call_id, cseq = (
        request.headers.single(name) for name in ("From", "To", "Call-ID", "CSeq")
    )
    if NameAddr.parse(recipient).tag is None:
        recipient += f";tag={answer_tag(settings.tag_key, *_as_came(top, sender, call_id))}"
        NameAddr.parse(recipient)
    copied = [
        ("Via", with_source(top, via, source)),
        *(("Via", other) for other in others),
        ("From", sender),
        ("To", recipient),
        ("Call-ID", call_id),
        ("CSeq", cseq),
        *headers,
        ("Server", settings.server),
        ("Content-Length", str(len(body))),
    ]
    response = Response(code, reason or _phrase(code), Headers(copied), body)
    return Answer(response.encode(), source[0], answer_port(via, source[1]))


def answer_port(via: Via, source_port: int) -> int:
    """Where an answer in a datagram goes (§18.2.2): without rport to the port of the sent-by."""
    return source_port if via.rport is not None else via.port or 5060


def with_source(top: str, via: Via, source: tuple[str, int]) -> str:
    """The top Via as it came, with ``received`` and the value of ``rport`` (RFC 3581 §4)."""
    host, port = source[0].partition("%")[0], source[1]
    parameters: Parameters = tuple(
        (name, str(port) if name.lower() == "rport" else value)
        for name, value in via.parameters
        if name.lower() != "received"
    )
    if via.rport is not None or not _same_host(via.host, host):
        parameters = (*parameters, ("received", host))
    return top.partition(";")[0].rstrip(BLANK) + write_parameters(parameters)


def _same_host(sent_by: str, source: str) -> bool:
    try:
        return ipaddress.ip_address(sent_by) == ipaddress.ip_address(source)
    except ValueError:
        return False


def answer_tag(key: bytes, top_via: bytes, sender: bytes, call_id: bytes) -> str:
    """The To tag of an answer: the same for a retransmission, unguessable without the key.

    The parts are as they came. A CANCEL has all of them from its INVITE (§9.1), and so its tag.
    """
    return blake2b(b"\0".join((top_via, sender, call_id)), key=key, digest_size=8).hexdigest()


def _as_came(*parts: str) -> tuple[bytes, bytes, bytes]:
    top, sender, call_id = (part.encode("utf-8", "surrogateescape") for part in parts)
    return top, sender, call_id


def _phrase(code: int) -> str:
    return REASON_PHRASES.get(code) or _UNNAMED_CLASSES.get(code // 100, "Failure")
