from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedHeader, MalformedMessage
from trunkpulse.sip.message import (
    Headers,
    Request,
    Response,
    ResponseFacts,
    parse_envelope,
    parse_message,
    response_facts,
)

tokens = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,8}", fullmatch=True)
header_names = st.one_of(tokens, st.sampled_from(["Via", "v", "VIA", "Subject", "s"])).filter(
    lambda name: name.lower() not in {"l", "content-length"}
)
# Bytes of any kind but line breaks, as the parser would have decoded them.
wire_text = st.binary(max_size=20).map(
    lambda data: data.replace(b"\r", b"").replace(b"\n", b"").decode("utf-8", "surrogateescape")
)
headers = st.lists(st.tuples(header_names, wire_text), max_size=6).map(Headers)
bodies = st.binary(max_size=20)
requests = st.builds(Request, tokens, st.just("sip:a@[::1];x=%41"), headers, bodies)
responses = st.builds(Response, st.integers(100, 699), wire_text, headers, bodies)


def response(*lines: str, body: str = "") -> bytes:
    return "\r\n".join(["SIP/2.0 200 OK", *lines, "", body]).encode()


@given(st.one_of(requests, responses))
def test_an_encoded_message_reads_back_as_the_same_message(message: Request | Response) -> None:
    assert parse_message(message.encode()) == message


@given(st.one_of(requests, responses), st.data())
def test_a_message_cut_or_altered_anywhere_is_read_or_refused(
    message: Request | Response, data: st.DataObject
) -> None:
    wire = bytearray(message.encode())
    position = data.draw(st.integers(0, len(wire) - 1))
    wire[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for read in (parse_message, parse_envelope, response_facts):
        try:
            read(bytes(wire))
        except MalformedMessage:
            continue


@given(st.binary(max_size=80))
def test_arbitrary_bytes_are_read_or_refused_with_the_parsers_own_error(data: bytes) -> None:
    for wire in (data, b"SIP/2.0 200 OK\r\n" + data + b"\r\n\r\n"):
        for read in (parse_message, response_facts):
            try:
                read(wire)
            except MalformedMessage:
                continue


def test_every_legal_layout_of_one_response_has_the_same_facts() -> None:
    plain = (
        b"SIP/2.0 200 OK\r\n"
        b"Via: SIP/2.0/UDP 127.0.0.1:5070;rport=5070;branch=z9hG4bK%40a\r\n"
        b"CSeq: 7 OPTIONS\r\n\r\n"
    )
    facts = ResponseFacts(200, "OK", b"z9hG4bK%40a", "OPTIONS", 1)
    layouts = {
        "plain": plain,
        "leading line breaks": b"\r\n\r\n" + plain,
        "lone line feeds": plain.replace(b"\r\n", b"\n"),
        "compact": plain.replace(b"Via:", b"v:"),
        "space before colon": plain.replace(b"Via:", b"Via \t:").replace(b"CSeq:", b"CSEQ :"),
        "folded": plain.replace(b";rport", b"\r\n ;rport").replace(b"Via: ", b"Via:\r\n\t"),
        "folded cseq": plain.replace(b"7 OPTIONS", b"7\r\n \tOPTIONS"),
        "case": plain.replace(b"SIP/2.0 200", b"sip/2.0 200").replace(b"Via", b"vIA"),
        "other order": plain.replace(b"\r\nVia", b"\r\nServer: x\r\nVia"),
        "body beyond content-length": plain.replace(b"\r\n\r\n", b"\r\nl: 0\r\n\r\nrest"),
        "not utf-8": plain.replace(b"\r\n\r\n", b"\r\nServer: \xff\xfe\r\n\r\n"),
    }
    assert {name: response_facts(data) for name, data in layouts.items()} == dict.fromkeys(
        layouts, facts
    )


def test_repeated_and_joined_vias_are_both_counted() -> None:
    data = response(
        "Via: SIP/2.0/UDP a;branch=z9hG4bK1, SIP/2.0/UDP b;branch=z9hG4bK2",
        "v: SIP/2.0/TCP c;branch=z9hG4bK3",
        "CSeq: 1 OPTIONS",
    )
    facts = response_facts(data)
    assert (facts.branch, facts.via_count) == (b"z9hG4bK1", 3)


def test_a_branch_that_is_not_utf8_comes_out_byte_by_byte() -> None:
    data = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP a;branch=\xe9\xff%zz\r\nCSeq: 1 OPTIONS\r\n\r\n"
    assert response_facts(data).branch == b"\xe9\xff%zz"


def test_a_status_line_may_lack_its_reason_phrase() -> None:
    assert parse_message(b"SIP/2.0 180\r\n\r\n") == Response(180, "")
    assert parse_message(b"SIP/2.0 180 \r\n\r\n") == Response(180, "")


def test_a_body_is_cut_at_its_content_length() -> None:
    message = parse_message(response("Content-Length: 3", body="abcdef"))
    assert message.body == b"abc"
    assert parse_message(response(body="abcdef")).body == b"abcdef"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no empty line"),
        (b"\r\n\r\n", "no empty line"),
        (b"OPTIONS sip:a SIP/2.0\r\nVia: x\r\n", "no empty line"),
        (b"OPTIONS sip:a SIP/3.0\r\n\r\n", "start line"),
        (b"OPTIONS  sip:a SIP/2.0\r\n\r\n", "start line"),
        (b"OPTIONS sip:a b SIP/2.0\r\n\r\n", "start line"),
        (b"OPT@IONS sip:a SIP/2.0\r\n\r\n", "method 'OPT@IONS'"),
        (b"OPTIONS sip:\x00a SIP/2.0\r\n\r\n", "Request-URI"),
        (b"SIP/2.0 99 Low\r\n\r\n", "status code"),
        (b"SIP/2.0 700 High\r\n\r\n", "status code"),
        (b"SIP/2.0 4294967301 Big\r\n\r\n", "status code"),
        (b"SIP/7.0 200 OK\r\n\r\n", "not SIP/2.0"),
        (b"SIP/2.0 200 O\rK\r\n\r\n", "line break"),
        (response(" folded: first"), "none came before"),
        (response("no colon"), "no colon"),
        (response(": x"), "header name ''"),
        (response("Vi a: x"), "header name 'Vi a'"),
        (response("Server: a\rVia: b"), "line break"),
        (response("Server: " + "x" * 8193), "longer than 8192 characters"),
        (response(*["a: b"] * 257), "more than 256 headers"),
        (response("a: b", *[" c"] * 1024), "more than 1024 lines"),
        (response("Content-Length: 4", body="abc"), "only 3 bytes of body came"),
        (response("Content-Length: -1"), "not one number"),
        (response("Content-Length: 99999999999"), "not one number"),
        (response("Content-Length: 1", "l: 0", body="abc"), "not one number"),
        (b"SIP/2.0 200 OK\r\n\r\n" + b"x" * 65535, "is longer than 65535"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_message(data)
    sentence = str(refused.value)
    assert reason in sentence
    assert "\n" not in sentence
    assert len(sentence) < 250


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("CSeq: 1 OPTIONS",), "no Via"),
        (("Via: SIP/2.0/UDP a", "CSeq: 1 OPTIONS"), "no branch"),
        (("Via: SIP/2.0/UDP a;branch=b",), "0 CSeq headers"),
        (("Via: SIP/2.0/UDP a;branch=b", "CSeq: 1 A", "cseq: 2 B"), "2 CSeq headers"),
        (("Via: SIP/2.0/UDP a;branch=b", "CSeq: x"), "CSeq header 'x'"),
    ],
)
def test_a_response_that_cannot_be_matched_is_refused(lines: tuple[str, ...], reason: str) -> None:
    with pytest.raises(MalformedHeader) as refused:
        response_facts(response(*lines))
    assert reason in str(refused.value)


def test_a_request_is_no_response() -> None:
    with pytest.raises(MalformedMessage, match="request came instead"):
        response_facts(b"OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/UDP a\r\n\r\n")


def test_headers_are_found_by_every_spelling_and_keep_their_own() -> None:
    found = Headers([("v", "a"), ("Subject", " x "), ("VIA", "b,c")])
    assert found.every("Via") == ["a", "b,c"]
    assert found.members("via") == ["a", "b", "c"]
    assert (found.first("s"), found.first("From")) == ("x", None)
    assert "V" in found
    assert "From" not in found
    assert [name for name, _ in found] == ["v", "Subject", "VIA"]
    assert found == Headers([("Via", "a"), ("s", "x"), ("via", "b,c")])
    assert hash(found) == hash(Headers([("Via", "a"), ("s", "x"), ("via", "b,c")]))
    assert found != Headers([("Via", "a"), ("via", "b,c"), ("s", "x")])


def test_more_members_than_anybody_lists_are_refused() -> None:
    found = Headers([("Via", ",".join(["a"] * 1000)), ("v", ",".join(["b"] * 25))])
    with pytest.raises(MalformedHeader, match="Via has more than 1024 members"):
        found.members("Via")


@pytest.mark.parametrize(("name", "value"), [("X Y", "a"), ("X", "a\r\nVia: b"), ("X", "a\ud800")])
def test_headers_that_could_not_be_sent_cannot_be_made(name: str, value: str) -> None:
    with pytest.raises(MalformedHeader):
        Headers([(name, value)])


def test_a_smaller_limit_on_the_size_can_be_asked_for() -> None:
    data = response("Server: x")
    assert isinstance(parse_message(data, max_bytes=len(data)), Response)
    with pytest.raises(MalformedMessage, match="longer than"):
        parse_message(data, max_bytes=len(data) - 1)
