"""The torture tests of RFC 4475, each message under its short name.

This is what the parser makes of them; what our server says to them is in
``test_rfc4475_answers.py``.
"""

from __future__ import annotations

from typing import Final

import pytest

from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import MULTIPART, VALID
from torture.sip.wire import sdp
from trunkpulse.sip.errors import MalformedHeader, MalformedMessage, MalformedUri
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Request, Response, parse_message, response_facts
from trunkpulse.sip.peek import peek_response
from trunkpulse.sip.uri import SipUri

MESSAGES: Final = VALID | INVALID | APPLICATION


def read_request(name: str) -> Request:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Request)
    return message


def read_response(name: str) -> Response:
    message = parse_message(MESSAGES[name])
    assert isinstance(message, Response)
    return message


def vias(request: Request) -> list[Via]:
    return [Via.parse(text) for text in request.headers.members("Via")]


# --- 3.1.1 valid messages ---------------------------------------------------------------------


@pytest.mark.parametrize("name", VALID)
def test_a_valid_message_is_read_and_its_headers_have_their_meaning(name: str) -> None:
    headers = parse_message(VALID[name]).headers
    assert headers.single("Call-ID")
    assert all(Via.parse(text).host for text in headers.members("Via"))
    assert NameAddr.parse(headers.single("From")).tag
    assert NameAddr.parse(headers.single("To")).uri
    assert CSeq.parse(headers.single("CSeq")).method


def test_wsinv_white_space_folding_and_case_change_nothing() -> None:
    request = read_request("wsinv")
    headers = request.headers
    assert request.method == "INVITE"
    uri = SipUri.parse(request.uri)
    assert (uri.user, uri.host, uri.parameters) == (
        "vivekg",
        "chair-dnrc.example.com",
        (("unknownparam", None),),
    )
    assert NameAddr.parse(headers.single("To")).tag == "1918181833n"
    sender = NameAddr.parse(headers.single("From"))
    assert (sender.display_name, sender.tag) == ('J Rosenberg \\"', "98asjd8")
    assert headers.single("Max-Forwards") == "0068"
    assert CSeq.parse(headers.single("CSeq")) == CSeq(9, "INVITE")
    assert [(via.transport, via.host, via.branch) for via in vias(request)] == [
        ("UDP", "192.0.2.2", "390skdjuw"),
        ("TCP", "spindle.example.com", "z9hG4bK9ikj8"),
        ("UDP", "192.168.255.111", "z9hG4bK30239"),
    ]
    assert headers.single("Subject") == ""
    assert headers.single("NewFangledHeader") == "newfangled value continued newfangled value"
    assert headers.single("UnknownHeaderWithUnusualValue") == ";;,,;;,;"
    route = SipUri.parse(NameAddr.parse(headers.single("Route")).uri)
    assert route.parameters == (("lr", None), ("unknownwith", "value"), ("unknown-no-value", None))
    contact = NameAddr.parse(headers.single("Contact"))
    assert contact.display_name == 'Quoted string ""'
    assert contact.parameters == (("newparam", "newvalue"), ("secondparam", None), ("q", "0.33"))
    assert request.body == sdp("192.0.2.3", "192.0.2.4")


def test_intmeth_every_legal_character_is_legal_where_it_stands() -> None:
    request = read_request("intmeth")
    headers = request.headers
    assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
    assert CSeq.parse(headers.single("CSeq")) == CSeq(139122385, request.method)
    uri = SipUri.parse(request.uri)
    assert uri.user == "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
    assert uri.password == "&it+has=1,weird!*pas$wo~d_too.(doesn't-it)"
    assert vias(request)[0].branch == "z9hG4bK-.!%66*_+`'~"
    assert NameAddr.parse(headers.single("To")).display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
    sender = NameAddr.parse(headers.single("From"))
    assert sender.display_name == "token1~` token2'+_ token3*%!.-"
    assert sender.parameters[0] == ("fromParam''~+*_!.-%", '"работающий"')
    assert sender.tag == "_token~1'+`*%!-."
    assert headers.single("Call-ID") == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
    assert headers.single("extensionHeader-!.%*+_`'~") == "\ufeff大停電"
    assert request.encode() == VALID["intmeth"].replace(b"'~:\xef", b"'~: \xef")


def test_esc01_escapes_stay_as_written_and_an_escaped_name_is_another_name() -> None:
    request = read_request("esc01")
    uri = SipUri.parse(request.uri)
    assert (uri.scheme, uri.user, uri.host) == ("sip", "sips%3Auser%40example.com", "example.net")
    assert NameAddr.parse(request.headers.single("To")).uri == "sip:%75se%72@example.com"
    sender = SipUri.parse(NameAddr.parse(request.headers.single("From")).uri)
    assert sender.user == "I%20have%20spaces"
    contact = SipUri.parse(NameAddr.parse(request.headers.single("Contact")).uri)
    assert contact.parameters == (("%6c%72", None), ("n%61me", "v%61lue%25%34%31"))
    assert request.headers.single("Content-Type") == "application/sdp"


def test_escnull_escaped_nulls_are_kept_and_tell_two_users_apart() -> None:
    contacts = read_request("escnull").headers.members("Contact")
    users = [SipUri.parse(NameAddr.parse(text).uri).user for text in contacts]
    assert users == ["%00", "%00%00"]


def test_esc02_a_percent_sign_outside_a_uri_is_a_percent_sign() -> None:
    request = read_request("esc02")
    assert request.method == "RE%47IST%45R"
    assert NameAddr.parse(request.headers.single("To")).display_name == "%Z%45"
    assert vias(request)[0].branch == "z9hG4bK209%fzsnel234"
    # C%6Fntact is a header that nobody knows, not a Contact.
    assert len(request.headers.members("Contact")) == 2
    assert request.headers.single("C%6Fntact") == "<sip:alias2@host2.example.com>"


def test_lwsdisp_a_bracket_may_follow_the_display_name_at_once() -> None:
    sender = NameAddr.parse(read_request("lwsdisp").headers.single("From"))
    assert sender == NameAddr("sip:caller@example.com", "caller", (("tag", "323"),))


def test_longreq_length_alone_is_no_reason_to_refuse() -> None:
    request = read_request("longreq")
    path = vias(request)
    assert [via.host for via in path] == [
        *(f"sip{number}.example.com" for number in range(33, 0, -1)),
        "host.example.com",
    ]
    assert path[-1].received == "192.0.2.5"
    assert path[-1].branch == f"very{'long' * 50}branchvalue"
    assert NameAddr.parse(request.headers.single("From")).tag == f"12{'982' * 50}424"
    to = SipUri.parse(NameAddr.parse(request.headers.single("To")).uri)
    assert (to.port, len(to.parameters)) == (6000, 3)
    assert request.body == sdp("192.0.2.1")


def test_dblreq_what_follows_content_length_is_dropped() -> None:
    request = read_request("dblreq")
    assert (request.method, request.body) == ("REGISTER", b"")
    assert request.headers.single("Call-ID").startswith("dblreq.0ha0isndaksdj99sdfafnl3lk233412")


def test_semiuri_a_semicolon_before_the_at_sign_belongs_to_the_user() -> None:
    request = read_request("semiuri")
    uri = SipUri.parse(request.uri)
    assert (uri.user, uri.host, uri.parameters) == (
        "user;par=u%40example.net",
        "example.com",
        (),
    )
    assert request.headers.members("Accept")[-1] == "message/sipfrag"


def test_transports_unknown_ones_are_read_like_known_ones() -> None:
    transports = [via.transport for via in vias(read_request("transports"))]
    assert transports == ["UDP", "SCTP", "TLS", "UNKNOWN", "TCP"]


def test_mpart01_a_binary_body_passes_through_unread() -> None:
    request = read_request("mpart01")
    assert request.headers.single("Content-Type") == "multipart/mixed;boundary=7a9cbec02ceef655"
    assert request.body == MULTIPART


def test_unreason_a_reason_phrase_may_be_any_text() -> None:
    response = read_response("unreason")
    assert response.code == 200
    assert response.reason == "= 2**3 * 5**2 но сто девяносто девять - простое"
    # The call is somebody else's, so the hot path leaves it to the parser.
    assert peek_response(VALID["unreason"]) is None
    assert response_facts(VALID["unreason"]).branch == b"z9hG4bK1324923"


def test_noreason_a_reason_phrase_may_be_empty() -> None:
    facts = response_facts(VALID["noreason"])
    assert (facts.code, facts.reason, facts.cseq_method) == (100, "", "INVITE")


# --- 3.1.2 invalid messages -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("clerr", "Content-Length is 9999 but only 154 bytes of body came"),
        ("ncl", "'-999' is not one number of bytes"),
        ("lwsruri", "start line"),
        ("lwsstart", "start line"),
        ("trws", "start line"),
        ("badvers", "another version than SIP/2.0"),
        ("bigcode", "is not SIP/2.0 and a status code"),
        ("mcl01", "'13, 5' is not one number of bytes"),
    ],
)
def test_a_message_that_cannot_be_read_in_one_way_is_refused(name: str, reason: str) -> None:
    with pytest.raises(MalformedMessage) as refused:
        parse_message(MESSAGES[name])
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("name", "header", "reason"),
    [
        ("badinv01", "Contact", "parameter name '' is not a token"),
        ("quotbal", "To", "is opened and never closed"),
        # The RFC lets a registrar take it; whose the question mark is would be a guess.
        ("regbadct", "Contact", "must stand in angle brackets"),
    ],
)
def test_an_address_that_breaks_the_grammar_is_refused(name: str, header: str, reason: str) -> None:
    with pytest.raises(MalformedHeader, match=reason):
        NameAddr.parse(read_request(name).headers.single(header))


def test_badinv01_a_via_of_nothing_but_separators_is_refused() -> None:
    top, *others = read_request("badinv01").headers.members("Via")
    for text in (top, *others):
        with pytest.raises(MalformedHeader, match="Via header"):
            Via.parse(text)


def test_overlarge_numbers_are_refused_without_being_computed() -> None:
    for name in ("scalar02", "scalarlg"):
        with pytest.raises(MalformedHeader, match="is not a number"):
            CSeq.parse(parse_message(INVALID[name]).headers.single("CSeq"))


def test_scalarlg_a_response_with_an_overlarge_cseq_is_discarded() -> None:
    assert peek_response(INVALID["scalarlg"]) is None
    with pytest.raises(MalformedHeader, match="CSeq"):
        response_facts(INVALID["scalarlg"])


def test_bigcode_a_response_with_an_overlarge_code_is_discarded() -> None:
    assert peek_response(INVALID["bigcode"]) is None
    with pytest.raises(MalformedMessage, match="status code"):
        response_facts(INVALID["bigcode"])


def test_ltgtruri_a_request_uri_in_brackets_is_no_uri() -> None:
    with pytest.raises(MalformedUri, match="does not begin with sip"):
        SipUri.parse(read_request("ltgtruri").uri)


def test_lwsruri_a_uri_with_a_space_in_it_is_no_uri() -> None:
    with pytest.raises(MalformedUri, match="white space"):
        SipUri.parse("sip:user@example.com; lr")


def test_escruri_headers_of_a_request_uri_are_told_apart_and_followed_nowhere() -> None:
    # The RFC would have it refused; as we act on no Request-URI, reading it does no harm.
    assert SipUri.parse(read_request("escruri").uri).headers == (
        ("Route", "%3Csip:example.com%3E"),
    )


def test_baddate_a_date_is_not_read_so_it_cannot_be_wrong() -> None:
    assert read_request("baddate").headers.single("Date") == "Fri, 01 Jan 2010 16:00:00 EST"


def test_badaspec_spaces_inside_the_brackets_are_forgiven() -> None:
    # The RFC allows it, and the meaning is plain.
    recipient = NameAddr.parse(read_request("badaspec").headers.single("To"))
    assert recipient == NameAddr("sip:t.watson@example.org", "Watson, Thomas")


def test_baddn_a_comma_in_an_unquoted_display_name_is_forgiven() -> None:
    # The RFC allows it; From and To are no lists, so the comma can mean nothing else.
    sender = NameAddr.parse(read_request("baddn").headers.single("From"))
    assert (sender.display_name, sender.tag) == ("Bell, Alexander", "43")


# --- 3.2 to 3.4 above the parser --------------------------------------------------------------


def test_badbranch_a_cookie_without_an_identifier_is_a_branch_as_it_stands() -> None:
    # No transaction is remembered for it, so there is none that it could be taken for.
    assert vias(read_request("badbranch"))[0].branch == "z9hG4bK"


def test_unksm2_addresses_of_any_scheme_are_addresses() -> None:
    headers = read_request("unksm2").headers
    addresses = [NameAddr.parse(headers.single(name)).uri for name in ("To", "From", "Contact")]
    assert addresses == ["isbn:2983792873", "http://www.example.com", "name:John_Smith"]


def test_multi01_headers_that_must_come_once_are_not_chosen_from() -> None:
    headers = read_request("multi01").headers
    for name in ("CSeq", "Call-ID", "From", "To", "Max-Forwards"):
        with pytest.raises(MalformedHeader, match=f"2 {name} headers instead of one"):
            headers.single(name)


def test_bcast_a_response_with_a_second_via_is_seen_as_not_ours() -> None:
    assert peek_response(APPLICATION["bcast"]) is None
    assert response_facts(APPLICATION["bcast"]).via_count == 2


def test_cparam_a_parameter_belongs_to_the_uri_only_within_brackets() -> None:
    bare = NameAddr.parse(read_request("cparam01").headers.single("Contact"))
    assert (bare.uri, bare.parameters) == (
        "sip:+19725552222@gw1.example.net",
        (("unknownparam", None),),
    )
    bracketed = NameAddr.parse(read_request("cparam02").headers.single("Contact"))
    assert bracketed.parameters == ()
    assert SipUri.parse(bracketed.uri).parameters == (("unknownparam", None),)


def test_regescrt_an_escaped_header_within_brackets_belongs_to_the_uri() -> None:
    contact = NameAddr.parse(read_request("regescrt").headers.single("Contact"))
    assert SipUri.parse(contact.uri).headers == (("Route", "%3Csip:sip.example.com%3E"),)


def test_inv2543_neither_branch_nor_tag_nor_length_is_needed_to_be_read() -> None:
    request = read_request("inv2543")
    assert vias(request)[0].branch is None
    assert NameAddr.parse(request.headers.single("From")).tag is None
    recipient = NameAddr.parse(request.headers.single("To"))
    assert recipient.parameters == (("user", "phone"),)
    assert request.body.endswith(b"m=audio 49217 RTP/AVP 0\r\n")
