from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedMessage
from trunkpulse.sip.message import response_facts
from trunkpulse.sip.peek import peek_response

ORDINARY = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 127.0.0.1:5070;rport=5070;branch=z9hG4bK-a%40;received=127.0.0.1\r\n"
    b"From: <sip:ping@127.0.0.1>;tag=1\r\n"
    b"To: <sip:10.0.0.1>;tag=2\r\n"
    b"Call-ID: 3@127.0.0.1\r\n"
    b"CSeq: 7 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)

line_ends = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r\n ", b"\r\n\r\n", b"\n\n"])
lines = st.sampled_from([
    b"SIP/2.0 200 OK",
    b"SIP/2.0 404 ",
    b"SIP/2.0 180",
    b"sip/2.0 200 OK",
    b"Via: SIP/2.0/UDP h:1;rport;branch=z1",
    b"Via: SIP/2.0/UDP h:1;branch=z2;rport=1",
    b"Via: SIP/2.0/UDP h:1;Branch=z3;branch=z4",
    b'Via: SIP/2.0/UDP h:1;x=";branch=z5;";branch=z6',
    b"Via: SIP/2.0/UDP h;branch=z7, SIP/2.0/UDP i;branch=z8",
    b"Via: SIP/2.0/UDP h;branch=",
    b"Via: SIP/2.0/UDP h;branch=z9 ;a",
    b"Via : SIP/2.0/UDP h;branch=z10",
    b"v: SIP/2.0/UDP h;branch=z11",
    b"VIA: SIP/2.0/UDP h;branch=z12",
    b"CSeq: 1 OPTIONS",
    b"CSeq: 1 INVITE",
    b"CSeq: 1",
    b"OPTIONS",
    b"cseq: 2 INVITE",
    b"X: CSeq: 1 OPTIONS",
    b"Subject: x",
    b"",
])  # fmt: skip


def agree(data: bytes) -> None:
    peeked = peek_response(data)
    if peeked is None:
        return
    try:
        facts = response_facts(data)
    except MalformedMessage:
        # Some other header is bad: the parser refuses what a peek never looked at.
        return
    assert (facts.code, facts.branch, facts.cseq_method, facts.via_count) == (
        *peeked,
        "OPTIONS",
        1,
    )


def test_an_ordinary_response_is_read_and_the_parser_agrees() -> None:
    assert peek_response(ORDINARY) == (200, b"z9hG4bK-a%40")
    facts = response_facts(ORDINARY)
    assert (facts.code, facts.branch) == (200, b"z9hG4bK-a%40")


@given(st.integers(100, 699), st.from_regex(rb"[A-Za-z0-9\-.!%*_+`'~]{1,40}", fullmatch=True))
def test_every_code_and_branch_is_read_as_the_parser_reads_it(code: int, branch: bytes) -> None:
    data = ORDINARY.replace(b"200", b"%d" % code).replace(b"z9hG4bK-a%40", branch)
    facts = response_facts(data)
    assert peek_response(data) == (facts.code, facts.branch) == (code, branch)


@given(st.lists(st.tuples(lines, line_ends), max_size=8))
@example([(b"SIP/2.0 200 \nv: SIP/2.0/UDP h;branch=z0", b"\r\n"), (b"", b"")])
def test_lines_in_any_order_are_never_read_otherwise_than_the_parser_does(
    parts: list[tuple[bytes, bytes]],
) -> None:
    text = b"".join(line + end for line, end in parts)
    agree(text)
    for head in (b"SIP/2.0 200 OK\r\n", ORDINARY[: ORDINARY.index(b"From")]):
        agree(head + text + b"\r\n")
        agree(head + text + b"CSeq: 1 OPTIONS\r\n\r\n")


@given(st.data())
def test_an_altered_response_is_never_read_otherwise_than_the_parser_does(
    data: st.DataObject,
) -> None:
    wire = bytearray(ORDINARY)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(wire)))
        piece = data.draw(
            st.one_of(
                st.binary(max_size=2), st.sampled_from([b"\r\nVia: ", b"\n", b",", b";branch="])
            )
        )
        wire[position : position + data.draw(st.integers(0, 2))] = piece
    agree(bytes(wire))


@given(st.binary(max_size=60))
def test_arbitrary_bytes_raise_nothing(data: bytes) -> None:
    agree(data)
    agree(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP " + data)


@pytest.mark.parametrize(
    ("what", "with_what"),
    [
        (b"SIP/2.0 200", b"sip/2.0 200"),
        (b"SIP/2.0 200", b"SIP/2.0 999"),
        (b"SIP/2.0 200 OK", b"SIP/2.0 200"),
        (b"SIP/2.0 200 OK\r\n", b"OPTIONS sip:a SIP/2.0\r\n"),
        (b"OK\r\n", b"OK\n"),
        (b"Via:", b"v:"),
        (b"Via:", b"Via :"),
        (b"\r\nVia", b"\r\nServer: x\r\nVia"),
        (b";rport=5070", b"\r\n ;rport=5070"),
        (b"received=127.0.0.1\r\n", b"received=127.0.0.1\r\n ;x=y\r\n"),
        (b"From", b"Via: SIP/2.0/UDP h;branch=z\r\nFrom"),
        (b"From", b"v: SIP/2.0/UDP h;branch=z\r\nFrom"),
        (b";received=127.0.0.1", b", SIP/2.0/UDP h;branch=z"),
        (b";branch=z9hG4bK-a%40", b""),
        (b";rport=5070", b';x=";branch=z;"'),
        (b";rport=5070", b";x=<;branch=z>"),
        (b";rport=5070", b";x=1,;branch=z"),
        (b";branch=z9hG4bK-a%40", b";branch=z9hG4bK\xff"),
        (b"7 OPTIONS", b"7 INVITE"),
        (b"7 OPTIONS", b"7 OPTIONSX"),
        (b"CSeq: 7 OPTIONS\r\n", b""),
        (b"CSeq:", b"CSEQ:"),
        (b"CSeq: 7 OPTIONS\r\n", b"\r\nCSeq: 7 OPTIONS\r\n"),
        (b"Content-Length: 0\r\n\r\n", b"Content-Length: 0\r\n"),
    ],
)
def test_anything_out_of_the_ordinary_is_left_to_the_parser(what: bytes, with_what: bytes) -> None:
    assert what in ORDINARY
    assert peek_response(ORDINARY.replace(what, with_what, 1)) is None
