"""Code and branch of an ordinary response, without parsing it: the hot path of a prober.

Nearly every answer to an OPTIONS looks the same: ``SIP/2.0 200 OK``, then one Via in the common
spelling, then the rest. For that layout one regular expression gives what a client needs to match
the answer (RFC 3261 §17.1.3), in a small part of the time that the parser takes. Anything else (a
folded, joined or second Via, a compact name, another order, a CSeq of another method) gives None,
and the caller asks ``message.response_facts``.

What is not needed is not checked: headers that the parser would refuse for their own sake do not
stop an answer here. Where both give an answer, it is the same one.

Every repetition is possessive, so that no text whatsoever is looked at twice.
"""

from __future__ import annotations

import re

__all__ = ["ordinary_response", "peek_response"]

# Quotes, commas, angle brackets and white space are left out, so that nothing in the Via can hide
# a second one or a second reading of the branch. With and without the semicolon:
_VISIBLE = rb"[!#-+\--;=?-~]"
_WITHIN_PARAMETER = rb"[!#-+\--:=?-~]"
# A line that is not folded, does not end the headers and cannot be another Via.
_LINE = rb"[^Vv \t\r\n][^\n]*+\n"


def ordinary_response(branch: bytes) -> re.Pattern[bytes]:
    """What an ordinary response to OPTIONS looks like if its top branch matches ``branch``.

    The groups are the status code's three digits, and then those of ``branch``, which is a regular
    expression and has to know itself where it ends.
    """
    return re.compile(
        rb"SIP/2\.0 ([1-6][0-9]{2}) [^\r\n]*+\r\n"
        rb"Via: SIP/2\.0/[A-Z]++ %b++(?:;(?!branch=)%b++)*+;branch=%b(?![^;\r])%b*+\r\n"
        rb"(?:(?!CSeq: )%b)*+CSeq: [0-9]{1,10} OPTIONS\r\n(?:%b)*+\r\n"
        % (_WITHIN_PARAMETER, _WITHIN_PARAMETER, branch, _VISIBLE, _LINE, _LINE)
    )


_match_ordinary = ordinary_response(rb"(%b++)" % _WITHIN_PARAMETER).match


def peek_response(data: bytes) -> tuple[int, bytes] | None:
    """Status code and top branch of a response to OPTIONS; None: ask the full parser."""
    found = _match_ordinary(data)
    return None if found is None else (int(found[1]), found[2])
