from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import RefusedHeader, SipError
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Request, parse_message
from trunkpulse.sip.request import SharedOptions, check_extra_header, request_uri_bytes
from trunkpulse.sip.uri import SipUri

TARGET = b"sip:127.0.0.1:5061;lr"
tokens = st.from_regex(rb"[A-Za-z0-9\-.!%*_+`'~]{1,20}", fullmatch=True)


def request(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


@given(tokens, tokens, tokens, st.integers(0, 2**31 - 1))
def test_rendered_options_read_back_as_what_was_asked(
    branch: bytes, tag: bytes, call_id: bytes, cseq: int
) -> None:
    options = SharedOptions(
        sent_by="192.0.2.7:5070",
        from_uri="sip:ping@pbx.example.com",
        contact_uri="sip:pbx.example.com:5080",
        headers=[("X-Account", "42"), ("X-Name", "Zoë")],
        user_agent="pulse/1",
    )
    message = request(options.render(TARGET, branch, tag, call_id, cseq))
    assert (message.method, message.uri, message.body) == ("OPTIONS", TARGET.decode(), b"")
    assert Via.parse(message.headers.single("Via")) == Via(
        "UDP", "192.0.2.7", 5070, (("rport", None), ("branch", branch.decode()))
    )
    assert NameAddr.parse(message.headers.single("From")) == NameAddr(
        "sip:ping@pbx.example.com", None, (("tag", tag.decode()),)
    )
    assert NameAddr.parse(message.headers.single("To")) == NameAddr(TARGET.decode())
    assert CSeq.parse(message.headers.single("CSeq")) == CSeq(cseq, "OPTIONS")
    rest = {
        "Call-ID": call_id.decode(),
        "Max-Forwards": "70",
        "Contact": "<sip:pbx.example.com:5080>",
        "Accept": "application/sdp",
        "User-Agent": "pulse/1",
        "X-Account": "42",
        "X-Name": "Zoë",
        "Content-Length": "0",
    }
    assert {name: message.headers.single(name) for name in rest} == rest
    assert len(message.headers) == len(rest) + 4


def rendered(*, transport: str = "UDP") -> Request:
    options = SharedOptions(sent_by="[::1]:5070", transport=transport)
    return request(options.render(TARGET, b"z9hG4bK1", b"t", b"c", 1))


def test_the_default_sender_differs_from_the_target_and_the_contact_is_the_socket() -> None:
    message = rendered()
    sender = NameAddr.parse(message.headers.single("From")).uri
    assert sender == "sip:ping@[::1]"
    assert sender != NameAddr.parse(message.headers.single("To")).uri
    assert message.headers.single("Contact") == "<sip:[::1]:5070>"


def test_a_reliable_transport_is_named_in_via_and_contact() -> None:
    message = rendered(transport="tls")
    assert Via.parse(message.headers.single("Via")).transport == "TLS"
    assert message.headers.single("Contact") == "<sip:[::1]:5070;transport=tls>"


def test_a_request_line_holds_neither_uri_headers_nor_a_method() -> None:
    uri = SipUri.parse("sip:a@h;method=INVITE;lr?subject=x")
    assert request_uri_bytes(uri) == b"sip:a@h;lr"


def test_a_configured_accept_or_user_agent_replaces_the_default() -> None:
    shared = SharedOptions(
        sent_by="h:1", headers=[("accept", "text/plain"), ("USER-AGENT", "other")]
    )
    message = request(shared.render(b"sip:a", b"b", b"t", b"c", 1))
    assert message.headers.single("Accept") == "text/plain"
    assert message.headers.single("User-Agent") == "other"


def test_targets_of_one_trunk_differ_in_nothing_but_their_uri() -> None:
    shared = SharedOptions(sent_by="127.0.0.1:5070", headers=[("X-Account", "42")])
    one, other = (shared.render(uri, b"z", b"t", b"c", 1) for uri in (b"sip:a", b"sip:b"))
    assert one.replace(b"sip:a", b"sip:b") == other != one


@pytest.mark.parametrize(
    "name",
    [
        "Via",
        "v",
        "CSeq",
        "Call-ID",
        "i",
        "from",
        "TO",
        "Max-Forwards",
        "l",
        "m",
        "Contact",
        "Route",
    ],
)
def test_a_header_that_the_probe_decides_is_refused(name: str) -> None:
    with pytest.raises(RefusedHeader, match="the probe itself decides it"):
        check_extra_header(name, "x")
    with pytest.raises(RefusedHeader):
        SharedOptions(sent_by="h:1", headers=[(name, "x")])


@pytest.mark.parametrize("value", ["a\r\nVia: x", "a\nb", "a\rb", "\x00", "\x7f", "\ud800"])
def test_a_header_value_that_could_break_the_message_is_refused(value: str) -> None:
    with pytest.raises(RefusedHeader, match="control characters"):
        check_extra_header("X-Account", value)
    with pytest.raises(RefusedHeader, match="control characters"):
        SharedOptions(sent_by="h:1", user_agent=value)


def test_a_header_name_that_is_no_token_or_a_huge_value_is_refused() -> None:
    with pytest.raises(RefusedHeader, match="not a token"):
        check_extra_header("X Account", "x")
    with pytest.raises(RefusedHeader, match="1025 characters"):
        check_extra_header("X-Account", "x" * 1025)


def test_an_ordinary_header_is_accepted() -> None:
    check_extra_header("X-Account", "42\tä")


@pytest.mark.parametrize(
    "settings",
    [
        {"sent_by": "h:70000"},
        {"sent_by": "h\r\n:1"},
        {"sent_by": "h:1", "from_uri": "tel:+1"},
        {"sent_by": "h:1", "contact_uri": "sip:a b"},
        {"sent_by": "h:1", "transport": "U/DP"},
    ],
)
def test_settings_that_would_render_no_message_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SipError):
        SharedOptions(
            sent_by=settings["sent_by"],
            from_uri=settings.get("from_uri"),
            contact_uri=settings.get("contact_uri"),
            transport=settings.get("transport", "UDP"),
        )
