from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedHeader
from trunkpulse.sip.grammar import Parameters, quote
from trunkpulse.sip.headers import CSeq, NameAddr, Via, header_key, split_values

tokens = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,8}", fullmatch=True)
line_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12
)
values = st.one_of(st.none(), tokens, line_text.map(quote), st.just("z9hG4bK%40=@[::1]"))
hosts = st.sampled_from(["127.0.0.1", "example.com", "sbc_1.local", "::1", "2001:db8::5"])


def parameters() -> st.SearchStrategy[Parameters]:
    pairs = st.lists(st.tuples(tokens, values), max_size=4, unique_by=lambda pair: pair[0].lower())
    return pairs.map(tuple)


vias = st.builds(
    Via,
    st.sampled_from(["UDP", "TCP", "TLS", "ws"]),
    hosts,
    st.one_of(st.none(), st.integers(1, 65535)),
    parameters(),
)
addresses = st.builds(
    NameAddr,
    st.sampled_from(["sip:a@example.com;lr?x=y", "tel:+1555", "urn:service:sos", "sip:a,b;c@d"]),
    st.one_of(st.none(), line_text),
    parameters(),
)


@given(vias)
def test_a_written_via_reads_back_as_the_same_via(via: Via) -> None:
    assert Via.parse(str(via)) == via


@given(addresses)
def test_a_written_address_reads_back_as_the_same_address(address: NameAddr) -> None:
    assert NameAddr.parse(str(address)) == address


@given(st.builds(CSeq, st.integers(0, 2**31 - 1), tokens))
def test_a_written_cseq_reads_back_as_the_same_cseq(cseq: CSeq) -> None:
    assert CSeq.parse(str(cseq)) == cseq


@given(st.one_of(st.text(max_size=40), st.text('";,<>=\\ sip:SIP/2.0UDP', max_size=40)))
def test_any_text_is_read_or_refused_with_the_parsers_own_error(text: str) -> None:
    for parse in (Via.parse, NameAddr.parse, CSeq.parse, split_values):
        try:
            parse(text)
        except MalformedHeader:
            continue


@given(st.lists(addresses.map(str), min_size=1, max_size=4))
def test_joined_members_are_taken_apart_at_outer_commas_only(members: list[str]) -> None:
    assert split_values(", ".join(members)) == [member.strip(" \t") for member in members]


def test_white_space_around_every_separator_of_a_via_is_allowed() -> None:
    via = Via.parse("SIP  / 2.0 \t/ UDP  [::1] : 5062 ; RPort ;\tbranch = z9hG4bK%41 ")
    assert via == Via("UDP", "::1", 5062, (("RPort", None), ("branch", "z9hG4bK%41")))
    assert via.branch == "z9hG4bK%41"
    assert via.rport == ""
    assert via.received is None


def test_an_escaped_branch_is_not_decoded() -> None:
    assert Via.parse("SIP/2.0/UDP h;branch=z9hG4bK%zz=@a").branch == "z9hG4bK%zz=@a"


def test_what_the_next_hop_added_to_a_via_is_read() -> None:
    via = Via.parse("SIP/2.0/UDP h:5060;rport=6000;received=[2001:db8::1]")
    assert (via.rport, via.received, via.branch) == ("6000", "2001:db8::1", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SIP/2.0/UDP",
        "SIP/2.0 host",
        "SIP/2.0/UDP h:70000",
        "SIP/2.0/UDP ::1",
        "SIP/2.0/UDP h;branch=a;Branch=b",
        "SIP/2.0/UDP h;branch=a b",
        'SIP/2.0/UDP h;branch="a',
        "SIP/2.0/UDP h;branch=a, SIP/2.0/UDP i;branch=b",
        "SIP/2.0/UDP h;;branch=a",
    ],
)
def test_a_malformed_via_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader, match="Via header"):
        Via.parse(text)


def test_parameters_after_a_bare_uri_belong_to_the_header() -> None:
    address = NameAddr.parse("sip:a@example.com ; tag = 88sja8x")
    assert address.uri == "sip:a@example.com"
    assert address.tag == "88sja8x"


def test_parameters_within_brackets_belong_to_the_uri() -> None:
    address = NameAddr.parse("Alice Smith <sip:a@example.com;tag=inner>;tag=outer")
    assert address.display_name == "Alice Smith"
    assert address.uri == "sip:a@example.com;tag=inner"
    assert address.tag == "outer"


def test_a_quoted_name_may_hold_separators_and_escapes() -> None:
    address = NameAddr.parse(r'"A \"B\" <,;> \\" <sip:a@b>')
    assert address.display_name == r'A "B" <,;> \ '.rstrip()
    assert address.tag is None


@pytest.mark.parametrize(
    "text",
    ["", "<sip:a@b", '"x <sip:a@b>', "<sip:a b@c>", "a@b", "<sip:a@b> x", "<>", '"x" sip:a@b'],
)
def test_a_malformed_address_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader, match="address header"):
        NameAddr.parse(text)


def test_a_display_name_cannot_carry_a_line_break_into_a_message() -> None:
    with pytest.raises(MalformedHeader, match="line break"):
        NameAddr("sip:a@b", "x\r\nVia: y")


@pytest.mark.parametrize(
    "text", ["", "1", "OPTIONS", "-1 OPTIONS", "2147483648 OPTIONS", "1 A B", "٣ A"]
)
def test_a_malformed_cseq_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader, match="CSeq header"):
        CSeq.parse(text)


def test_a_hostile_list_of_quotes_costs_one_pass() -> None:
    with pytest.raises(MalformedHeader, match="opened and never closed"):
        split_values('"' + '\\"' * 100_000)


def test_compact_names_stand_for_their_long_ones() -> None:
    assert [header_key(name) for name in "vftilmV"] == [
        "via",
        "from",
        "to",
        "call-id",
        "content-length",
        "contact",
        "via",
    ]
    assert header_key("CALL-ID") == "call-id"
