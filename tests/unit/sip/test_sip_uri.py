from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedUri, SipError
from trunkpulse.sip.uri import SipUri

USER_CHARACTERS = "abzAZ09-_.!~*'()&=+$,;?/"
PARAMETER_CHARACTERS = "abAZ09-_.!~*'()[]/:&+$"


def escaped_text(characters: str, *, min_size: int = 1) -> st.SearchStrategy[str]:
    piece = st.one_of(st.sampled_from(characters), st.sampled_from(["%23", "%0a", "%C3%a9"]))
    return st.lists(piece, min_size=min_size, max_size=8).map("".join)


labels = st.from_regex(r"[a-zA-Z][a-zA-Z0-9_-]{0,5}[a-z]", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=1, max_size=3).map(".".join),
    st.ip_addresses().map(str).filter(lambda text: "%" not in text),
)
ports = st.one_of(st.none(), st.integers(1, 65535))


@st.composite
def uris(draw: st.DrawFn) -> SipUri:
    user = draw(st.one_of(st.none(), escaped_text(USER_CHARACTERS)))
    password = None
    if user is not None:
        password = draw(st.one_of(st.none(), escaped_text("ab09&=+$,", min_size=0)))
    names = escaped_text(PARAMETER_CHARACTERS)
    parameters = draw(
        st.lists(
            st.tuples(names, st.one_of(st.none(), names)),
            max_size=3,
            unique_by=lambda pair: pair[0].lower(),
        )
    )
    headers = draw(
        st.lists(
            st.tuples(escaped_text("abZ[]/?:+$"), escaped_text("abZ[]/?:+$", min_size=0)),
            max_size=2,
        )
    )
    return SipUri(
        draw(st.sampled_from(["sip", "sips"])),
        user,
        password,
        draw(hosts),
        draw(ports),
        tuple(parameters),
        tuple(headers),
    )


@given(uris())
def test_a_written_uri_reads_back_as_the_same_uri(uri: SipUri) -> None:
    assert SipUri.parse(str(uri)) == uri


@given(st.text(max_size=40).map(lambda rest: "sip:" + rest))
def test_any_text_is_read_or_refused_and_what_is_read_is_canonical(text: str) -> None:
    try:
        uri = SipUri.parse(text)
    except MalformedUri:
        return
    assert str(SipUri.parse(str(uri))) == str(uri)
    assert str(uri).isascii()
    assert not set(str(uri)) & set(' \t\r\n<>"')


def test_every_part_of_a_full_uri_is_told_apart() -> None:
    uri = SipUri.parse("SIPS:a%23;x?y:secret@[2001:DB8:0::1]:99;Transport=tls;lr?subject=a&x=")
    assert uri == SipUri(
        scheme="sips",
        user="a%23;x?y",
        password="secret",
        host="2001:db8::1",
        port=99,
        parameters=(("transport", "tls"), ("lr", None)),
        headers=(("subject", "a"), ("x", "")),
    )
    assert str(uri) == "sips:a%23;x?y:secret@[2001:db8::1]:99;transport=tls;lr?subject=a&x="


def test_host_and_parameter_names_ignore_case_but_the_user_does_not() -> None:
    assert SipUri.parse("sip:a@EXAMPLE.com;LR") == SipUri.parse("sip:a@example.com;lr")
    assert SipUri.parse("sip:a@example.com") != SipUri.parse("sip:A@example.com")


@pytest.mark.parametrize(
    ("text", "transport", "port"),
    [
        ("sip:127.0.0.1", "udp", 5060),
        ("sip:127.0.0.1:5070", "udp", 5070),
        ("sip:h;transport=TCP", "tcp", 5060),
        ("sip:h;transport=tls", "tls", 5061),
        ("sips:h", "tls", 5061),
        ("sips:h;transport=tcp", "tls", 5061),
        ("sips:h:5099", "tls", 5099),
    ],
)
def test_transport_and_port_follow_from_scheme_and_parameter(
    text: str, transport: str, port: int
) -> None:
    uri = SipUri.parse(text)
    assert (uri.transport, uri.effective_port) == (transport, port)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sip:x:70000", "port 70000 is not between 1 and 65535"),
        ("sip:x:0", "port 0 is not between 1 and 65535"),
        ("sip:x:", "port '' is not a number"),
        ("sip:x:५०६०", "is not a number"),
        ("tel:+15551230000", "does not begin with sip: or sips:"),
        ("example.com", "does not begin with sip: or sips:"),
        ("sip:", "is not a host name or address"),
        ("sip:a@", "is not a host name or address"),
        ("sip:@host", "user '' is empty"),
        ("sip:a#b@host", "user 'a#b'"),
        ("sip:a%2@host", "user 'a%2'"),
        ("sip:a@::1", "IPv6 without brackets?"),
        ("sip:a@[::1", "in brackets"),
        ("sip:a@[192.0.2.1]", "in brackets"),
        ("sip:a@[fe80::1%eth0]", "is not an IPv6 address"),
        ("sip:256.0.0.1", "is not an IPv4 address"),
        ("sip:ex ample.com", "white space"),
        ("sip:example.com\r\nX: y", "white space"),
        ("sip:example.com\n", "white space"),
        ("sip:-x.example.com", "is not a host name"),
        ("sip:h;lr;LR", "a parameter is given twice"),
        ("sip:h;", "parameter name ''"),
        ("sip:h?a", "header 'a' has no value"),
        ("sip:h;x=ü", "parameter value"),
        ("sip:" + "a" * 2000, "longer than 1024 characters"),
    ],
)
def test_a_bad_uri_is_refused_in_one_sentence_with_its_reason(text: str, reason: str) -> None:
    with pytest.raises(MalformedUri) as refused:
        SipUri.parse(text)
    sentence = str(refused.value)
    assert reason in sentence
    assert " is not a SIP URI: " in sentence
    assert "\n" not in sentence
    assert len(sentence) < 250


def test_a_uri_that_is_made_without_parsing_is_checked_as_well() -> None:
    with pytest.raises(SipError, match="not a SIP URI"):
        SipUri("sip", "a\r\nX: y", None, "example.com")
    with pytest.raises(MalformedUri, match="password but no user"):
        SipUri("sip", None, "secret", "example.com")
    with pytest.raises(MalformedUri, match="scheme"):
        SipUri("http", None, None, "example.com")
