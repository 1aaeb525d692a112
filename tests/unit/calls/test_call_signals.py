"""What is read of a mirrored message is what the full parser reads, and quicker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.calls.signal import MOST_HEAD_BYTES, Signal, read_signal
from trunkpulse.sip.headers import CSeq, NameAddr
from trunkpulse.sip.message import Request, Response, parse_message
from unit.calls.calling import message

FOLDED = (
    b"\r\n\r\nSIP/2.0 180 \r\nt :\r\n <sip:b@x>\r\n\t; TAG = tt\r\nF: sip:a@x;user=phone;tag=ff\r\n"
    b"i:  c@1  \r\nCSEQ: 00012 \tInvite\r\n\r\n"
)


def by_the_parser(data: bytes) -> Signal:
    read = parse_message(data)
    cseq = CSeq.parse(read.headers.single("CSeq"))
    tags = [NameAddr.parse(read.headers.single(name)).tag for name in ("From", "To")]
    return Signal(
        cseq.method.encode().upper(),
        read.code if isinstance(read, Response) else 0,
        read.headers.single("Call-ID").encode(),
        cseq.number,
        *((tag or "").encode() for tag in tags),
    )


@pytest.mark.parametrize(
    "data",
    [
        message("INVITE sip:b@x SIP/2.0"),
        message("SIP/2.0 200 OK", to_tag="t1"),
        message("BYE sip:b@x SIP/2.0", cseq="2 BYE", to_tag="a;b"),
        message("SIP/2.0 404 Not Found").replace(b"\r\n", b"\n"),
        FOLDED,
    ],
)
def test_it_is_what_the_parser_reads(data: bytes) -> None:
    assert read_signal(data) == by_the_parser(data)


def test_a_tag_in_a_name_or_a_uri_is_none() -> None:
    read = read_signal(message("INVITE sip:b@x SIP/2.0", from_tag="real"))
    assert read is not None
    assert (read.from_tag, read.to_tag) == (b"real", b"")


def test_headers_behind_the_empty_line_are_body() -> None:
    assert (
        read_signal(b"INVITE sip:b@x SIP/2.0\r\n\r\n" + message("x").partition(b"\r\n")[2]) is None
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n\r\n",
        b"RTCP",
        message("INVITE sip:b@x SIP/3.0"),
        message("INVITE sip: b@x SIP/2.0"),
        message("SIP/2.0 099 No"),
        message("BYE sip:b@x SIP/2.0"),  # whose CSeq says INVITE
        message("INVITE sip:b@x SIP/2.0", cseq="INVITE 1"),
        message("INVITE sip:b@x SIP/2.0", cseq="99999999999 INVITE"),
        message("INVITE sip:b@x SIP/2.0", call_id=""),
        message("INVITE sip:b@x SIP/2.0").replace(b"\r\nTo:", b"\r\nTow:"),
    ],
)
def test_what_is_no_message_of_a_call_is_none(data: bytes) -> None:
    assert read_signal(data) is None


@given(st.binary(max_size=600), st.integers(0, 120))
def test_nothing_raises(junk: bytes, at: int) -> None:
    sound = message("INVITE sip:b@x SIP/2.0")
    read_signal(junk)
    read_signal(sound[:at] + junk + sound[at:])


@pytest.mark.parametrize("filler", [b"\r\n ", b"\r", b"i:", b"\ni ", b";tag=", b"<>", b" \t"])
def test_of_a_long_head_a_bounded_part_is_looked_at(filler: bytes) -> None:
    """Each takes a moment; were anything looked at twice, hours."""
    start = b"INVITE sip:b@x SIP/2.0\r\nTo: x"
    assert read_signal(start + filler * (65_000 // len(filler)) + b"\r\n\r\n") is None
    late = message("INVITE sip:b@x SIP/2.0").replace(
        b"Call-ID", b"X: " + b"x" * MOST_HEAD_BYTES + b"\r\nCall-ID"
    )
    assert isinstance(parse_message(message("INVITE sip:b@x SIP/2.0")), Request)
    assert read_signal(late) is None
