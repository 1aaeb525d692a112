"""HEP frames: what a mirror writes is read, and nothing that anybody sends does harm."""

from __future__ import annotations

import contextlib
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.calls.hep import (
    MOST_CHUNKS,
    MOST_PAYLOAD_BYTES,
    HepMalformed,
    Mirrored,
    frame,
    parse_frame,
)

PORTS = st.integers(0, 65_535)
FOUR = st.tuples(st.ip_addresses(v=4).map(str), PORTS)
SIX = st.tuples(st.ip_addresses(v=6).map(str), PORTS)
ENDS = st.one_of(st.tuples(FOUR, FOUR), st.tuples(SIX, SIX))
MIRRORED = st.builds(
    lambda ends, **rest: Mirrored(source=ends[0], destination=ends[1], **rest),
    ENDS,
    payload=st.binary(max_size=2000),
    connected=st.booleans(),
    at=st.none() | st.integers(0, 2**32 - 1).map(float),
    kind=st.integers(0, 255),
    agent=st.integers(0, 2**32 - 1),
    key=st.binary(max_size=64),
)
INVITE = Mirrored(b"INVITE sip:b@x SIP/2.0\r\n\r\n", ("192.0.2.1", 5060), ("192.0.2.2", 5060))


def chunk(kind: int, content: bytes, *, vendor: int = 0, length: int | None = None) -> bytes:
    size = 6 + len(content) if length is None else length
    return struct.pack(">HHH", vendor, kind, size) + content


def framed(*chunks: bytes, length: int | None = None, magic: bytes = b"HEP3") -> bytes:
    body = b"".join(chunks)
    return magic + struct.pack(">H", 6 + len(body) if length is None else length) + body


ADDRESSES = (chunk(3, bytes(4)), chunk(4, bytes(4)))


@given(MIRRORED, st.booleans())
def test_what_is_written_is_read(mirrored: Mirrored, compressed: bool) -> None:  # noqa: FBT001
    assert parse_frame(frame(mirrored, compressed=compressed)) == mirrored


@given(st.binary(max_size=400))
def test_nothing_that_arrives_raises_anything_else(data: bytes) -> None:
    for each in (data, b"HEP3" + data, framed(data)):
        with contextlib.suppress(HepMalformed):
            parse_frame(each)


@given(MIRRORED, st.data())
def test_a_frame_with_a_wrong_byte_is_read_or_malformed(
    mirrored: Mirrored, data: st.DataObject
) -> None:
    sound = bytearray(frame(mirrored, compressed=data.draw(st.booleans())))
    for _ in range(data.draw(st.integers(1, 4))):
        sound[data.draw(st.integers(0, len(sound) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(HepMalformed):
        assert len(parse_frame(bytes(sound)).payload) <= MOST_PAYLOAD_BYTES


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no head"),
        (b"HEP3\0", "no head"),
        (framed(*ADDRESSES, chunk(15, b"x"), magic=b"HEP2"), "begin with HEP3"),
        (framed(*ADDRESSES, chunk(15, b"x"), length=60_000), "says that it has 60000 bytes"),
        (framed(*ADDRESSES, chunk(15, b"x"), length=6), "says that it has 6 bytes"),
        (framed(*ADDRESSES, b"\0\0\0"), "within the head of a chunk"),
        (framed(*ADDRESSES, chunk(15, b"x", length=5)), "says that it has 5 bytes"),
        (framed(*ADDRESSES, chunk(15, b"x", length=0)), "says that it has 0 bytes"),
        (framed(*ADDRESSES, chunk(15, b"x", length=8)), "says that it has 8 bytes"),
        (framed(chunk(3, bytes(3)), ADDRESSES[1], chunk(15, b"x")), "0x0003 has 3 bytes"),
        (framed(*ADDRESSES, chunk(7, bytes(4)), chunk(15, b"x")), "0x0007 has 4 bytes"),
        (framed(ADDRESSES[0], chunk(15, b"x")), "from where to where"),
        (framed(ADDRESSES[0], chunk(6, bytes(16)), chunk(15, b"x")), "from where to where"),
        (framed(*ADDRESSES), "no payload"),
        (framed(*ADDRESSES, chunk(16, b"not zlib")), "cannot be inflated"),
        (framed(*ADDRESSES, chunk(16, zlib.compress(b"x" * 100)[:-3])), "cut short"),
        (framed(*[chunk(17, b"")] * (MOST_CHUNKS + 1)), f"more than {MOST_CHUNKS} chunks"),
    ],
)
def test_what_is_wrong_is_named(data: bytes, said: str) -> None:
    with pytest.raises(HepMalformed, match=said):
        parse_frame(data)


def test_a_payload_that_swells_is_not_inflated_further_than_a_message_can_be() -> None:
    just = zlib.compress(bytes(MOST_PAYLOAD_BYTES))
    assert len(parse_frame(framed(*ADDRESSES, chunk(16, just))).payload) == MOST_PAYLOAD_BYTES
    for size in (MOST_PAYLOAD_BYTES + 1, 50_000_000):
        bomb = zlib.compress(bytes(size))
        with pytest.raises(HepMalformed, match="longer than 65535"):
            parse_frame(framed(*ADDRESSES, chunk(16, bomb[:60_000])))


def test_chunks_that_are_not_known_are_passed_over_and_the_first_of_two_counts() -> None:
    data = framed(
        chunk(15, b"not this", vendor=7),
        chunk(0x1234, b"?"),
        *ADDRESSES,
        chunk(15, b"this"),
        chunk(15, b"nor this"),
    )
    read = parse_frame(data)
    assert (read.payload, read.connected, read.kind, read.at) == (b"this", False, 1, None)


def test_a_frame_that_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="longer than a frame can be"):
        frame(INVITE._replace(payload=bytes(65_535)))
    with pytest.raises(ValueError, match="two addresses of one kind"):
        frame(INVITE._replace(source=("::1", 5060)))
