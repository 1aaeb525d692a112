"""What an INVITE, an ACK or a CANCEL says to whoever answers it, and nothing more.

A redirect server needs little of a request: what its answer copies (RFC 3261 §8.2.6), what names
its transaction (§17.2.3), whom it is for. ``read_asked`` finds that in any legal layout;
``peek_invite`` is the fast way for the ordinary one, and gives the same.

Texts stay bytes as they came: they are copied, compared and hashed, never understood.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import NamedTuple

from trunkpulse.sip.errors import MalformedHeader, MalformedMessage, shown
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import (
    MAX_HEADER_CHARACTERS,
    MAX_HEADERS,
    Request,
    Response,
    parse_message,
)
from trunkpulse.sip.server import answer_port, answer_tag, with_source

__all__ = [
    "DIRECTION_HEADER",
    "REGION_HEADER",
    "Asked",
    "peek_invite",
    "peek_key",
    "read_asked",
    "write_answer",
]

DIRECTION_HEADER = "X-Trunkpulse-Direction"
REGION_HEADER = "X-Trunkpulse-Region"

_COOKIE = b"z9hG4bK"
"""What a branch begins with that names its transaction by itself (§8.1.1.7)."""
_LONGEST_KEY_BYTES = 256
"""A longer one is kept as its hash, for keys stay when all else is forgotten."""


class Asked(NamedTuple):
    """A request, taken apart as far as its answer needs it."""

    uri: str
    """Its Request-URI, as it came."""
    key: bytes
    """The same for an INVITE, its retransmissions, its ACK and its CANCEL (§17.2.3, §9.2).

    Up to 256 bytes.
    """
    vias: bytes
    """The Via lines of the answer, the topmost with where it came from (RFC 3581)."""
    top_via: bytes
    sender: bytes
    """The value of From."""
    recipient: bytes
    """The value of To."""
    within_dialog: bool
    """True if To has a tag."""
    call_id: bytes
    cseq: bytes
    port: int
    """Where the answer goes if it goes in a datagram."""
    direction: bytes | None = None
    """The value of ``DIRECTION_HEADER``."""
    region: bytes | None = None
    """The value of ``REGION_HEADER``."""


def write_answer(asked: Asked, status: bytes, headers: bytes, tag_key: bytes) -> bytes:
    """The answer without a body: what it copies of the request (§8.2.6.2), then ``headers``.

    ``status`` is code and phrase, ``headers`` are whole lines with their ends.
    """
    recipient = asked.recipient
    if not asked.within_dialog:
        tag = answer_tag(tag_key, asked.top_via, asked.sender, asked.call_id)
        recipient = b"%b;tag=%b" % (recipient, tag.encode())
    return (
        b"SIP/2.0 %b\r\n%bFrom: %b\r\nTo: %b\r\nCall-ID: %b\r\nCSeq: %b\r\n"
        b"%bContent-Length: 0\r\n\r\n"
        % (status, asked.vias, asked.sender, recipient, asked.call_id, asked.cseq, headers)
    )


def read_asked(data: bytes, source: tuple[str, int]) -> Asked:
    """What a request in any legal layout says; raises ``MalformedMessage``."""
    request = parse_message(data)
    if isinstance(request, Response):
        raise MalformedMessage("a response came instead of a request")
    top, *others = request.headers.members("Via") or [""]
    via = Via.parse(top)
    sender, recipient, call_id = (
        request.headers.single(each) for each in ("From", "To", "Call-ID")
    )
    caller, callee = NameAddr.parse(sender), NameAddr.parse(recipient)
    cseq = CSeq.parse(request.headers.single("CSeq"))
    if cseq.method != request.method:
        raise MalformedHeader(
            f"CSeq {shown(str(cseq))} belongs to another method than {request.method}"
        )
    vias = [with_source(top, via, source), *others]
    direction, region = (request.headers.first(name) for name in (DIRECTION_HEADER, REGION_HEADER))
    return Asked(
        uri=request.uri,
        key=_key_of(request, top, via, caller, cseq),
        vias=b"".join(b"Via: %b\r\n" % _as_came(each) for each in vias),
        top_via=_as_came(top),
        sender=_as_came(sender),
        recipient=_as_came(recipient),
        within_dialog=callee.tag is not None,
        call_id=_as_came(call_id),
        cseq=_as_came(request.headers.single("CSeq")),
        port=answer_port(via, source[1]),
        direction=None if direction is None else _as_came(direction),
        region=None if region is None else _as_came(region),
    )


def _as_came(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _key_of(request: Request, top: str, via: Via, caller: NameAddr, cseq: CSeq) -> bytes:
    branch = _as_came(via.branch or "")
    if branch.startswith(_COOKIE):
        return _bounded(b"%b %b" % (branch, host_and_port(via.host, via.port).encode()))
    # As RFC 2543 had it: the ACK differs in its method and its To tag alone (§17.2.3).
    parts = (request.uri, top, caller.tag or "", request.headers.single("Call-ID"), cseq.number)
    return _bounded(b"\0".join(_as_came(str(part)) for part in parts))


def _bounded(key: bytes) -> bytes:
    return key if len(key) <= _LONGEST_KEY_BYTES else blake2b(key).digest()


# --- the ordinary layout -----------------------------------------------------------------------

# Every repetition is possessive, so that no text whatsoever is looked at twice.
_REQUEST_LINE = re.compile(rb"INVITE ([!-~]++) SIP/2\.0")
_NEEDED = {
    "Via": b"v",
    "From": b"f",
    "To": b"t",
    "Call-ID": b"i",
    "CSeq": b"",
    "Content-Length": b"l",
    DIRECTION_HEADER: b"",
    REGION_HEADER: b"",
}
"""The headers that are read, and their compact forms."""
_KINDS = {
    **{name.encode(): name for name in _NEEDED},
    **{name.lower().encode(): name for name in _NEEDED},
    **{compact: name for name, compact in _NEEDED.items() if compact},
}
_PASSED_OVER = frozenset(
    b"Allow,Contact,Content-Type,Max-Forwards,P-Asserted-Identity,Record-Route,Route,Subject,"
    b"Supported,User-Agent".split(b",")
)
_OTHER_VIAS = "other Vias"
_FOLDED = frozenset({b"", b" ", b"\t"})
"""How the name of a header begins that is none: the line continues the one before."""
_NAMED_ONCE = frozenset({b"branch", b"rport", b"received"})
_PORT = rb"6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[1-9][0-9]{0,3}"
_ADDRESS = rb"[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
_LABEL = rb"[a-z](?:-*+[a-z0-9]++)*+"
_NAME = rb"%b(?:\.%b)*+" % (_LABEL, _LABEL)
_TOKEN = rb"[A-Za-z0-9\-.!%*_+`'~]"
_TOP_VIA = re.compile(
    rb"(SIP/2\.0/[A-Z]{1,4} (%b|%b)(?::(%b))?)((?:;%b++(?:=[!#-+\--:=?-~]++)?)++)"
    % (_ADDRESS, _NAME, _PORT, _TOKEN)
)
_PARAMETER = rb";(?!branch=)%b++(?:=[!#-+\--:=?-~]++)?" % _TOKEN
_ACK = re.compile(
    rb"ACK [!-~]++ SIP/2\.0\r\n"
    rb"Via: SIP/2\.0/[A-Z]{1,4} (%b|%b)(?::(%b))?(?:%b)*+;branch=(z9hG4bK[!#-+\--:=?-~]*+)(?:%b)*+"
    rb"\r\n(?![ \t])" % (_ADDRESS, _NAME, _PORT, _PARAMETER, _PARAMETER)
)
_SPOKEN = rb'(?:"[^"\\\x00-\x1f\x7f]*+"[ \t]*+|[A-Za-z0-9\-.!%*_+`\'~ ]*+)'
_URI = rb"<[A-Za-z]++:[!#-;=?-~]++>"
_FROM = re.compile(_SPOKEN + _URI + rb";tag=%b++" % _TOKEN)
_TO = re.compile(_SPOKEN + _URI)
_CSEQ = re.compile(rb"[0-9]{1,9} INVITE")
_LENGTH = re.compile(rb"[0-9]{1,5}")


def peek_invite(data: bytes, source: tuple[str, int]) -> Asked | None:
    """What an INVITE in the ordinary layout says; None: ask ``read_asked``.

    What is not needed is not checked: headers that the parser would refuse for their own sake do
    not stop an answer here. Where both give something, it is the same. What is copied has the
    parser's limits.
    """
    end = data.find(b"\r\n\r\n")
    lines = _whole_lines(data, end)
    if len(lines) > MAX_HEADERS + 1:
        return None
    start = _REQUEST_LINE.fullmatch(lines[0])
    found = None if start is None else _peek_headers(lines)
    if start is None or found is None:
        return None
    try:
        top, sender, recipient = found["Via"], found["From"], found["To"]
        call_id, cseq = found["Call-ID"], found["CSeq"]
    except KeyError:
        return None
    length = found.get("Content-Length")
    named = _peek_via(top, source)
    if (
        named is None
        or not (_FROM.fullmatch(sender) and _TO.fullmatch(recipient) and _CSEQ.fullmatch(cseq))
        or (length is not None and not _LENGTH.fullmatch(length))
        or (length is not None and int(length) != len(data) - end - 4)
    ):
        return None
    key, marked, port = named
    return Asked(
        start[1].decode("ascii"),
        key,
        b"Via: %b\r\n%b" % (marked, found[_OTHER_VIAS]),
        top,
        sender,
        recipient,
        False,
        call_id,
        cseq,
        port,
        found.get(DIRECTION_HEADER),
        found.get(REGION_HEADER),
    )


def peek_key(data: bytes) -> bytes | None:
    """The key of an ACK in the ordinary layout, its Via on top; None: ask ``read_asked``."""
    found = _ACK.match(data)
    return None if found is None else _peeked_key(found[3], found[1], found[2])


def _whole_lines(data: bytes, end: int) -> list[bytes]:
    """Start line and headers; one that is empty if some line does not end in CR and LF."""
    head = data[: max(0, end)]
    lines = head.split(b"\r\n")
    breaks = len(lines) - 1
    return lines if head.count(b"\n") == breaks and head.count(b"\r") == breaks else [b""]


def _peek_headers(lines: list[bytes]) -> dict[str, bytes] | None:
    """Of those that are needed the first one's value; of the Vias behind it the lines."""
    found: dict[str, bytes] = {}
    others = b""
    for line in lines[1:]:
        name, _, value = line.partition(b":")
        kind = _KINDS.get(name)
        if kind is None:
            if name in _PASSED_OVER:
                continue
            if name[:1] in _FOLDED:
                return None
            kind = _KINDS.get(name.rstrip(b" \t").lower())
            if kind is None:
                continue
        if len(value) > MAX_HEADER_CHARACTERS:
            return None
        if kind not in found:
            found[kind] = value.strip(b" \t")
        elif kind != "Via" or b"," in value or b'"' in value:
            return None
        else:
            others += b"Via: %b\r\n" % value.strip(b" \t")
    found[_OTHER_VIAS] = others
    return found


def _peek_via(top: bytes, source: tuple[str, int]) -> tuple[bytes, bytes, int] | None:
    """Key, the value with where it came from, and the port for a datagram."""
    via = _TOP_VIA.fullmatch(top)
    if via is None:
        return None
    head, host, sent_port, tail = via.groups()
    host_there, port_there = source
    marked, branch, returns, port = head, b"", False, int(sent_port or 5060)
    for parameter in tail[1:].split(b";"):
        name, _, value = parameter.partition(b"=")
        if name == b"branch" and not branch:
            branch = value
            marked += b";" + parameter
        elif name == b"rport" and not returns:
            returns = True
            marked += b";rport=%d" % port_there
        elif name.lower() in _NAMED_ONCE:
            return None
        else:
            marked += b";" + parameter
    if not branch.startswith(_COOKIE):
        return None
    if returns or host.decode() != host_there:
        marked += b";received=%b" % host_there.partition("%")[0].encode()
    return _peeked_key(branch, host, sent_port), marked, port_there if returns else port


def _peeked_key(branch: bytes, host: bytes, port: bytes | None) -> bytes:
    return _bounded(
        b"%b %b" % (branch, host) if port is None else b"%b %b:%b" % (branch, host, port)
    )
