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


def test_extra_lines_and_the_configured_to_max_forwards_and_routes_are_sent() -> None:
    options = SharedOptions(
        sent_by="192.0.2.7:5070",
        to_uri="sip:anybody@carrier.example.com",
        max_forwards=0,
        routes=["sip:edge.example.com;lr", "sip:core.example.com:5070;lr;transport=tcp?a=b"],
    )
    extra = b"Authorization: Digest a\r\nProxy-Authorization: Digest b\r\n"
    message = request(options.render(TARGET, b"z9hG4bK1", b"t", b"c", 7, extra))
    assert message.uri == TARGET.decode()
    assert NameAddr.parse(message.headers.single("To")).uri == "sip:anybody@carrier.example.com"
    assert message.headers.single("Max-Forwards") == "0"
    assert message.headers.every("Route") == [
        "<sip:edge.example.com;lr>",
        "<sip:core.example.com:5070;lr;transport=tcp>",
    ]
    assert message.headers.single("Authorization") == "Digest a"
    assert message.headers.single("Proxy-Authorization") == "Digest b"
    assert message.headers.single("CSeq") == "7 OPTIONS"
    assert message.headers.single("Content-Length") == "0"


def test_a_route_without_lr_is_refused_with_the_one_to_write() -> None:
    with pytest.raises(SipError, match=r"write 'sip:edge\.example\.com;transport=tcp;lr'"):
        SharedOptions(sent_by="h:1", routes=["sip:edge.example.com;transport=tcp"])


@pytest.mark.parametrize("hops", [-1, 256])
def test_max_forwards_out_of_range_is_refused(hops: int) -> None:
    with pytest.raises(SipError, match="max_forwards"):
        SharedOptions(sent_by="h:1", max_forwards=hops)


@pytest.mark.parametrize(
    ("advertised", "shown"),
    [
        ("198.51.100.7", "198.51.100.7:5070"),
        ("sbc.example.com:6000", "sbc.example.com:6000"),
        ("[2001:db8::7]", "[2001:db8::7]:5070"),
    ],
)
def test_what_is_advertised_stands_in_via_contact_and_the_default_from(
    advertised: str, shown: str
) -> None:
    shared = SharedOptions(sent_by="10.0.0.2:5070", advertised=advertised)
    data = shared.render(b"sip:a", b"b", b"t", b"c", 1)
    message = request(data)
    assert message.headers.single("Via") == f"SIP/2.0/UDP {shown};rport;branch=b"
    assert message.headers.single("Contact") == f"<sip:{shown}>"
    assert b"10.0.0.2" not in data


def test_a_configured_contact_wins_over_what_is_advertised() -> None:
    shared = SharedOptions(
        sent_by="10.0.0.2:5070",
        advertised="198.51.100.7",
        contact_uri="sip:pbx.example.com",
        transport="TLS",
    )
    message = request(shared.render(b"sip:a", b"b", b"t", b"c", 1))
    assert message.headers.single("Contact") == "<sip:pbx.example.com>"
    assert "198.51.100.7:5070" in message.headers.single("Via")


def test_the_length_of_a_request_is_told_before_it_is_rendered() -> None:
    shared = SharedOptions(sent_by="192.0.2.7:5070", headers=[("X-Long", "x" * 1000)])
    extra = b"Authorization: Digest a\r\n"
    branch, token = b"z9hG4bK" + b"0" * 32, b"0" * 24
    rendered = shared.render(TARGET, branch, token, token, 2**31 - 1, extra)
    assert len(rendered) <= shared.rendered_bytes(TARGET, extra) <= len(rendered) + 50
    assert shared.rendered_bytes(TARGET + b"x") == shared.rendered_bytes(TARGET) + 2


@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("Via", "the probe itself decides it; leave it out"),
        ("v", "the probe itself decides it; leave it out"),
        ("CSeq", "the probe itself decides it; leave it out"),
        ("Call-ID", "the probe itself decides it; leave it out"),
        ("i", "the probe itself decides it; leave it out"),
        ("from", "the probe itself decides it; set from_uri instead"),
        ("TO", "the probe itself decides it; set to_uri instead"),
        ("Max-Forwards", "the probe itself decides it; set max_forwards instead"),
        ("m", "the probe itself decides it; set contact_uri instead"),
        ("Contact", "the probe itself decides it; set contact_uri instead"),
        ("Route", "the probe itself decides it; set outbound_proxy instead"),
        ("Record-Route", "leave it out"),
        ("Require", "would have the far side refuse the probe; leave it out"),
        ("Proxy-Require", "would have proxies refuse the probe; leave it out"),
        ("authorization", "answers challenges; set username and password instead"),
        ("Proxy-Authorization", "answers challenges; set username and password instead"),
        ("l", "has no body; leave it out"),
        ("Content-Type", "has no body; leave it out"),
        ("c", "has no body; leave it out"),
        ("e", "has no body; leave it out"),
        ("Content-Disposition", "has no body; leave it out"),
    ],
)
def test_a_header_that_the_probe_decides_is_refused_with_what_to_do(name: str, advice: str) -> None:
    with pytest.raises(RefusedHeader, match=f"header {name} cannot be added because .*{advice}"):
        check_extra_header(name, "x")
    with pytest.raises(RefusedHeader, match=advice):
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


@pytest.mark.parametrize("name", ["X-Account", "Timestamp", "User-Agent", "Accept", "P-Access"])
def test_an_ordinary_header_is_accepted(name: str) -> None:
    check_extra_header(name, "42\tä")


@pytest.mark.parametrize(
    "settings",
    [
        {"sent_by": "h:70000"},
        {"sent_by": "h\r\n:1"},
        {"sent_by": "h:1", "from_uri": "tel:+1"},
        {"sent_by": "h:1", "contact_uri": "sip:a b"},
        {"sent_by": "h:1", "transport": "U/DP"},
        {"sent_by": "h:1", "advertised": "2001:db8::7"},
        {"sent_by": "h:1", "to_uri": "tel:+1"},
        {"sent_by": "h:1", "route": "edge.example.com;lr"},
    ],
)
def test_settings_that_would_render_no_message_are_refused(settings: dict[str, str]) -> None:
    with pytest.raises(SipError):
        SharedOptions(
            sent_by=settings["sent_by"],
            from_uri=settings.get("from_uri"),
            contact_uri=settings.get("contact_uri"),
            transport=settings.get("transport", "UDP"),
            advertised=settings.get("advertised"),
            to_uri=settings.get("to_uri"),
            routes=[settings["route"]] if "route" in settings else [],
        )


@pytest.mark.parametrize("to_uri", [None, "sip:50%25@b.example"])
@given(uri=st.sampled_from([b"sip:a", b"sip:100%25@b"]), mark=st.binary(max_size=8))
def test_a_form_that_is_filled_in_is_what_would_have_been_rendered(
    to_uri: str | None, uri: bytes, mark: bytes
) -> None:
    shared = SharedOptions(
        sent_by="127.0.0.1:5070",
        from_uri="sip:100%25@a",
        to_uri=to_uri,
        routes=["sip:%41@proxy;lr"],
        headers=[("X-Load", "50%d")],
    )
    heads = (b"z9hG4bK%s", b"t%", b"%%c")
    branch, tag, call_id = (head + mark + b"0%7" for head in heads)
    rendered = shared.render(uri, branch, tag, call_id, 7)
    assert shared.form(*heads, tail=b"0%7", cseq=7)(uri, mark) == rendered
