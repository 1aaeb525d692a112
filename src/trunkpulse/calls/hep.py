"""HEP version 3, the frames in which SIP servers mirror what they send and receive (Homer's EEP).

A frame is ``HEP3``, its whole length (two bytes), and chunks; a chunk is a vendor, a type and its
own whole length (two bytes each), and what it holds. All numbers are big-endian. Vendor 0 has the
generic types, of which those below are read; every other chunk is passed over. The description is
the HEP/EEP network protocol specification, revision 36 (github.com/sipcapture/HEP).

A compressed payload is a zlib stream. It is inflated up to ``MOST_PAYLOAD_BYTES`` and no further.
"""

from __future__ import annotations

import ipaddress
import socket
import struct
import zlib
from typing import Final, NamedTuple

__all__ = ["MOST_PAYLOAD_BYTES", "SIP", "HepMalformed", "Mirrored", "frame", "parse_frame"]

MOST_PAYLOAD_BYTES: Final = 65_535
"""Of a payload, inflated: no SIP message over UDP is longer (RFC 3261 18.1.1)."""
MOST_CHUNKS: Final = 64
"""Of a frame; real ones have about fifteen."""
SIP: Final = 1
"""The capture type of SIP."""

_MAGIC: Final = b"HEP3"
_HEAD: Final = struct.Struct(">4sH")
_CHUNK: Final = struct.Struct(">HHH")
_CHUNK_BYTES: Final = _CHUNK.size

_FAMILY, _PROTOCOL = 0x0001, 0x0002
_SOURCE_IPV4, _DESTINATION_IPV4 = 0x0003, 0x0004
_SOURCE_IPV6, _DESTINATION_IPV6 = 0x0005, 0x0006
_SOURCE_PORT, _DESTINATION_PORT = 0x0007, 0x0008
_SECONDS, _MICROSECONDS = 0x0009, 0x000A
_KIND, _AGENT = 0x000B, 0x000C
_KEY, _PAYLOAD, _COMPRESSED = 0x000E, 0x000F, 0x0010

_LENGTHS: Final = {
    _FAMILY: 1,
    _PROTOCOL: 1,
    _SOURCE_IPV4: 4,
    _DESTINATION_IPV4: 4,
    _SOURCE_IPV6: 16,
    _DESTINATION_IPV6: 16,
    _SOURCE_PORT: 2,
    _DESTINATION_PORT: 2,
    _SECONDS: 4,
    _MICROSECONDS: 4,
    _KIND: 1,
    _AGENT: 4,
}
"""Bytes of the chunks whose length is fixed."""


class HepMalformed(ValueError):
    """The frame cannot be read; nothing of it is used."""


class Mirrored(NamedTuple):
    """One message that somebody else sent or received."""

    payload: bytes
    source: tuple[str, int]
    """Address and port, the address as ``ipaddress`` writes it."""
    destination: tuple[str, int]
    connected: bool = False
    """True if it went over a connection, whose far port may be any; False: over UDP."""
    at: float | None = None
    """When, in seconds since the epoch by the sender's clock."""
    kind: int = SIP
    agent: int = 0
    """The number that the sender was given (``hep_capture_id``)."""
    key: bytes = b""
    """What the sender shows to be let in."""


def parse_frame(data: bytes) -> Mirrored:
    """Read one whole frame; raises HepMalformed and nothing else."""
    if len(data) < _HEAD.size:
        raise HepMalformed(f"a frame of {len(data)} bytes has no head")
    magic, length = _HEAD.unpack_from(data)
    if magic != _MAGIC:
        raise HepMalformed("a datagram that does not begin with HEP3 is no frame of version 3")
    if length != len(data):
        raise HepMalformed(f"a frame says that it has {length} bytes and has {len(data)}")
    return _mirrored(_chunks(data, length))


def _chunks(data: bytes, length: int) -> dict[int, bytes]:
    """What each generic chunk holds, by its type; of two alike the first counts."""
    found: dict[int, bytes] = {}
    place, count = _HEAD.size, 0
    while place < length:
        count += 1
        if count > MOST_CHUNKS:
            raise HepMalformed(f"a frame has more than {MOST_CHUNKS} chunks")
        if length - place < _CHUNK_BYTES:
            raise HepMalformed("a frame ends within the head of a chunk")
        vendor, kind, size = _CHUNK.unpack_from(data, place)
        if size < _CHUNK_BYTES or size > length - place:
            raise HepMalformed(f"a chunk says that it has {size} bytes, which cannot be")
        if vendor == 0 and kind not in found:
            content = data[place + _CHUNK_BYTES : place + size]
            if _LENGTHS.get(kind, len(content)) != len(content):
                raise HepMalformed(f"chunk 0x{kind:04x} has {len(content)} bytes, which is wrong")
            found[kind] = content
        place += size
    return found


def _mirrored(chunks: dict[int, bytes]) -> Mirrored:
    source, destination = chunks.get(_SOURCE_IPV4), chunks.get(_DESTINATION_IPV4)
    if source is None or destination is None:
        source, destination = chunks.get(_SOURCE_IPV6), chunks.get(_DESTINATION_IPV6)
    if source is None or destination is None:
        raise HepMalformed("a frame does not say from where to where its payload went")
    seconds = chunks.get(_SECONDS)
    at = None
    if seconds is not None:
        at = _number(seconds) + _number(chunks.get(_MICROSECONDS, b"")) / 1_000_000
    return Mirrored(
        _payload(chunks),
        (_host(source), _number(chunks.get(_SOURCE_PORT, b""))),
        (_host(destination), _number(chunks.get(_DESTINATION_PORT, b""))),
        _number(chunks.get(_PROTOCOL, b"\x11")) != socket.IPPROTO_UDP,
        at,
        _number(chunks.get(_KIND, b"\x01")),
        _number(chunks.get(_AGENT, b"")),
        chunks.get(_KEY, b""),
    )


def _number(content: bytes) -> int:
    return int.from_bytes(content, "big")


def _host(content: bytes) -> str:
    if len(content) == 4:
        return socket.inet_ntoa(content)
    return str(ipaddress.IPv6Address(content))


def _payload(chunks: dict[int, bytes]) -> bytes:
    plain = chunks.get(_PAYLOAD)
    if plain is not None:
        return plain
    compressed = chunks.get(_COMPRESSED)
    if compressed is None:
        raise HepMalformed("a frame has no payload")
    stream = zlib.decompressobj()
    try:
        payload = stream.decompress(compressed, MOST_PAYLOAD_BYTES)
    except zlib.error as problem:
        raise HepMalformed(f"a compressed payload cannot be inflated: {problem}") from None
    if not stream.eof:
        raise HepMalformed(
            f"a compressed payload is cut short, or is longer than {MOST_PAYLOAD_BYTES} bytes"
        )
    return payload


def frame(mirrored: Mirrored, *, compressed: bool = False) -> bytes:
    """``mirrored`` as it goes over the wire; raises ValueError if it cannot.

    ``parse_frame`` gives the same again, but that moments are kept to the microsecond.
    """
    source, destination = (
        ipaddress.ip_address(each[0]) for each in (mirrored.source, mirrored.destination)
    )
    if source.version != destination.version:
        raise ValueError("a frame has two addresses of one kind")
    four = source.version == 4
    chunks = [
        (_FAMILY, bytes([2 if four else 10])),
        (_PROTOCOL, bytes([socket.IPPROTO_TCP if mirrored.connected else socket.IPPROTO_UDP])),
        (_SOURCE_IPV4 if four else _SOURCE_IPV6, source.packed),
        (_DESTINATION_IPV4 if four else _DESTINATION_IPV6, destination.packed),
        (_SOURCE_PORT, mirrored.source[1].to_bytes(2, "big")),
        (_DESTINATION_PORT, mirrored.destination[1].to_bytes(2, "big")),
        (_KIND, bytes([mirrored.kind])),
        (_AGENT, mirrored.agent.to_bytes(4, "big")),
    ]
    if mirrored.at is not None:
        seconds, microseconds = divmod(round(mirrored.at * 1_000_000), 1_000_000)
        chunks.append((_SECONDS, seconds.to_bytes(4, "big")))
        chunks.append((_MICROSECONDS, microseconds.to_bytes(4, "big")))
    if mirrored.key:
        chunks.append((_KEY, mirrored.key))
    if compressed:
        chunks.append((_COMPRESSED, zlib.compress(mirrored.payload)))
    else:
        chunks.append((_PAYLOAD, mirrored.payload))
    length = _HEAD.size + sum(_CHUNK_BYTES + len(content) for _, content in chunks)
    if length > 0xFFFF:
        raise ValueError(f"a frame of {length} bytes is longer than a frame can be")
    head = _HEAD.pack(_MAGIC, length)
    return head + b"".join(
        _CHUNK.pack(0, kind, _CHUNK_BYTES + len(content)) + content for kind, content in chunks
    )
