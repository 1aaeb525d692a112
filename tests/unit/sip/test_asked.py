"""What is read of an INVITE: quickly or thoroughly, it is the same."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.asked import Asked, peek_invite, peek_key, read_asked, write_answer
from trunkpulse.sip.errors import MalformedMessage
from trunkpulse.sip.message import Response, parse_message
from trunkpulse.sip.server import AnswerSettings, answer_request
from unit.sip.calls import SOURCE, ack, invite

KEY = b"secret"


def read(data: bytes, source: tuple[str, int] = SOURCE) -> Asked:
    return read_asked(data, source)


ORDINARY = [
    invite(),
    invite("tel:+15551230001"),
    invite(via="192.0.2.7"),
    invite(via="sbc.example.com:5080;rport"),
    invite(via="192.0.2.8:5060"),
    invite(via="192.0.2.7:5060;rport=9;alias"),
    invite(more="X-Trunkpulse-Direction: inbound\r\nX-Trunkpulse-Region: us-east\r\n"),
    invite(more="x-trunkpulse-region :\t eu \r\nSUBJECT: call\r\n"),
    invite(body=b""),
    invite().replace(b"Via: SIP/2.0/UDP 192", b"v: SIP/2.0/UDP 192").replace(b"To:", b"t :"),
    invite().replace(b"CSeq:", b"CSEQ:").replace(b"Content-Length", b"l"),
]


@pytest.mark.parametrize("data", ORDINARY)
@pytest.mark.parametrize("source", [SOURCE, ("192.0.2.8", 40_000)])
def test_the_ordinary_layout_is_taken_apart_without_the_parser(
    data: bytes, source: tuple[str, int]
) -> None:
    assert peek_invite(data, source) == read_asked(data, source)


UNUSUAL = [
    invite(to_tag=";tag=within"),
    invite(branch="rfc2543"),
    invite(via="192.0.2.7:5060;rport=9;received=192.0.2.1"),
    invite(via="[2001:db8::1]:5060;rport"),
    invite(more="Subject: folded\r\n on two lines\r\n"),
    invite(body=b"").replace(b"\r\n", b"\n"),
    invite().replace(b";branch=", b" ; branch = ", 1),
    invite().replace(b'"Alice"', b'"Al\\"ice"'),
    invite().replace(b"Via: SIP/2.0/UDP 192.0.2.99:5062;branch=z9hG4bKbehind\r\n", b"").replace(
        b"branch=z9hG4bKcall1", b"branch=z9hG4bKcall1, SIP/2.0/UDP 192.0.2.99;branch=z9hG4bKb"
    ),
    invite() + b"more than its length",
]  # fmt: skip


@pytest.mark.parametrize("data", UNUSUAL)
def test_any_other_layout_is_left_to_the_parser_and_read_there(data: bytes) -> None:
    assert peek_invite(data, SOURCE) is None
    assert read(data).call_id.endswith(b"@192.0.2.7")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data.replace(b"Call-ID", b"Call-IDs"),
        lambda data: data.replace(b"1 INVITE", b"1 OPTIONS"),
        lambda data: data.replace(b"From:", b"From: <sip:b@192.0.2.9>;tag=2\r\nFrom:"),
        lambda data: data[:-5],
        lambda data: data.replace(b"SIP/2.0/UDP 192.0.2.7", b"SIP/2.0/UDP 192.0.2.7.7"),
    ],
)
def test_what_cannot_be_answered_is_found_out_by_neither(damage: object) -> None:
    assert callable(damage)
    data = damage(invite())
    assert peek_invite(data, SOURCE) is None
    with pytest.raises(MalformedMessage):
        read(data)


@pytest.mark.parametrize(
    "more", ["X-Trunkpulse-Region: " + "r" * 8193 + "\r\n", "Subject: one of many\r\n" * 250]
)
def test_what_is_too_much_for_the_parser_is_not_read_without_it(more: str) -> None:
    data = invite(more=more)
    assert peek_invite(data, SOURCE) is None
    with pytest.raises(MalformedMessage):
        read(data)


def test_a_long_branch_makes_no_long_key() -> None:
    branch = "z9hG4bK" + "b" * 2000
    key = read(invite(branch=branch)).key
    assert len(key) <= 256
    assert peek_key(ack(branch)) == read(ack(branch)).key == key
    assert peek_key(ack(branch + "b")) != key
    old = "old" + "b" * 2000
    assert read(invite(branch=old)).key == read(ack(old)).key
    assert len(read(ack(old)).key) <= 256


def test_ack_and_cancel_have_the_key_of_their_invite_and_others_have_not() -> None:
    key = read(invite()).key
    assert peek_key(ack()) == read(ack()).key == key
    assert read(invite(method="CANCEL", body=b"")).key == key
    others = [
        ack("z9hG4bKother"),
        ack(via="192.0.2.7:5061;rport"),
        ack(via="192.0.2.7;rport"),
        ack(via="sbc.example.com:5060;rport"),
    ]
    assert len({key, *(read(each).key for each in others)}) == 5
    assert [peek_key(each) for each in others] == [read(each).key for each in others]


def test_without_the_cookie_a_transaction_is_named_as_rfc_2543_had_it() -> None:
    first = read(invite(branch="1")).key
    assert read(ack("1")).key == first
    other_caller = invite(branch="1").replace(b";tag=a1", b";tag=a2")
    assert read(other_caller).key != first
    assert peek_key(ack("1")) is None


def test_the_answer_copies_what_the_general_one_copies() -> None:
    settings = AnswerSettings(tag_key=KEY, server="trunkpulse", allow=("OPTIONS",))
    for data in ORDINARY:
        general = answer_request(data, *SOURCE, settings=settings)
        assert general is not None
        ours = write_answer(
            read(data), b"405 Method Not Allowed", b"Allow: OPTIONS\r\nServer: trunkpulse\r\n", KEY
        )
        assert ours == general.data
        assert read(data).port == general.port


def test_the_to_tag_is_the_same_for_the_cancel_and_stays_if_there_is_one() -> None:
    tags = []
    for data in (invite(), invite(method="CANCEL", body=b"")):
        answer = parse_message(write_answer(read(data), b"200 OK", b"", KEY))
        assert isinstance(answer, Response)
        tags.append((answer.headers.first("To") or "").partition(";tag=")[2])
    assert tags[0] == tags[1] != ""
    kept = write_answer(read(invite(to_tag=";tag=within")), b"481 No", b"", KEY)
    assert b"To: <sip:+15551230001@198.51.100.1>;tag=within\r\n" in kept


PIECES = [
    b"", b"\r\n", b"\r", b"\n", b" ", b"\t", b";", b",", b'"', b"<", b">", b":", b"=", b"\xff",
    b"\0", b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n", b"rport", b"tag=", b"%00",
]  # fmt: skip


@given(
    seed=st.integers(0, 2**32), data=st.sampled_from([*ORDINARY, *UNUSUAL]), cuts=st.integers(1, 4)
)
def test_where_both_read_a_damaged_invite_they_read_the_same(
    seed: int, data: bytes, cuts: int
) -> None:
    rng = random.Random(seed)
    for _ in range(cuts):
        at = rng.randrange(len(data))
        data = data[:at] + rng.choice(PIECES) + data[at + rng.randrange(3) :]
    quick = peek_invite(data, SOURCE)
    try:
        thorough = read(data)
    except MalformedMessage:
        return
    assert quick in {None, thorough}
