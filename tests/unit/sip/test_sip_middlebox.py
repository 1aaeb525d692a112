"""What a middlebox leaves behind in an answer, and what is none of its doing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.middlebox import Finding, Severity, inspect_answer, is_private, seen_as, sip_alg

PUBLIC = "203.0.113.5"
SENT = (
    b"OPTIONS sip:sbc.example.com SIP/2.0\r\n"
    b"Via: SIP/2.0/UDP 10.0.0.5:40000;rport;branch=z9hG4bKabc123\r\n"
    b"Max-Forwards: 70\r\n"
    b"From: <sip:ping@10.0.0.5>;tag=f00d\r\n"
    b"To: <sip:sbc.example.com>\r\n"
    b"Call-ID: 1234abcd\r\n"
    b"CSeq: 7 OPTIONS\r\n"
    b"Contact: <sip:10.0.0.5:40000>\r\n"
    b"Content-Length: 0\r\n\r\n"
)
VIA = "SIP/2.0/UDP 10.0.0.5:40000;rport=40000;received=10.0.0.5;branch=z9hG4bKabc123"


def answer(
    *more: str,
    via: str | None = VIA,
    sender: str | None = "<sip:ping@10.0.0.5>;tag=f00d",
    to: str | None = "<sip:sbc.example.com>;tag=1",
    call_id: str | None = "1234abcd",
    cseq: str | None = "7 OPTIONS",
    body: str = "",
) -> bytes:
    named = (("Via", via), ("From", sender), ("To", to), ("Call-ID", call_id), ("CSeq", cseq))
    lines = [f"{name}: {value}" for name, value in named if value is not None]
    head = ["SIP/2.0 200 OK", *lines, *more, f"Content-Length: {len(body)}"]
    return ("\r\n".join(head) + "\r\n\r\n" + body).encode()


def codes(data: bytes, source: str = PUBLIC) -> set[str]:
    return {finding.code for finding in inspect_answer(SENT, data, source)}


def the_finding(data: bytes, source: str = PUBLIC) -> Finding:
    (finding,) = inspect_answer(SENT, data, source)
    return finding


def test_a_faithful_answer_shows_nothing() -> None:
    assert inspect_answer(SENT, answer(), PUBLIC) == []
    spelled_otherwise = answer(
        via="SIP/2.0/udp 10.0.0.5:40000 ;branch=z9hG4bKabc123;received=10.0.0.5;rport=40000",
        sender='"" <sip:ping@10.0.0.5>;tag=f00d',
        cseq="7  OPTIONS",
    )
    assert inspect_answer(SENT, spelled_otherwise, PUBLIC) == []


@pytest.mark.parametrize(
    ("changed", "code", "evidence"),
    [
        (
            answer(via=VIA.replace("abc123", "alg999")),
            "via-branch",
            "the Via branch came back as 'z9hG4bKalg999' instead of 'z9hG4bKabc123'",
        ),
        (
            answer(via=VIA.replace("10.0.0.5:40000;", "198.51.100.7:6000;")),
            "via-sent-by",
            "the address in the Via came back as '198.51.100.7:6000' instead of '10.0.0.5:40000'",
        ),
        (
            answer(via=VIA.replace("/UDP", "/TCP")),
            "via-transport",
            "the transport in the Via came back as 'TCP' instead of 'UDP'",
        ),
        (
            answer(via=f"SIP/2.0/UDP 198.51.100.7;branch=z9hG4bKx, {VIA}"),
            "via-added",
            "the answer came back with 2 Via headers instead of one",
        ),
        (answer(via=None), "via-missing", "the answer came back without any Via"),
        (
            answer(call_id="1234abcd@198.51.100.7"),
            "call-id",
            "the Call-ID came back as '1234abcd@198.51.100.7' instead of '1234abcd'",
        ),
        (answer(call_id=None), "call-id-missing", "the answer came back without its Call-ID"),
        (
            answer(cseq="8 OPTIONS"),
            "cseq",
            "the CSeq came back as '8 OPTIONS' instead of '7 OPTIONS'",
        ),
        (
            answer(sender="<sip:ping@10.0.0.5>;tag=beef"),
            "from-tag",
            "the From tag came back as 'beef' instead of 'f00d'",
        ),
        (
            answer(sender="<sip:ping@198.51.100.7>;tag=f00d"),
            "from-uri",
            "the From URI came back as 'sip:ping@198.51.100.7' instead of 'sip:ping@10.0.0.5'",
        ),
        (
            answer(to="<sip:sbc.internal>;tag=1"),
            "to-uri",
            "the To URI came back as 'sip:sbc.internal' instead of 'sip:sbc.example.com'",
        ),
    ],
)
def test_what_only_a_middlebox_changes_is_evidence_of_an_alg(
    changed: bytes, code: str, evidence: str
) -> None:
    finding = the_finding(changed)
    assert (finding.code, finding.severity) == (code, Severity.FAULT)
    assert finding.evidence == evidence
    assert finding.sentence.startswith(evidence[:1].upper())


def test_the_verdict_names_every_piece_of_evidence_once() -> None:
    findings = inspect_answer(SENT, answer(call_id="x", cseq="9 OPTIONS"), PUBLIC)
    verdict = sip_alg([*findings, *findings])
    assert verdict is not None
    assert verdict.code == "sip-alg"
    assert verdict.sentence.count("the Call-ID came back as 'x'") == 1
    assert "the CSeq came back as '9 OPTIONS'" in verdict.sentence
    assert "Turn off the SIP ALG" in verdict.sentence


def test_a_branch_in_another_case_is_legal_and_no_alg() -> None:
    finding = the_finding(answer(via=VIA.replace("z9hG4bKabc123", "Z9HG4BKABC123")))
    assert (finding.code, finding.severity) == ("via-branch-case", Severity.NOTE)
    assert sip_alg([finding]) is None


def test_a_public_address_seen_by_the_far_side_is_a_nat_and_asks_for_enable_nat() -> None:
    seen = VIA.replace("rport=40000;received=10.0.0.5", "rport=7000;received=198.51.100.7")
    finding = the_finding(answer(via=seen))
    assert (finding.code, finding.severity) == ("behind-nat", Severity.WARNING)
    assert "come from 198.51.100.7:7000, not 10.0.0.5:40000" in finding.sentence
    assert "set enable_nat = true" in finding.sentence
    assert seen_as(answer(via=seen)) == ("198.51.100.7", 7000)


def test_a_contact_that_shows_the_public_address_already_needs_no_enable_nat() -> None:
    sent = SENT.replace(b"Contact: <sip:10.0.0.5:40000>", b"Contact: <sip:198.51.100.7:7000>")
    seen = VIA.replace("rport=40000;received=10.0.0.5", "rport=7000;received=198.51.100.7")
    (finding,) = inspect_answer(sent, answer(via=seen), PUBLIC)
    assert (finding.code, finding.severity) == ("behind-nat", Severity.NOTE)
    assert "enable_nat" not in finding.sentence


def test_a_translated_port_alone_is_told_over_udp_only() -> None:
    seen = VIA.replace("rport=40000", "rport=40001")
    assert codes(answer(via=seen)) == {"nat-port"}
    over_tcp = SENT.replace(b"SIP/2.0/UDP", b"SIP/2.0/TCP")
    answered = answer(via=seen.replace("/UDP", "/TCP"))
    assert inspect_answer(over_tcp, answered, PUBLIC) == []


def test_a_far_side_that_does_not_say_how_it_sees_us_is_noted_if_we_are_private() -> None:
    silent = answer(via="SIP/2.0/UDP 10.0.0.5:40000;rport;branch=z9hG4bKabc123")
    assert codes(silent) == {"rport-ignored"}
    assert codes(silent, source="10.0.0.1") == set()


@pytest.mark.parametrize(
    ("more", "body", "code", "place"),
    [
        (["Contact: <sip:10.1.2.3:5060>"], "", "private-contact", "Contact"),
        (["Contact: <sip:a@192.0.2.9>, sip:b@192.168.1.1"], "", "private-contact", "Contact"),
        (["Record-Route: <sip:100.64.0.9;lr>"], "", "private-record-route", "Record-Route"),
        (["m: <sip:[fd00::1]:5060>"], "", "private-contact", "Contact"),
        ([], "v=0\r\nc=IN IP4 172.16.9.9\r\n", "private-sdp", "SDP (c=)"),
    ],
)
def test_a_private_address_in_a_public_answer_is_the_far_sides_nat_setting(
    more: list[str], body: str, code: str, place: str
) -> None:
    finding = the_finding(answer(*more, body=body))
    assert (finding.code, finding.severity) == (code, Severity.WARNING)
    assert f"in its {place}: the far side has a wrong NAT setting" in finding.sentence
    # From within a private network the same answer is all right.
    assert codes(answer(*more, body=body), source="10.9.9.9") == set()


def test_a_far_side_that_sees_another_private_address_than_ours_is_told() -> None:
    seen = VIA.replace("received=10.0.0.5", "received=10.77.0.1")
    assert codes(answer(via=seen)) >= {"private-received"}


@pytest.mark.parametrize(
    "harmless",
    [
        answer("Contact: <sip:198.51.100.1>"),
        answer("Contact: <sip:sbc.internal>"),
        answer("Contact: *"),
        answer(body="v=0\r\nc=IN IP4 0.0.0.0\r\n"),
    ],
)
def test_public_addresses_and_names_are_no_wrong_setting(harmless: bytes) -> None:
    assert codes(harmless) == set()


def test_an_answer_that_cannot_be_read_is_told_and_never_raises() -> None:
    finding = the_finding(answer(cseq="none"))
    assert finding.code == "unreadable"
    assert "is not a number and a method" in finding.sentence
    assert codes(b"SIP/2.0 200 OK\r\n") == {"unreadable"}


def test_a_request_in_place_of_an_answer_shows_nothing() -> None:
    assert inspect_answer(SENT, SENT, PUBLIC) == []


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("10.0.0.1", True),
        ("172.15.0.1", False),
        ("172.31.255.255", True),
        ("100.63.0.1", False),
        ("100.127.0.1", True),
        ("169.254.1.1", True),
        ("127.0.0.1", True),
        ("fe80::1", True),
        ("fd12::1", True),
        ("2001:db8::1", False),
        ("203.0.113.1", False),
        ("0.0.0.0", False),
        ("sbc.example.com", False),
        ("", False),
    ],
)
def test_private_is_what_means_nothing_beyond_its_network(host: str, *, private: bool) -> None:
    assert is_private(host) is private


@given(
    st.sampled_from(["Via", "From", "To", "Call-ID", "CSeq", "Contact", "Record-Route"]),
    st.text(max_size=80),
    st.binary(max_size=40),
)
def test_no_answer_makes_it_raise(name: str, value: str, body: bytes) -> None:
    data = answer().replace(b"\r\n\r\n", b"\r\n" + f"{name}: {value}\r\n\r\n".encode()) + body
    for finding in inspect_answer(SENT, data, PUBLIC):
        assert finding.sentence.endswith(".")
    inspect_answer(SENT, body, "nowhere")
