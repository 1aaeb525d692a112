"""Where a message ends on a stream (RFC 3261 §18.3), and what comes between messages (RFC 5626).

A stream has no packets: bytes come in any portions, and only Content-Length tells one message from
the next. Between messages two things may stand: CRLF CRLF, by which a client asks whether the
connection is alive (*ping*), and a lone CRLF, the answer to that (*pong*, RFC 5626 §4.4.1).

Half a ping looks like a pong. Only clients ping, so whoever expects pongs takes a lone CRLF for one
at once, and whoever does not waits for the other half. But for that, the same bytes give the same
frames and the same fault, however the network cut them.

A stream whose messages cannot be told apart is lost for good: there is no place to begin anew. What
came whole before that still counts. Nothing is searched twice, so a message that comes byte by byte
takes no longer than in one piece.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Final

from trunkpulse.sip.errors import SipError, shown

__all__ = ["Frame", "FramingLost", "MessageFramer", "Pulse"]

_END_OF_HEADERS: Final = re.compile(rb"\r?\n\r?\n")
_LENGTH: Final = re.compile(
    rb"\n(?:content-length|l)[ \t]*:((?:[^\r\n]|\r?\n[ \t])*)(?=\r?\n|\Z)", re.IGNORECASE
)
_NUMBER: Final = re.compile(rb"[0-9]{1,9}")
_START: Final = re.compile(rb"[!-~]")
_START_LINE: Final = re.compile(
    rb"SIP/[0-9]+\.[0-9]+ |[!-~][^\r\n]* SIP/[0-9]+\.[0-9]+[ \t]*\r?\n", re.IGNORECASE
)
_LONGEST_START_LINE_BYTES: Final = 8192


class Pulse(Enum):
    """What may stand between messages."""

    PING = "CRLF CRLF"
    PONG = "CRLF"


Frame = bytes | Pulse
"""One whole message, or a pulse."""


class FramingLost(SipError):
    """What came over a stream is no SIP, or does not say where it ends."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.frames: list[Frame] = []
        """What was whole before the fault, of the same portion."""


class MessageFramer:
    """Takes what a stream gives, in any portions, and gives back whole messages and pulses."""

    __slots__ = ("_begun", "_buffer", "_expects_pongs", "_max_bytes", "_needed", "_scanned")

    def __init__(self, max_bytes: int = 65_535, *, expects_pongs: bool = False) -> None:
        """``max_bytes`` bounds a message; ``expects_pongs`` is for who sends pings."""
        self._max_bytes = max_bytes
        self._expects_pongs = expects_pongs
        self._buffer = bytearray()
        self._begun = False
        """True once the start line of the message that has begun was found to be one."""
        self._scanned = 0
        """So many bytes hold no end of the headers."""
        self._needed: int | None = None
        """Length of the message that has begun, once its headers are complete."""

    @property
    def is_within_message(self) -> bool:
        """True while a message has begun and is not complete."""
        return self._needed is not None or _START.match(self._buffer) is not None

    def feed(self, data: bytes) -> list[Frame]:
        """What ``data`` completes, in order; raises FramingLost, and then the stream is useless."""
        self._buffer += data
        frames: list[Frame] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except FramingLost as problem:
            problem.frames = frames
            raise
        return frames

    def _next(self) -> Frame | None:
        if self._needed is None:
            pulse = self._pulse()
            if pulse is not None:
                return pulse
            self._needed = self._length()
        if self._needed is None or len(self._buffer) < self._needed:
            return None
        message = bytes(self._buffer[: self._needed])
        self._take(self._needed)
        return message

    def _take(self, count: int) -> None:
        del self._buffer[:count]
        self._scanned = 0
        self._needed = None
        self._begun = False

    def _pulse(self) -> Pulse | None:
        if self._buffer.startswith(b"\r\n\r\n"):
            self._take(4)
            return Pulse.PING
        if not self._buffer.startswith(b"\r\n"):
            return None
        if self._buffer == b"\r\n":
            if not self._expects_pongs:
                return None
        elif self._buffer == b"\r\n\r":
            return None
        self._take(2)
        return Pulse.PONG

    def _length(self) -> int | None:
        """The length of the message that begins the buffer; None if its headers are not all there.

        The longest line break before the empty line begins three bytes before its last one.
        """
        buffer = self._buffer
        if not buffer or b"\r\n\r".startswith(buffer):
            return None
        decidable = b"\n" in buffer or len(buffer) > _LONGEST_START_LINE_BYTES
        if not self._begun and (decidable or _START.match(buffer) is None):
            # HTTP, a banner, TLS where TCP was meant: said at once, not when the time is up.
            if _START_LINE.match(buffer) is None:
                raise FramingLost(f"{shown(bytes(buffer[:80]))} is not how a SIP message begins")
            self._begun = True
        end = _END_OF_HEADERS.search(buffer, max(0, self._scanned - 3))
        if end is None:
            self._scanned = len(buffer)
            if len(buffer) > self._max_bytes:
                raise FramingLost(
                    f"the headers of a message are longer than {self._max_bytes} bytes"
                )
            return None
        length = end.end() + _content_length(bytes(buffer[: end.start()]))
        if length > self._max_bytes:
            raise FramingLost(f"a message of {length} bytes is longer than {self._max_bytes}")
        return length


def _content_length(head: bytes) -> int:
    """What the headers say; a stream's messages have to say it (RFC 3261 §18.3)."""
    said = {b" ".join(found.split()) for found in _LENGTH.findall(head)}
    if not said:
        start_line = head.partition(b"\n")[0]
        raise FramingLost(f"the message that begins with {shown(start_line)} has no Content-Length")
    text = b", ".join(sorted(said))
    if not _NUMBER.fullmatch(text):
        raise FramingLost(f"Content-Length {shown(text)} is not one number of bytes")
    return int(text)
