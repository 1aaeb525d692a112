from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import SipError
from trunkpulse.sip.headers import NameAddr, Via
from trunkpulse.sip.message import Headers, Request, Response, parse_message
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.server import (
    MAX_ANSWER_BYTES,
    Answer,
    AnswerSettings,
    answer_request,
    reply,
)

SETTINGS = AnswerSettings(tag_key=b"secret")
ECHOING = AnswerSettings(tag_key=b"secret", echo=True)
OPTIONS = (
    b"OPTIONS sip:us.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP pbx.example.com:5070;rport;branch=z9hG4bK%41\r\n"
    b"v: SIP/2.0/UDP behind.example.com;branch=z9hG4bK2, SIP/2.0/TCP far.example.com;branch=3\r\n"
    b"Max-Forwards: 0\r\n"
    b'f: "A, B" <sip:a@pbx.example.com>;tag=1\r\n'
    b"To: sip:us.example.com\r\n"
    b"Call-ID: c@pbx\r\n"
    b"CSeq: 7 OPTIONS\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def answered(
    data: bytes, settings: AnswerSettings = SETTINGS, source: tuple[str, int] = ("192.0.2.9", 6000)
) -> tuple[Response, Answer]:
    answer = answer_request(data, *source, settings=settings)
    assert answer is not None
    message = parse_message(answer.data)
    assert isinstance(message, Response)
    return message, answer


def test_an_options_is_answered_with_what_it_carried_and_what_we_can_do() -> None:
    message, answer = answered(OPTIONS)
    assert (message.code, message.reason, message.body) == (200, "OK", b"")
    assert (answer.host, answer.port) == ("192.0.2.9", 6000)
    assert message.headers.members("Via") == [
        "SIP/2.0/UDP pbx.example.com:5070;rport=6000;branch=z9hG4bK%41;received=192.0.2.9",
        "SIP/2.0/UDP behind.example.com;branch=z9hG4bK2",
        "SIP/2.0/TCP far.example.com;branch=3",
    ]
    expected = {
        "From": '"A, B" <sip:a@pbx.example.com>;tag=1',
        "Call-ID": "c@pbx",
        "CSeq": "7 OPTIONS",
        "Allow": "OPTIONS",
        "Accept": "application/sdp",
        "Accept-Encoding": "identity",
        "Accept-Language": "en",
        "Supported": "",
        "Server": "trunkpulse",
        "Content-Length": "0",
    }
    assert {name: message.headers.single(name) for name in expected} == expected


def test_who_is_asked_is_the_end_of_the_way_so_no_hop_has_to_be_left() -> None:
    for hops in (b"0", b"1", b"70", b"255"):
        data = OPTIONS.replace(b"Max-Forwards: 0", b"Max-Forwards: " + hops)
        assert answered(data)[0].code == 200


def test_an_echo_is_the_request_byte_by_byte_as_it_arrived() -> None:
    data = b"\r\n" + OPTIONS.replace(b"To: sip", b"tO  :\tsip").replace(b"Call-ID: c", b"i:\n \xff")
    message, _ = answered(data, ECHOING)
    assert message.code == 200
    assert message.headers.single("Content-Type") == "message/sip"
    assert message.headers.single("Content-Length") == str(len(data))
    assert message.headers.single("Allow") == "OPTIONS"
    assert message.body == data


def test_only_a_good_answer_to_an_options_echoes() -> None:
    refusing = AnswerSettings(tag_key=b"k", echo=True, code=503)
    for data, settings, code in (
        (OPTIONS, SETTINGS, 200),
        (OPTIONS, refusing, 503),
        (OPTIONS.replace(b"OPTIONS", b"REGISTER"), ECHOING, 405),
        (OPTIONS.replace(b"CSeq: 7 OPTIONS", b"CSeq: 7 INVITE"), ECHOING, 400),
        (OPTIONS.replace(b"CSeq", b"Require: foo\r\nCSeq"), ECHOING, 420),
    ):
        message, _ = answered(data, settings)
        assert (message.code, message.body) == (code, b"")
        assert "Content-Type" not in message.headers


def test_an_echo_that_no_datagram_could_carry_is_left_out_whole() -> None:
    def asked(body_bytes: int) -> bytes:
        length = b"Content-Length: %05d" % body_bytes
        return OPTIONS.replace(b"Content-Length: 0", length) + b"x" * body_bytes

    overhead = len(answered(asked(40_000), ECHOING)[1].data) - 40_000
    longest = asked(MAX_ANSWER_BYTES - overhead)
    message, answer = answered(longest, ECHOING)
    assert (len(answer.data), message.body) == (MAX_ANSWER_BYTES, longest)
    message, answer = answered(asked(MAX_ANSWER_BYTES - overhead + 1), ECHOING)
    assert (message.code, message.body) == (200, b"")
    assert message.headers.single("Content-Length") == "0"


def test_the_answer_to_a_probe_of_ours_goes_back_to_its_socket() -> None:
    options = SharedOptions(sent_by="127.0.0.1:5070")
    data = options.render(b"sip:127.0.0.1", b"z9hG4bK1", b"t", b"c", 1)
    message, answer = answered(data, source=("127.0.0.1", 5070))
    via = Via.parse(message.headers.single("Via"))
    assert (via.branch, via.rport, via.received) == ("z9hG4bK1", "5070", "127.0.0.1")
    assert (answer.host, answer.port) == ("127.0.0.1", 5070)


def test_a_retransmission_gets_the_same_tag_and_another_call_a_different_one() -> None:
    first, again = answered(OPTIONS)[1], answered(OPTIONS)[1]
    assert first == again
    tags = [
        NameAddr.parse(answered(data, settings)[0].headers.single("To")).tag
        for data, settings in (
            (OPTIONS, SETTINGS),
            (OPTIONS.replace(b"c@pbx", b"d@pbx"), SETTINGS),
            (OPTIONS, AnswerSettings(tag_key=b"other")),
        )
    ]
    assert None not in tags
    assert len(set(tags)) == 3


def test_a_tag_that_the_request_brought_is_kept() -> None:
    message, _ = answered(OPTIONS.replace(b"To: sip:us.example.com", b"To: <sip:us>;tag=mine"))
    assert message.headers.single("To") == "<sip:us>;tag=mine"


@pytest.mark.parametrize(
    ("sent_by", "port", "received"),
    [
        (b"pbx.example.com:5070", 5070, "192.0.2.9"),
        (b"pbx.example.com", 5060, "192.0.2.9"),
        (b"192.0.2.9:5099", 5099, None),
        (b"192.0.2.10:5099", 5099, "192.0.2.9"),
        (b"192.0.2.9;maddr=198.51.100.1;received=198.51.100.2", 5060, None),
    ],
)
def test_without_rport_the_answer_goes_to_the_source_at_the_port_of_the_sent_by(
    sent_by: bytes, port: int, received: str | None
) -> None:
    data = OPTIONS.replace(b"pbx.example.com:5070;rport", sent_by)
    message, answer = answered(data)
    assert (answer.host, answer.port) == ("192.0.2.9", port)
    assert Via.parse(message.headers.members("Via")[0]).received == received


def test_an_ipv6_source_is_told_without_its_scope() -> None:
    message, answer = answered(OPTIONS, source=("fe80::1%eth0", 5060))
    assert answer.host == "fe80::1%eth0"
    assert Via.parse(message.headers.members("Via")[0]).received == "fe80::1"


def test_a_draining_node_says_when_to_come_back() -> None:
    settings = AnswerSettings(tag_key=b"k", code=503, retry_after_seconds=30)
    message, _ = answered(OPTIONS, settings)
    assert (message.code, message.reason) == (503, "Service Unavailable")
    assert message.headers.single("Retry-After") == "30"


def test_a_code_that_allows_no_retry_after_gets_none() -> None:
    settings = AnswerSettings(tag_key=b"k", code=200, retry_after_seconds=30, reason="Fine")
    message, _ = answered(OPTIONS, settings)
    assert message.reason == "Fine"
    assert "Retry-After" not in message.headers


def test_another_method_is_not_allowed_and_told_which_are() -> None:
    message, _ = answered(OPTIONS.replace(b"OPTIONS", b"REGISTER"))
    assert (message.code, message.headers.single("Allow")) == (405, "OPTIONS")


def test_a_cancel_finds_nothing_to_cancel() -> None:
    assert answered(OPTIONS.replace(b"OPTIONS", b"CANCEL"))[0].code == 481


def test_extensions_that_are_required_but_unknown_are_named() -> None:
    settings = AnswerSettings(tag_key=b"k", supported=("Timer", "path"))
    asking = OPTIONS.replace(b"CSeq", b"Require: timer, foo\r\nRequire: bar\r\nCSeq")
    message, _ = answered(asking, settings)
    assert (message.code, message.headers.single("Unsupported")) == (420, "foo, bar")
    known, _ = answered(OPTIONS.replace(b"CSeq", b"Require: timer, path\r\nCSeq"), settings)
    assert (known.code, known.headers.single("Supported")) == (200, "Timer, path")


@pytest.mark.parametrize(
    ("what", "with_what"),
    [
        (b"OPTIONS", b"ACK"),
        (b"OPTIONS sip:us.example.com SIP/2.0", b"SIP/2.0 200 OK"),
        (b"Call-ID: c@pbx\r\n", b""),
        (b"To: sip:us.example.com\r\n", b""),
        (b"To: sip:us.example.com", b"To: sip:us.example.com;tag"),
        (b"f: ", b"X: "),
        (b"CSeq: 7 OPTIONS\r\n", b""),
        (b"pbx.example.com:5070", b"pbx.example.com:99999"),
        (b"Content-Length: 0\r\n\r\n", b""),
    ],
)
def test_what_must_not_or_cannot_be_answered_is_not(what: bytes, with_what: bytes) -> None:
    assert what in OPTIONS
    assert answer_request(OPTIONS.replace(what, with_what), "::1", 5, settings=SETTINGS) is None


def test_a_message_without_any_via_is_not_answered() -> None:
    lines = [line for line in OPTIONS.split(b"\r\n") if line[:2].lower() not in {b"vi", b"v:"}]
    assert answer_request(b"\r\n".join(lines), "::1", 5, settings=SETTINGS) is None


@pytest.mark.parametrize(
    ("what", "with_what", "reason"),
    [
        (b"Content-Length: 0", b"Content-Length: 5", "only 0 bytes of body came"),
        (b"CSeq: 7 OPTIONS", b"CSeq: 36893488147419103232 OPTIONS", "CSeq"),
        (b"CSeq: 7 OPTIONS", b"CSeq: 7 INVITE", "belongs to another method than OPTIONS"),
        (b"<sip:a@pbx.example.com>", b"<sip:a@pbx.example.com", "address"),
        (b"CSeq", b'Require: "x\r\nCSeq', "never closed"),
    ],
)
def test_a_malformed_request_is_told_why_if_it_can_be_told_at_all(
    what: bytes, with_what: bytes, reason: str
) -> None:
    assert what in OPTIONS
    message, _ = answered(OPTIONS.replace(what, with_what))
    assert message.code == 400
    assert reason in message.reason


def test_a_malformed_ack_is_not_answered() -> None:
    data = OPTIONS.replace(b"OPTIONS", b"ACK").replace(b"Content-Length: 0", b"Content-Length: 9")
    assert answer_request(data, "::1", 5, settings=SETTINGS) is None


@given(st.data())
def test_an_altered_request_is_answered_legally_or_not_at_all(data: st.DataObject) -> None:
    wire = bytearray(OPTIONS)
    for _ in range(data.draw(st.integers(1, 3))):
        position = data.draw(st.integers(0, len(wire)))
        wire[position : position + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    settings = data.draw(st.sampled_from([SETTINGS, ECHOING]))
    answer = answer_request(bytes(wire), "192.0.2.9", 6000, settings=settings)
    if answer is not None:
        message = parse_message(answer.data)
        assert isinstance(message, Response)
        assert message.body in {b"", bytes(wire)}
        assert answer.host == "192.0.2.9"


def test_a_reply_carries_the_headers_it_is_given() -> None:
    request = parse_message(OPTIONS.replace(b"OPTIONS", b"INVITE"))
    assert isinstance(request, Request)
    contact = [("Contact", "<sip:a@192.0.2.1>")]
    answer = reply(request, ("192.0.2.9", 6000), 302, None, contact, settings=SETTINGS)
    message = parse_message(answer.data)
    assert isinstance(message, Response)
    assert (message.code, message.reason) == (302, "Moved Temporarily")
    assert message.headers.single("Contact") == "<sip:a@192.0.2.1>"


@pytest.mark.parametrize(
    ("code", "phrase"), [(299, "OK"), (699, "Failure"), (599, "Server Failure")]
)
def test_a_code_without_a_name_gets_the_phrase_of_its_class(code: int, phrase: str) -> None:
    assert answered(OPTIONS, AnswerSettings(tag_key=b"k", code=code))[0].reason == phrase


@pytest.mark.parametrize(
    "make",
    [
        lambda: AnswerSettings(tag_key=b"k", code=100),
        lambda: AnswerSettings(tag_key=b"x" * 65),
        lambda: AnswerSettings(tag_key=b"k", server="a\r\nVia: b"),
        lambda: AnswerSettings(tag_key=b"k", allow=("A\nB",)),
        lambda: AnswerSettings(tag_key=b"k", reason="a\nb"),
    ],
)
def test_illegal_settings_are_refused(make: Callable[[], AnswerSettings]) -> None:
    with pytest.raises(SipError):
        make()


def test_more_vias_than_a_message_may_hold_are_not_answered() -> None:
    joined = b", ".join([b"SIP/2.0/UDP h;branch=1"] * 300)
    data = OPTIONS.replace(b"Max-Forwards: 0", b"Via: " + joined)
    assert len(Headers([("Via", joined.decode())]).members("Via")) == 300
    assert answer_request(data, "192.0.2.9", 6000, settings=SETTINGS) is None
