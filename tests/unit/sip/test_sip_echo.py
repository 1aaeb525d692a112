"""Header by header: the request as it was sent against the request as it arrived."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.echo import (
    BODY,
    HEADER_ORDER,
    START_LINE,
    HeaderDifference,
    compare_echo,
    on_the_way,
)
from trunkpulse.sip.middlebox import sip_alg

SENT = (
    b"OPTIONS sip:sbc.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.5:40000;rport;branch=z9hG4bKabc\r\n"
    b"Max-Forwards: 70\r\n"
    b"Route: <sip:edge.example.com;lr>\r\n"
    b"Route: <sip:inner.example.com;lr>\r\n"
    b"From: <sip:ping@10.0.0.5>;tag=f00d\r\n"
    b"To: <sip:sbc.example.com>\r\n"
    b"Call-ID: 1234abcd\r\n"
    b"CSeq: 7 OPTIONS\r\n"
    b"Contact: <sip:10.0.0.5:40000>\r\n"
    b"Content-Length: 0\r\n\r\n"
)


def exchange(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return change


def test_a_request_that_arrived_as_it_was_sent_differs_in_nothing() -> None:
    assert compare_echo(SENT, SENT) == []


@pytest.mark.parametrize(
    "change",
    [
        exchange(b"Call-ID: ", b"i:"),
        exchange(b"Contact:", b"CONTACT :"),
        exchange(b"CSeq: 7 OPTIONS", b"CSeq: 7\r\n OPTIONS"),
        exchange(b"OPTIONS", b"\r\n\r\nOPTIONS"),
    ],
)
def test_another_layout_is_no_difference(change: Callable[[bytes], bytes]) -> None:
    assert compare_echo(SENT, change(SENT)) == []


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            exchange(b"sip:10.0.0.5:40000", b"sip:198.51.100.7:6000"),
            HeaderDifference("Contact", "<sip:10.0.0.5:40000>", "<sip:198.51.100.7:6000>"),
        ),
        (
            exchange(b"UDP 10.0.0.5:40000", b"UDP 198.51.100.7:6000"),
            HeaderDifference(
                "Via",
                "SIP/2.0/UDP 10.0.0.5:40000;rport;branch=z9hG4bKabc",
                "SIP/2.0/UDP 198.51.100.7:6000;rport;branch=z9hG4bKabc",
            ),
        ),
        (
            exchange(b"Contact: <sip:10.0.0.5:40000>\r\n", b""),
            HeaderDifference("Contact", "<sip:10.0.0.5:40000>", None),
        ),
        (
            exchange(b"CSeq", b"X-Alg: 1\r\nCSeq"),
            HeaderDifference("X-Alg", None, "1"),
        ),
        (
            exchange(b"Max-Forwards: 70", b"Max-Forwards: 71"),
            HeaderDifference("Max-Forwards", "70", "71"),
        ),
        (
            exchange(b"OPTIONS sip", b"INVITE sip"),
            HeaderDifference(
                START_LINE,
                "OPTIONS sip:sbc.example.com SIP/2.0",
                "INVITE sip:sbc.example.com SIP/2.0",
            ),
        ),
        (exchange(b"\r\n\r\n", b"\r\n\r\nv=0"), HeaderDifference(BODY, None, "'v=0'")),
    ],
)
def test_what_no_proxy_does_is_named(
    change: Callable[[bytes], bytes], difference: HeaderDifference
) -> None:
    assert compare_echo(SENT, change(SENT)) == [difference]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            exchange(b"Via:", b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKp\r\nVia:"),
            HeaderDifference("Via", None, "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKp", ordinary=True),
        ),
        (
            exchange(b"From:", b"Record-Route: <sip:192.0.2.1;lr>\r\nFrom:"),
            HeaderDifference("Record-Route", None, "<sip:192.0.2.1;lr>", ordinary=True),
        ),
        (
            exchange(b"Route: <sip:edge.example.com;lr>\r\n", b""),
            HeaderDifference("Route", "<sip:edge.example.com;lr>", None, ordinary=True),
        ),
        (
            exchange(b"Max-Forwards: 70", b"Max-Forwards: 69"),
            HeaderDifference("Max-Forwards", "70", "69", ordinary=True),
        ),
        (
            exchange(b"OPTIONS sip:sbc.example.com ", b"OPTIONS sip:10.9.9.9:5080 "),
            HeaderDifference(
                START_LINE,
                "OPTIONS sip:sbc.example.com SIP/2.0",
                "OPTIONS sip:10.9.9.9:5080 SIP/2.0",
                ordinary=True,
            ),
        ),
    ],
)
def test_what_any_proxy_does_is_ordinary_and_no_evidence(
    change: Callable[[bytes], bytes], difference: HeaderDifference
) -> None:
    differences = compare_echo(SENT, change(SENT))
    assert differences == [difference]
    assert on_the_way(differences) == []


def test_headers_in_another_order_are_told_without_blaming_anybody() -> None:
    lines = SENT.split(b"\r\n")
    lines[5], lines[6] = lines[6], lines[5]
    (difference,) = compare_echo(SENT, b"\r\n".join(lines))
    assert difference.name == HEADER_ORDER
    assert difference.sent is not None
    assert "From, To" in difference.sent
    assert "To, From" in (difference.arrived or "")
    assert on_the_way([difference]) == []


def test_a_changed_header_is_evidence_of_an_alg_on_the_way_there() -> None:
    changed = SENT.replace(b"Contact: <sip:10.0.0.5:40000>", b"Contact: <sip:198.51.100.7>")
    verdict = sip_alg(on_the_way(compare_echo(SENT, changed)))
    assert verdict is not None
    assert (
        "Contact arrived at the far side as '<sip:198.51.100.7>', not as '<sip:10.0.0.5:40000>'"
        in verdict.sentence
    )


@given(st.binary(max_size=200))
def test_no_echo_makes_it_raise(echoed: bytes) -> None:
    on_the_way(compare_echo(SENT, echoed))
    assert compare_echo(echoed, echoed) == []
