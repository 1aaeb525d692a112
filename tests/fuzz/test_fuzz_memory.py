"""A message costs memory in proportion to its size, whatever it is made of."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from typing import Final

import pytest

from fuzz.corpus import CORPUS
from fuzz.mutation import mutated
from fuzz.oracles import ORACLES, check_message
from trunkpulse.sip.message import MAX_BYTES

CONSTANT_BYTES: Final = 1024 * 1024
PER_BYTE: Final = 40

_COPIED: Final = (
    b"From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 OPTIONS\r\n"
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx\r\n"
)


PLAIN: Final = b"OPTIONS sip:a@b SIP/2.0\r\n" + _COPIED + b"\r\n"


def filled(piece: bytes) -> bytes:
    """As large a request as there may be, of nothing but ``piece`` after what it must have."""
    return PLAIN[:-2] + piece * ((MAX_BYTES - len(PLAIN)) // len(piece)) + b"\r\n"


def long_header(name: bytes, piece: bytes) -> bytes:
    """One header as long as it may be."""
    return name + b": x" + piece * (8000 // len(piece)) + b"\r\n"


GREEDY: Final[dict[str, bytes]] = {
    "empty headers": filled(b"a:\r\n"),
    "empty headers after lone line feeds": filled(b"a:\n"),
    "lines that are no headers": filled(b"a\n"),
    "continuations": filled(b" x\r\n"),
    "empty continuations": filled(b" \n"),
    "Vias without number": filled(b"v:SIP/2.0/UDP a;branch=b\r\n"),
    "members of Via": filled(long_header(b"Via", b",")),
    "members of Require": filled(long_header(b"Require", b",a")),
    "members of Contact": filled(long_header(b"Contact", b",<a:b>")),
    "challenges": filled(long_header(b"WWW-Authenticate", b",Digest a=b")),
    "flags of To": PLAIN.replace(b"<sip:c@d>", b"<sip:c@d>" + b";a" * 4000),
    "parameters of Via": PLAIN.replace(b";branch", b"".join(b";%x" % n for n in range(1600))),
    "half-characters": filled(long_header(b"Subject", b"\xff")),
    "wide characters": filled(long_header(b"Subject", "😀".encode())),
    "quotes": filled(long_header(b"Contact", b'"')),
    "backslashes": filled(long_header(b"Contact", b"\\")),
    "line breaks ahead": b"\r\n" * 30_000 + PLAIN,
    "a long body": PLAIN + b"\n" * 60_000,
}


def peak_bytes(check: Callable[[bytes], bool], data: bytes) -> int:
    tracemalloc.start()
    try:
        check(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", GREEDY)
def test_a_message_made_to_be_dear_is_not(name: str) -> None:
    request = GREEDY[name]
    answer = request.replace(b"OPTIONS sip:a@b SIP/2.0", b"SIP/2.0 401 Unauthorized")
    for data in (request, answer):
        for check in ORACLES:
            peak = peak_bytes(check, data)
            assert peak < CONSTANT_BYTES + PER_BYTE * len(data), f"{check.__name__}: {peak}"


def test_a_mutated_message_costs_no_more_than_its_size_warrants() -> None:
    chance = random.Random(4475)
    for _ in range(1000):
        data = mutated(CORPUS, chance)
        assert peak_bytes(check_message, data) < CONSTANT_BYTES + PER_BYTE * len(data), data
