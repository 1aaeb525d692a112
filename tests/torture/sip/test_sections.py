"""Every section of RFC 4475 and RFC 5118 by its number, with what the parser makes of it.

What a readable message means is in ``test_rfc4475.py`` and ``test_rfc5118.py``, what our server
answers in ``test_rfc4475_answers.py``. This table holds that none of them is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest

from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import VALID
from torture.sip.rfc5118 import IPV6
from trunkpulse.sip.errors import MalformedHeader, MalformedMessage, SipError
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.retry_after import RetryAfter
from trunkpulse.sip.uri import SipUri

MESSAGES: Final = VALID | INVALID | APPLICATION | IPV6

Row = tuple[str, str, tuple[str, ...]]
"""Section, short name of the message, and what of it is refused: "message" is all of it."""

RFC_4475: Final[tuple[Row, ...]] = (
    ("3.1.1.1", "wsinv", ()),
    ("3.1.1.2", "intmeth", ()),
    ("3.1.1.3", "esc01", ()),
    ("3.1.1.4", "escnull", ()),
    ("3.1.1.5", "esc02", ()),
    ("3.1.1.6", "lwsdisp", ()),
    ("3.1.1.7", "longreq", ()),
    ("3.1.1.8", "dblreq", ()),
    ("3.1.1.9", "semiuri", ()),
    ("3.1.1.10", "transports", ()),
    ("3.1.1.11", "mpart01", ()),
    ("3.1.1.12", "unreason", ()),
    ("3.1.1.13", "noreason", ()),
    ("3.1.2.1", "badinv01", ("Via", "Contact")),
    ("3.1.2.2", "clerr", ("message",)),
    ("3.1.2.3", "ncl", ("message",)),
    ("3.1.2.4", "scalar02", ("CSeq",)),
    ("3.1.2.5", "scalarlg", ("CSeq", "Retry-After")),
    ("3.1.2.6", "quotbal", ("To",)),
    ("3.1.2.7", "ltgtruri", ("Request-URI",)),
    ("3.1.2.8", "lwsruri", ("message",)),
    ("3.1.2.9", "lwsstart", ("message",)),
    ("3.1.2.10", "trws", ("message",)),
    # Read all the same, because nothing of ours acts on the header, or because it is forgiven.
    ("3.1.2.11", "escruri", ()),
    ("3.1.2.12", "baddate", ()),
    ("3.1.2.13", "regbadct", ("Contact",)),
    ("3.1.2.14", "badaspec", ()),
    ("3.1.2.15", "baddn", ()),
    ("3.1.2.16", "badvers", ("message",)),
    ("3.1.2.17", "mismatch01", ("method of CSeq",)),
    ("3.1.2.18", "mismatch02", ("method of CSeq",)),
    ("3.1.2.19", "bigcode", ("message",)),
    ("3.2.1", "badbranch", ()),
    ("3.3.1", "insuf", ("From", "To", "Call-ID")),
    ("3.3.2", "unkscm", ("Request-URI",)),
    ("3.3.3", "novelsc", ("Request-URI",)),
    ("3.3.4", "unksm2", ()),
    ("3.3.5", "bext01", ()),
    ("3.3.6", "invut", ()),
    ("3.3.7", "regaut01", ()),
    ("3.3.8", "multi01", ("From", "To", "Call-ID", "CSeq")),
    ("3.3.9", "mcl01", ("message",)),
    ("3.3.10", "bcast", ()),
    ("3.3.11", "zeromf", ()),
    ("3.3.12", "cparam01", ()),
    ("3.3.13", "cparam02", ()),
    ("3.3.14", "regescrt", ()),
    ("3.3.15", "sdp01", ()),
    ("3.4.1", "inv2543", ()),
)

RFC_5118: Final[tuple[Row, ...]] = (
    ("4.1", "ipv6-good", ()),
    ("4.2", "ipv6-bad", ("Request-URI",)),
    ("4.3", "port-ambiguous", ()),
    ("4.4", "port-unambiguous", ()),
    ("4.5", "via-received-param-with-delim", ()),
    ("4.5", "via-received-param-no-delim", ()),
    ("4.6", "ipv6-in-sdp", ()),
    ("4.7", "mult-ip-in-header", ()),
    ("4.8", "mult-ip-in-sdp", ()),
    ("4.9", "ipv4-mapped-ipv6", ()),
    ("4.10", "ipv6-bug-abnf-3-colons", ()),
    ("4.10", "ipv6-correct-abnf-2-colons", ()),
)

SECTIONS_OF_RFC_4475: Final = {"3.1.1": 13, "3.1.2": 19, "3.2": 1, "3.3": 15, "3.4": 1}
"""How many sections with a message each one has, by the RFC's table of contents."""


def refused_parts(data: bytes) -> Iterator[str]:
    try:
        message = parse_message(data)
    except MalformedMessage:
        yield "message"
        return
    headers = message.headers
    readers: list[tuple[str, Callable[[], object]]] = [
        ("Via", lambda: [Via.parse(text) for text in headers.members("Via")]),
        ("From", lambda: NameAddr.parse(headers.single("From"))),
        ("To", lambda: NameAddr.parse(headers.single("To"))),
        ("Contact", lambda: [NameAddr.parse(text) for text in headers.members("Contact")]),
        ("Call-ID", lambda: headers.single("Call-ID")),
        ("CSeq", lambda: CSeq.parse(headers.single("CSeq"))),
        ("Retry-After", lambda: [RetryAfter.parse(text) for text in headers.every("Retry-After")]),
    ]
    if isinstance(message, Request):
        readers.insert(0, ("Request-URI", lambda: SipUri.parse(message.uri)))
        readers.append(("method of CSeq", lambda: _check_method(message)))
    for part, read in readers:
        try:
            read()
        except SipError:
            yield part


def _check_method(request: Request) -> None:
    written = request.headers.first("CSeq") or ""
    if written.split()[1:] != [request.method]:
        raise MalformedHeader(f"CSeq {written} belongs to another method than {request.method}")


def test_every_section_of_rfc_4475_is_here() -> None:
    expected = [
        f"{section}.{number}"
        for section, count in SECTIONS_OF_RFC_4475.items()
        for number in range(1, count + 1)
    ]
    assert [section for section, _, _ in RFC_4475] == expected


def test_every_section_of_rfc_5118_is_here() -> None:
    sections = dict.fromkeys(section for section, _, _ in RFC_5118)
    assert list(sections) == [f"4.{number}" for number in range(1, 11)]


def test_every_message_belongs_to_one_section() -> None:
    names = [name for _, name, _ in RFC_4475 + RFC_5118]
    assert sorted(names) == sorted(MESSAGES)


@pytest.mark.parametrize(
    ("section", "name", "refused"),
    RFC_4475 + RFC_5118,
    ids=[f"{section} {name}" for section, name, _ in RFC_4475 + RFC_5118],
)
def test_what_is_wrong_is_refused_and_nothing_else(
    section: str, name: str, refused: tuple[str, ...]
) -> None:
    assert tuple(refused_parts(MESSAGES[name])) == refused


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_cut_off_anywhere_is_read_or_refused(name: str) -> None:
    message = MESSAGES[name]
    end_of_headers = message.index(b"\r\n\r\n") + 4
    for length in range(len(message)):
        try:
            parse_message(message[:length])
        except MalformedMessage:
            continue
        assert length >= end_of_headers
