"""Code and branch of an ordinary response, without parsing it: the hot path of a prober.

Nearly every answer to an OPTIONS looks the same: ``SIP/2.0 200 OK``, then one Via in the common
spelling, then the rest. For that layout a few searches give what a client needs to match the
answer (RFC 3261 §17.1.3), in a small part of the time that the parser takes. Anything else (a
folded, joined or second Via, a compact name, another order, a CSeq of another method) gives None,
and the caller asks ``message.response_facts``.

What is not needed is not checked: headers that the parser would refuse for their own sake do not
stop an answer here. Where both give an answer, it is the same one.
"""

from __future__ import annotations

import re

__all__ = ["peek_response"]

# The class leaves out quotes, commas, angle brackets and white space, so that nothing in the Via
# can hide a second one or a second reading of the branch.
_match_start = re.compile(
    rb"SIP/2\.0 ([1-6][0-9]{2}) [^\r\n]*\r\nVia: SIP/2\.0/[A-Z]+ ([!#-+\--;=?-~]+)\r\n"
).match
# The first line after the Via that is folded, ends the headers or may be another Via.
_search_remarkable = re.compile(rb"\n[\r\nVv \t]").search
_match_options = re.compile(rb"\nCSeq: [0-9]{1,10} OPTIONS\r\n").match
_CARRIAGE_RETURN = 13
_BRANCH = b";branch="


def peek_response(data: bytes) -> tuple[int, bytes] | None:
    """Status code and top branch of a response to OPTIONS; None: ask the full parser."""
    start = _match_start(data)
    if start is None:
        return None
    via_end = start.end() - 1
    remarkable = _search_remarkable(data, via_end)
    if remarkable is None:
        return None
    headers_end = remarkable.start()
    if data[headers_end + 1] != _CARRIAGE_RETURN:
        return None
    place = data.find(b"\nCSeq: ", via_end, headers_end)
    if place < 0 or _match_options(data, place) is None:
        return None
    code, via = start.groups()
    found = via.find(_BRANCH)
    if found < 0:
        return None
    branch = via[found + 8 :]
    if b";" in branch:
        branch = branch.partition(b";")[0]
    return (int(code), branch) if branch else None
