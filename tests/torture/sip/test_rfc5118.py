"""The torture tests of RFC 5118: what an IPv6 address may look like, and what it means."""

from __future__ import annotations

from ipaddress import IPv6Address
from typing import Final

import pytest

from torture.sip.rfc5118 import IPV6, IPV6_SESSION, MIXED_SESSION
from trunkpulse.sip.errors import MalformedUri
from trunkpulse.sip.headers import NameAddr, Via
from trunkpulse.sip.message import Request, Response, parse_message
from trunkpulse.sip.server import Answer, AnswerSettings, answer_request
from trunkpulse.sip.uri import SipUri

SOURCE: Final = ("2001:db8::9:1", 6060)


def read_request(name: str) -> Request:
    message = parse_message(IPV6[name])
    assert isinstance(message, Request)
    return message


def vias(request: Request) -> list[Via]:
    return [Via.parse(text) for text in request.headers.members("Via")]


def answered(name: str) -> tuple[Response, Answer]:
    answer = answer_request(IPV6[name], *SOURCE, settings=AnswerSettings(tag_key=b"torture"))
    assert answer is not None
    message = parse_message(answer.data)
    assert isinstance(message, Response)
    return message, answer


def test_4_1_a_reference_in_brackets_is_an_address_without_them() -> None:
    request = read_request("ipv6-good")
    assert SipUri.parse(request.uri) == SipUri("sip", None, None, "2001:db8::10")
    assert (vias(request)[0].host, vias(request)[0].port) == ("2001:db8::9:1", None)
    contact = NameAddr.parse(request.headers.single("Contact"))
    assert contact.display_name == "Caller"
    assert SipUri.parse(contact.uri) == SipUri("sip", "caller", None, "2001:db8::1")


def test_4_2_an_address_without_brackets_is_refused() -> None:
    # The message around it is answered like any other: a method that we do not take.
    with pytest.raises(MalformedUri, match="IPv6 without brackets"):
        SipUri.parse(read_request("ipv6-bad").uri)


def test_4_3_what_stands_within_the_brackets_is_address_and_never_port() -> None:
    uri = SipUri.parse(read_request("port-ambiguous").uri)
    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_4_4_what_follows_the_brackets_is_the_port() -> None:
    uri = SipUri.parse(read_request("port-unambiguous").uri)
    assert (uri.host, uri.port) == ("2001:db8::10", 5070)


@pytest.mark.parametrize("name", ["via-received-param-with-delim", "via-received-param-no-delim"])
def test_4_5_received_is_the_same_address_with_brackets_and_without(name: str) -> None:
    via = vias(read_request(name))[0]
    assert via.received == "2001:db8::9:255"
    assert (via.branch or "").startswith("z9hG4bKas3")


def test_4_5_a_received_that_the_sender_wrote_is_not_copied_into_the_answer() -> None:
    message, answer = answered("via-received-param-no-delim")
    assert message.code == 200
    # The sent-by is where it really came from: nothing to add (RFC 3261 section 18.2.1).
    assert Via.parse(message.headers.single("Via")).received is None
    assert (answer.host, answer.port) == ("2001:db8::9:1", 5060)


@pytest.mark.parametrize(
    ("name", "session"), [("ipv6-in-sdp", IPV6_SESSION), ("mult-ip-in-sdp", MIXED_SESSION)]
)
def test_4_6_and_4_8_addresses_in_a_body_are_the_bodys_business(name: str, session: bytes) -> None:
    request = read_request(name)
    assert request.body == session
    assert SipUri.parse(request.uri).host == "2001:db8::10"


def test_4_7_both_families_may_meet_in_one_message() -> None:
    request = read_request("mult-ip-in-header")
    assert [(via.transport, via.host, via.port, via.received) for via in vias(request)] == [
        ("UDP", "2001:db8::9:1", 6050, None),
        ("UDP", "192.0.2.1", None, None),
        ("TCP", "2001:db8::9:255", None, "192.0.2.200"),
    ]
    message, answer = answered("mult-ip-in-header")
    assert message.headers.members("Via") == request.headers.members("Via")
    assert (answer.host, answer.port) == ("2001:db8::9:1", 6050)


def test_4_9_an_ipv4_mapped_address_is_an_ipv6_address() -> None:
    request = read_request("ipv4-mapped-ipv6")
    assert [(IPv6Address(via.host), via.port) for via in vias(request)] == [
        (IPv6Address("::ffff:192.0.2.10"), 19823),
        (IPv6Address("::ffff:192.0.2.2"), None),
    ]
    contact = NameAddr.parse(request.headers.single("Contact"))
    assert contact.display_name == "T. desk phone"
    assert IPv6Address(SipUri.parse(contact.uri).host) == IPv6Address("::ffff:192.0.2.2")


@pytest.mark.parametrize("name", ["ipv6-bug-abnf-3-colons", "ipv6-correct-abnf-2-colons"])
def test_4_10_the_third_colon_that_rfc_3261_allows_is_read_as_two(name: str) -> None:
    request = read_request(name)
    address = IPv6Address("2001:db8::192.0.2.1")
    assert IPv6Address(SipUri.parse(request.uri).host) == address
    recipient = NameAddr.parse(request.headers.single("To"))
    assert IPv6Address(SipUri.parse(recipient.uri).host) == address
    assert answered(name)[0].code == 200


@pytest.mark.parametrize("host", ["2001:db8:::1", "::::192.0.2.1", "1::2:::192.0.2.1"])
def test_4_10_a_third_colon_anywhere_else_is_refused(host: str) -> None:
    with pytest.raises(MalformedUri, match="is not an IPv6 address"):
        SipUri.parse(f"sip:[{host}]")


@pytest.mark.parametrize("name", IPV6)
def test_every_message_is_answered_at_the_address_it_came_from(name: str) -> None:
    message, answer = answered(name)
    expected = 200 if IPV6[name].startswith(b"OPTIONS") else 405
    assert (message.code, answer.host) == (expected, SOURCE[0])
