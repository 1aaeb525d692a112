"""What must be true of any bytes at all; whoever finds some of which it is not has found a bug.

Only ``SipError`` leaves a parser, what can be read can be written and read again as the same, two
readers of one message agree, and no answer of ours is illegal.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from trunkpulse.sip.asked import peek_invite, peek_key, read_asked, write_answer
from trunkpulse.sip.digest import Credentials, DigestSession
from trunkpulse.sip.echo import compare_echo, on_the_way
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.framing import FramingLost, MessageFramer, Pulse
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import (
    Request,
    Response,
    parse_envelope,
    parse_message,
    response_facts,
)
from trunkpulse.sip.middlebox import inspect_answer, seen_as, sip_alg
from trunkpulse.sip.peek import peek_response
from trunkpulse.sip.request import SharedOptions
from trunkpulse.sip.retry_after import RetryAfter
from trunkpulse.sip.server import AnswerSettings, answer_request
from trunkpulse.sip.uri import SipUri

__all__ = [
    "ORACLES",
    "check_challenge",
    "check_diagnosis",
    "check_message",
    "check_stream",
    "check_value",
]

_SETTINGS: Final = AnswerSettings(tag_key=b"fuzz")
_CONTROL: Final = re.compile(rb"[\x00-\x1f\x7f]")
_SOURCE: Final = ("192.0.2.9", 5060)
_PROBE: Final = SharedOptions(sent_by="192.0.2.1:5080").render(
    b"sip:198.51.100.4", b"z9hG4bK7f3a90c1d2e4", b"5c1f9e30", b"0f83c1be77aa@192.0.2.1", 20411
)
"""What most answers of the corpus answer."""


def check_message(data: bytes) -> bool:
    """Give ``data`` to everything that reads datagrams; True if it is a message.

    Each of the three dearest checks gets a third of the messages, by their length: that makes a
    million of them affordable.
    """
    turn = len(data) % 3
    peeked = peek_response(data)
    try:
        message = parse_message(data)
    except SipError:
        if turn:
            _check_answer(data)  # 400, with what of it can be read, or nothing
        return False
    if turn == 0:
        assert parse_message(message.encode()) == message
    elif turn == 1:
        envelope = parse_envelope(data)
        assert envelope.headers == message.headers
        assert envelope.body.startswith(message.body)
    else:
        _check_answer(data)
    if isinstance(message, Request):
        assert peeked is None
        _check_asked(data)
    elif peeked is not None or turn == 2:
        _check_facts(data, message, peeked)
    return True


def _check_answer(data: bytes) -> None:
    answer = answer_request(data, *_SOURCE, settings=_SETTINGS)
    if answer is None:
        return
    said = parse_message(answer.data)
    assert isinstance(said, Response)
    assert said.code in {200, 400, 405, 416, 420, 481, 505}
    assert said.headers.single("Content-Length") == "0"
    assert NameAddr.parse(said.headers.single("To")).tag
    if said.code not in {400, 505}:  # these copy what was found to be wrong
        assert CSeq.parse(said.headers.single("CSeq")).method
    assert answer.host == _SOURCE[0]
    assert 1 <= answer.port <= 65535


def _check_asked(data: bytes) -> None:
    quick, key = peek_invite(data, _SOURCE), peek_key(data)
    try:
        asked = read_asked(data, _SOURCE)
    except SipError:
        return
    assert quick in {None, asked}
    assert key in {None, asked.key}
    if asked.within_dialog or asked.recipient.endswith(b">"):
        said = parse_message(write_answer(asked, b"302 Moved Temporarily", b"", b"fuzz"))
        assert said.headers.members("Via")


def _check_facts(data: bytes, message: Response, peeked: tuple[int, bytes] | None) -> None:
    try:
        facts = response_facts(data)
    except SipError:
        return
    assert (facts.code, facts.reason) == (message.code, message.reason)
    if peeked is not None:
        assert peeked == (facts.code, facts.branch)
        assert (facts.via_count, facts.cseq_method) == (1, "OPTIONS")


_READERS: Final[tuple[Callable[[str], object], ...]] = (
    SipUri.parse,
    Via.parse,
    NameAddr.parse,
    CSeq.parse,
    RetryAfter.parse,
)


def check_value(data: bytes) -> bool:
    """Give ``data`` to everything that reads a header's value or a URI; True if anything could."""
    text = data.decode("utf-8", "surrogateescape")
    readable = False
    for read in _READERS:
        try:
            value = read(text)
        except SipError:
            continue
        assert read(str(value)) == value
        readable = True
    return readable


def check_challenge(data: bytes) -> bool:
    """Have a session answer the challenges of ``data``; True if it would try again."""
    try:
        message = parse_message(data)
    except SipError:
        return False
    if isinstance(message, Request):
        return False
    session = DigestSession(Credentials("alice", 'se"cret'), new_cnonce=lambda: "c0ffee")
    session.begin()
    refusal = session.challenged(message)
    proof = session.headers("OPTIONS", "sip:198.51.100.4")
    assert len(proof) < 20_000
    assert not _CONTROL.search(proof.replace(b"\r\n", b""))
    sent = parse_message(b"OPTIONS sip:198.51.100.4 SIP/2.0\r\n%s\r\n" % proof)
    answered = sent.headers.every("Authorization") + sent.headers.every("Proxy-Authorization")
    assert len(answered) == len(sent.headers) == proof.count(b"\r\n")
    assert bool(answered) is (refusal is None)
    assert all(value.startswith("Digest ") for value in answered)
    # The same nonce once more, after our answer, is either a refusal or a nonce gone stale.
    assert refusal is not None or session.challenged(message) or b"stale" in data.lower()
    return refusal is None


def check_diagnosis(data: bytes) -> bool:
    """Take ``data`` for an answer to a probe and for its echo; True if anything was noticed."""
    findings = inspect_answer(_PROBE, data, "198.51.100.4")
    sip_alg(findings)
    seen_as(data)
    differences = compare_echo(_PROBE, data)
    assert all(each.sent != each.arrived for each in differences)
    assert len(on_the_way(differences)) <= len(differences)
    return bool(findings)


def check_stream(data: bytes) -> bool:
    """Have a stream bring ``data``, at once and in portions; True if it holds a whole message."""
    at_once = _framed([data])
    size = max(_PORTIONS[len(data) % len(_PORTIONS)], len(data) // _MOST_PORTIONS)
    portions = [data[start : start + size] for start in range(0, len(data), size)]
    assert _framed(portions) == at_once
    if at_once is None:
        return False
    messages = [frame for frame in at_once if isinstance(frame, bytes)]
    for frame in messages:
        try:
            message = parse_message(frame)
        except SipError:
            continue
        # Two readers that disagree about an end let one message be hidden in another.
        assert message.body == parse_envelope(frame).body
    return bool(messages)


_PORTIONS: Final = (1, 2, 3, 7, 60, 200, 500, 1400)
"""Of how many bytes each, whatever it cuts through."""
_MOST_PORTIONS: Final = 100


def _framed(portions: list[bytes]) -> list[bytes | Pulse] | None:
    """The frames; None if the stream was lost on the way."""
    framer = MessageFramer()
    try:
        return [frame for portion in portions for frame in framer.feed(portion)]
    except FramingLost:
        return None


ORACLES: Final = (check_message, check_value, check_challenge, check_diagnosis, check_stream)
"""All of them; a number that stands for one is its place here."""
