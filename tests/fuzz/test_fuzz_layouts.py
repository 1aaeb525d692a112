"""Messages made from their meaning, in any layout that RFC 3261 allows: the meaning comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from trunkpulse.sip.headers import COMPACT_FORMS, CSeq, NameAddr, Via
from trunkpulse.sip.message import Headers, Response, parse_message, response_facts
from trunkpulse.sip.peek import peek_response
from trunkpulse.sip.retry_after import RetryAfter
from trunkpulse.sip.uri import SipUri

_COMPACT: Final = {name: letter for letter, name in COMPACT_FORMS.items()}
_TOKEN_CHARACTERS: Final = (
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-.!%*_+`'~"
)

tokens = st.text(_TOKEN_CHARACTERS, min_size=1, max_size=12)
texts = st.text(
    st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20
)
names = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,8})?", fullmatch=True)
hosts = st.one_of(names, st.ip_addresses(v=4).map(str), st.ip_addresses(v=6).map(str))
ports = st.none() | st.integers(1, 65535)
quoted = texts.map(lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"')
parameters = st.lists(
    st.tuples(tokens, st.none() | tokens | quoted),
    max_size=4,
    unique_by=lambda pair: pair[0].lower(),
).map(tuple)
uris = st.builds(
    SipUri,
    st.sampled_from(["sip", "sips"]),
    st.none() | st.from_regex(r"[A-Za-z0-9+;?/=]{1,10}", fullmatch=True),
    st.none(),
    hosts,
    ports,
    st.lists(
        st.tuples(st.from_regex(r"[a-z]{1,6}", fullmatch=True), st.none() | st.just("a%20b")),
        max_size=3,
        unique_by=lambda pair: pair[0],
    ).map(tuple),
)
vias = st.builds(
    lambda transport, host, port, branch, others: Via(
        transport,
        host,
        port,
        (("branch", branch), *(pair for pair in others if pair[0].lower() != "branch")),
    ),
    st.sampled_from(["UDP", "TCP", "TLS", "WSS"]),
    hosts,
    ports,
    tokens,
    parameters,
)
addresses = st.builds(NameAddr, uris.map(str), st.none() | texts, parameters)
cseqs = st.builds(CSeq, st.integers(0, 2**31 - 1), st.sampled_from(["OPTIONS", "INVITE", "X-y"]))
retries = st.builds(RetryAfter, st.integers(0, 2**32 - 1), st.none() | texts, parameters)


@given(st.one_of(vias, addresses, cseqs, retries, uris))
@settings(max_examples=1500, deadline=None)
def test_a_value_comes_back_from_what_it_is_written_as(
    value: Via | NameAddr | CSeq | RetryAfter | SipUri,
) -> None:
    assert type(value).parse(str(value)) == value


@dataclass(frozen=True)
class Layout:
    """How one header line is written; none of it means anything."""

    compact: bool
    upper: bool
    before_colon: str
    after_colon: str
    at_end: str

    def line(self, name: str, value: str) -> str:
        written = _COMPACT.get(name.lower(), name) if self.compact else name
        written = written.upper() if self.upper else written
        return f"{written}{self.before_colon}:{self.after_colon}{value}{self.at_end}"


blanks = st.sampled_from(["", " ", "\t", "  \t"])
layouts = st.builds(
    Layout,
    st.booleans(),
    st.booleans(),
    blanks,
    st.sampled_from(["", " ", "\t", "\r\n ", " \r\n\t", "\r\n \r\n  "]),
    st.sampled_from(["", " ", "\t", "\r\n "]),
)


@dataclass(frozen=True)
class Meaning:
    """What an answer says."""

    code: int
    reason: str
    path: list[Via]
    address: NameAddr
    cseq: CSeq
    body: bytes

    def headers(self, *, joined: bool) -> list[tuple[str, str]]:
        written = [str(via) for via in self.path]
        return [
            *(("Via", text) for text in ([", ".join(written)] if joined else written)),
            *(("From", str(self.address)), ("To", str(self.address))),
            *(("Call-ID", "a@b"), ("CSeq", str(self.cseq))),
            ("Content-Length", str(len(self.body))),
        ]


meanings = st.builds(
    Meaning,
    st.integers(100, 699),
    texts,
    st.lists(vias, min_size=1, max_size=3),
    addresses,
    cseqs,
    st.binary(max_size=20),
)


@given(meanings, st.booleans(), st.lists(layouts, min_size=8, max_size=8), st.data())
@settings(max_examples=800, deadline=None)
def test_the_layout_of_an_answer_changes_nothing(
    meaning: Meaning,
    joined: bool,  # noqa: FBT001 - hypothesis gives it by position
    written_as: list[Layout],
    data: st.DataObject,
) -> None:
    headers = meaning.headers(joined=joined)
    lines = [
        layout.line(name, value) for layout, (name, value) in zip(written_as, headers, strict=False)
    ]
    ahead = data.draw(st.sampled_from(["", "\r\n", "\r\n\r\n"]))
    start = f"{ahead}SIP/2.0 {meaning.code} {meaning.reason}"
    behind = data.draw(st.sampled_from([b"", b"behind"]))
    wire = "\r\n".join([start, *lines, "", ""]).encode() + meaning.body + behind

    message = parse_message(wire)
    assert message == Response(meaning.code, meaning.reason, Headers(headers), meaning.body)
    assert [Via.parse(text) for text in message.headers.members("v")] == meaning.path
    facts = response_facts(wire)
    assert (facts.code, facts.reason) == (meaning.code, meaning.reason)
    assert facts.cseq_method == meaning.cseq.method
    assert facts.branch.decode() == meaning.path[0].branch
    assert facts.via_count == len(meaning.path)
    assert peek_response(wire) in {None, (meaning.code, facts.branch)}
