"""Mutated torture messages: whatever arrives is read or refused, and nothing else happens.

Every mutation is drawn from a seed, so a failure names what repeats it. The suite makes 100,000;
``TRUNKPULSE_MUTATIONS=1000000 scripts/test tests/torture/sip/test_parser_fuzz.py`` makes more.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Final

import pytest

from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import VALID
from torture.sip.rfc5118 import IPV6
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.headers import CSeq, NameAddr, Via
from trunkpulse.sip.message import Response, parse_message, response_facts
from trunkpulse.sip.peek import peek_response
from trunkpulse.sip.server import AnswerSettings, answer_request
from trunkpulse.sip.uri import SipUri

MUTATIONS: Final = int(os.environ.get("TRUNKPULSE_MUTATIONS", "100000"))
SEEDS: Final = range(10)
SETTINGS: Final = AnswerSettings(tag_key=b"fuzz")
PROBE_ANSWER: Final = (
    b"SIP/2.0 200 OK\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1:5060;rport=5060;branch=z9hG4bKfuzz;received=192.0.2.1\r\n"
    b'From: <sip:ping@192.0.2.1>;tag=1\r\nTo: "Far, side" <sip:192.0.2.2>;tag=2\r\n'
    b"Call-ID: c@192.0.2.1\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)
CORPUS: Final = [
    *(VALID | INVALID | APPLICATION | IPV6).values(),
    # The hot path reads this layout alone, so it gets a fair share.
    *[PROBE_ANSWER] * 10,
]
FRAGMENTS: Final = [
    line.partition(b":")[2].strip() if b": " in line else line.split(b" ")[1]
    for message in CORPUS
    for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")
    if b" " in line.strip()
]
TELLING: Final = [
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\r\n ", b"\x00", b"\x7f", b"\xff", b"\xc3\xa9"),
    *(b'"', b"\\", b"<", b">", b",", b";", b":", b"=", b"@", b"?", b"%", b"/", b"[", b"]", b" "),
    *(b"\t", b"-1", b"4294967296", b"\xd9\xa3", b"SIP/2.0", b"Via: ", b"v:", b";branch=", b";tag"),
    *(b"sip:", b"Content-Length: ", b"CSeq: 1 OPTIONS\r\n", b"\xef\xbb\xbf", b"::", b"OPTIONS "),
]
"""What means something to the parser, and what looks as if it did."""


def flip_a_bit(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def truncate(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    del data[chance.randint(0, len(data)) :]


def cut_a_piece(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    start = chance.randint(0, len(data))
    del data[start : start + chance.randint(1, 12)]


def splice(data: bytearray, chance: random.Random, corpus: list[bytes]) -> None:
    other = chance.choice(corpus)
    data[chance.randint(0, len(data)) :] = other[chance.randint(0, len(other)) :]


def repeat_a_line(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    lines = data.split(b"\n")
    lines.insert(chance.randint(0, len(lines)), chance.choice(lines))
    data[:] = b"\n".join(lines)


def insert_random_bytes(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    place = chance.randint(0, len(data))
    data[place:place] = chance.randbytes(chance.randint(1, 4))


def insert_what_is_telling(data: bytearray, chance: random.Random, _: list[bytes]) -> None:
    place = chance.randint(0, len(data))
    data[place:place] = chance.choice(TELLING)


WAYS: Final = (
    flip_a_bit,
    truncate,
    cut_a_piece,
    splice,
    repeat_a_line,
    insert_random_bytes,
    insert_what_is_telling,
)


def mutated(corpus: list[bytes], chance: random.Random) -> bytes:
    data = bytearray(chance.choice(corpus))
    for _ in range(chance.choice((1, 1, 2, 4))):
        chance.choice(WAYS)(data, chance, corpus)
    return bytes(data)


def check_message(data: bytes) -> bool:
    """Give ``data`` to everything that reads datagrams; True if it is a message."""
    answer = answer_request(data, "192.0.2.9", 5060, settings=SETTINGS)
    if answer is not None:
        said = parse_message(answer.data)
        assert isinstance(said, Response)
        assert NameAddr.parse(said.headers.single("To")).tag
        assert answer.host == "192.0.2.9"
    peeked = peek_response(data)
    try:
        message = parse_message(data)
    except SipError:
        return False
    assert parse_message(message.encode()) == message
    if isinstance(message, Response):
        assert answer is None
        check_response(data, peeked)
    else:
        assert peeked is None
    return True


def check_response(data: bytes, peeked: tuple[int, bytes] | None) -> None:
    try:
        facts = response_facts(data)
    except SipError:
        return
    if peeked is not None:
        assert peeked == (facts.code, facts.branch)
        assert (facts.via_count, facts.cseq_method) == (1, "OPTIONS")


READERS: Final[tuple[Callable[[str], object], ...]] = (
    SipUri.parse,
    Via.parse,
    NameAddr.parse,
    CSeq.parse,
)


def check_value(data: bytes) -> int:
    """Give ``data`` to everything that reads a value; the number that could."""
    text = data.decode("utf-8", "surrogateescape")
    readable = 0
    for read in READERS:
        try:
            value = read(text)
        except SipError:
            continue
        assert read(str(value)) == value
        readable += 1
    return readable


def holding(check: Callable[[bytes], int], corpus: list[bytes], seed: int, count: int) -> int:
    """Check ``count`` mutations; the number of them that could still be read."""
    chance = random.Random(seed)
    readable = 0
    for number in range(count):
        data = mutated(corpus, chance)
        try:
            readable += check(data)
        except BaseException as problem:  # whatever it is, it goes on with what caused it
            problem.add_note(f"mutation {number} of seed {seed} is {data!r}")
            raise
    return readable


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutated_message_is_read_or_refused_and_answered_legally_or_not_at_all(seed: int) -> None:
    count = MUTATIONS // 2 // len(SEEDS)
    # Neither all nor none: otherwise one of the two ways out would not have been tried.
    assert count // 10 < holding(check_message, CORPUS, seed, count) < count


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutated_value_is_read_or_refused_and_reads_back_as_itself(seed: int) -> None:
    count = MUTATIONS // 2 // len(SEEDS)
    assert count // 10 < holding(check_value, FRAGMENTS, seed, count) < count * len(READERS)


@pytest.mark.parametrize("name", VALID | INVALID | APPLICATION | IPV6)
def test_a_message_cut_off_anywhere_is_read_or_refused(name: str) -> None:
    message = (VALID | INVALID | APPLICATION | IPV6)[name]
    assert not check_message(message[: message.index(b"\r\n\r\n") + 2])
    for length in range(0, len(message), 7):
        check_message(message[:length])
