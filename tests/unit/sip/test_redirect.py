"""What a redirect says: Contacts in order, and why there are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedUri
from trunkpulse.sip.headers import NameAddr, split_values
from trunkpulse.sip.redirect import (
    MOST_CONTACTS,
    Called,
    Destination,
    contact_header,
    refusal,
)
from trunkpulse.sip.uri import SipUri

CALLED = Called("+15551230001", is_telephone=False)


def destination(uri: str, proxy: str | None = None) -> str:
    return Destination.of(SipUri.parse(uri), proxy).for_call(CALLED)


@pytest.mark.parametrize(
    ("target", "contact"),
    [
        ("sip:192.0.2.1:5060", "sip:+15551230001@192.0.2.1:5060"),
        ("sip:192.0.2.1", "sip:+15551230001@192.0.2.1"),
        ("sip:ping@sbc.example.com", "sip:+15551230001@sbc.example.com"),
        ("sips:sbc.example.com", "sips:+15551230001@sbc.example.com"),
        ("sip:[2001:db8::1]:5070;user=x", "sip:+15551230001@[2001:db8::1]:5070;user=x"),
        ("sip:192.0.2.1;transport=tcp", "sip:+15551230001@192.0.2.1;transport=tcp"),
    ],
)  # fmt: skip
def test_a_contact_has_the_called_user_at_the_place_of_the_target(
    target: str, contact: str
) -> None:
    assert destination(target) == contact
    assert str(SipUri.parse(contact)) == contact


def test_an_outbound_proxy_is_a_route_header_of_the_uri() -> None:
    contact = destination("sip:192.0.2.1:5060", "sip:edge.example.com;lr")
    assert contact == "sip:+15551230001@192.0.2.1:5060?Route=%3Csip:edge.example.com%3Blr%3E"
    [(name, value)] = SipUri.parse(contact).headers
    assert (name, value) == ("Route", "%3Csip:edge.example.com%3Blr%3E")


@pytest.mark.parametrize(
    ("uri", "user", "is_telephone"),
    [
        ("sip:+15551230001@pbx.example.com", "+15551230001", False),
        ("sip:555-1230;phone-context=+1@a;user=phone", "555-1230;phone-context=+1", True),
        ("SIP:%2B15551230001:secret@pbx", "%2B15551230001", False),
        ("tel:+1-555-123-0001", "+15551230001", True),
        ("tel:112;phone-context=example.com", "112", False),
    ],
)  # fmt: skip
def test_the_called_user_is_what_the_request_uri_had(
    uri: str, user: str, *, is_telephone: bool
) -> None:
    e164 = "112" if "112" in uri else "+15551230001"
    assert Called.read(uri, e164) == (user, is_telephone)


@pytest.mark.parametrize(
    "uri", ['sip:+1555;x=">,<sip:evil@pbx', "sip:+1555 1@pbx", "sip:a@b@c", "sip:pbx", "http://x"]
)
def test_a_user_part_that_could_end_the_contact_is_refused(uri: str) -> None:
    with pytest.raises(MalformedUri):
        Called.read(uri, "+15551230001")


@given(count=st.integers(1, MOST_CONTACTS))
def test_q_values_fall_from_one_and_none_is_zero(count: int) -> None:
    uris = [f"sip:+15551230001@192.0.2.{place}" for place in range(count)]
    line = contact_header(uris).decode().removeprefix("Contact: ").removesuffix("\r\n")
    contacts = [NameAddr.parse(each) for each in split_values(line)]
    shares = [dict(contact.parameters)["q"] or "" for contact in contacts]
    assert [contact.uri for contact in contacts] == uris
    assert all(len(share) == (3 if count <= 10 else 5) for share in shares)
    assert float(shares[0]) == 1.0
    assert [float(share) for share in shares] == sorted({float(share) for share in shares})[::-1]
    assert float(shares[-1]) > 0


@pytest.mark.parametrize("count", [0, MOST_CONTACTS + 1])
def test_no_redirect_names_nothing_or_too_much(count: int) -> None:
    with pytest.raises(ValueError, match="1 to 16"):
        contact_header(["sip:a@192.0.2.1"] * count)


def test_a_refusal_says_why_and_when_to_ask_again() -> None:
    assert refusal('No "way" out', 15) == (
        b'Warning: 399 trunkpulse "No \\"way\\" out"\r\nRetry-After: 15\r\n'
    )
    assert refusal("Broken \udcff") == b'Warning: 399 trunkpulse "Broken ?"\r\n'
