"""What mutations start from: every torture message, and what far sides really send."""

from __future__ import annotations

from itertools import cycle
from typing import Final

from fuzz.field import FIELD
from torture.sip.rfc4475_application import APPLICATION
from torture.sip.rfc4475_invalid import INVALID
from torture.sip.rfc4475_valid import VALID
from torture.sip.rfc5118 import IPV6

__all__ = ["CHALLENGES", "CORPUS", "LINES", "STREAMS", "TELLING", "VALUES"]

CORPUS: Final = tuple((VALID | INVALID | APPLICATION | IPV6 | FIELD).values())
"""Whole messages."""

CHALLENGES: Final = tuple(message for message in CORPUS if b"-Authenticate:" in message)
"""Those that want to know who asks."""

STREAMS: Final = tuple(
    pulse + first + pulse + second
    for first, second, pulse in zip(
        FIELD.values(),
        reversed(FIELD.values()),
        cycle((b"", b"\r\n", b"\r\n\r\n")),
        strict=False,
    )
)
"""Two messages each, with what may stand before and between them."""

LINES: Final = tuple(
    line
    for message in CORPUS
    for line in message.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    if b":" in line and not line.startswith((b" ", b"\t"))
)
"""Header lines, each without its continuation."""

VALUES: Final = tuple(
    dict.fromkeys(
        [
            *(line.partition(b":")[2].strip() for line in LINES),
            *(message.split(b" ")[1] for message in CORPUS),
            *(b"120 (a (nested) comment);duration=60", b"0", b"18000;duration=3600", b"5 (\\))"),
        ]
    )
)
"""Header values and Request-URIs."""

TELLING: Final = (
    *(b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\n ", b"\r\n\t", b"\x00", b"\x7f", b"\xff"),
    *(b'"', b"\\", b"<", b">", b",", b";", b":", b"=", b"@", b"?", b"%", b"/", b"[", b"]", b" "),
    *(b"(", b")", b"\t", b"\xd9\xa3", b"\xc2\xa0", b"\xc3\xa9", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *(b"SIP/2.0", b"SIP/2.0 200 OK\r\n", b"OPTIONS ", b"Via: SIP/2.0/UDP ", b"v:", b"\r\nVia: x"),
    *(b";branch=", b";branch=z9hG4bK7f3a90c1d2e4", b";rport", b";received=", b";tag=", b"sip:"),
    *(b"CSeq: 1 OPTIONS\r\n", b"Content-Length: ", b"l: 3\r\n", b"::", b"z9hG4bK", b"%0d%0a"),
    *(b"Digest ", b'nonce="', b"stale=true", b"auth-int", b"Retry-After: "),
)
"""What means something to the parser, and what looks as if it did."""
