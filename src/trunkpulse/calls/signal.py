"""What of a SIP message a ledger of calls goes by, without parsing the rest of it.

A mirror shows thousands of messages a second, and all that is asked of each is which call it
belongs to and what it does to it. So only five headers are looked for, wherever they stand, in any
spelling that RFC 3261 7.3 allows: compact names, any case, folded lines. Of a header that comes
twice the first counts. What is not a SIP message, or lacks one of the headers, is None.

Every repetition is possessive, so that no text whatsoever is looked at twice.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

__all__ = ["Signal", "read_signal"]

MOST_HEAD_BYTES: Final = 16_384
"""Of start line and headers that are looked at."""
_LONGEST_METHOD: Final = 32

_START: Final = re.compile(
    rb"(?:SIP/2\.0 ([1-6][0-9]{2})(?=[ \r\n])|([A-Za-z]{1,%d}+) [^ \r\n]++ SIP/2\.0\r?\n)"
    % _LONGEST_METHOD,
    re.IGNORECASE,
)
_HEADER: Final = re.compile(
    rb"\n(call-id|i|cseq|from|f|to|t)[ \t]*+:((?:[^\r\n]++|\r?\n[ \t]|\r(?!\n))*+)", re.IGNORECASE
)
_CSEQ: Final = re.compile(rb"\s*+([0-9]{1,10})\s++([A-Za-z]{1,%d}+)\s*+" % _LONGEST_METHOD)
_TAG: Final = re.compile(rb";\s*+tag\s*+=\s*+([^;\s]++)", re.IGNORECASE)
_NAMES: Final = {b"i": b"call-id", b"f": b"from", b"t": b"to"}


class Signal(NamedTuple):
    """One message of a call."""

    method: bytes
    """Upper case; of a response that of its CSeq."""
    code: int
    """Of a response; 0: it is a request."""
    call_id: bytes
    cseq: int
    from_tag: bytes
    """Empty: none."""
    to_tag: bytes
    """Empty: none, so a request without is outside of any dialog (RFC 3261 12.2)."""


def read_signal(data: bytes) -> Signal | None:
    """What ``data`` says, if it is a SIP message; never raises."""
    head = data[:MOST_HEAD_BYTES].lstrip(b"\r\n")
    start = _START.match(head)
    if start is None:
        return None
    end = head.find(b"\r\n\r\n")
    if end < 0 and (end := head.find(b"\n\n")) < 0:
        end = len(head)
    found: dict[bytes, bytes] = {}
    for header in _HEADER.finditer(head, 0, end):
        name = header[1].lower()
        found.setdefault(_NAMES.get(name, name), header[2])
    if len(found) < 4:
        return None
    numbered = _CSEQ.fullmatch(found[b"cseq"])
    call_id = found[b"call-id"].strip()
    if numbered is None or not call_id:
        return None
    code, method = start[1], start[2]
    named = numbered[2].upper()
    if method is not None and method.upper() != named:
        return None
    return Signal(
        named,
        0 if code is None else int(code),
        call_id,
        int(numbered[1]),
        _tag(found[b"from"]),
        _tag(found[b"to"]),
    )


def _tag(value: bytes) -> bytes:
    """The tag of a From or To: a parameter after the address, not one within its URI."""
    found = _TAG.search(value, value.rfind(b">") + 1)
    return b"" if found is None else found[1]
