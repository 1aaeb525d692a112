"""What a redirect server says: where a call may go, in order, or why it may go nowhere.

A 302 names the places to try in its Contact (RFC 3261 §8.3, §21.3.3), best first, each with a lower
``q`` than the one before (§20.10). Who asked calls the same number there: a place keeps its host,
port and parameters, and gets the user part of the Request-URI, as any dispatcher does it.

A refusal says why in a Warning (§20.43) with the code 399, which is there for people to read. The
Reason header (RFC 3326 §2) would be the other way to say it, but it may only stand in a response
whose status code is defined to allow it, and none of ours is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import quote as percent_encoded

from trunkpulse.sip.errors import MalformedUri, shown
from trunkpulse.sip.grammar import quote
from trunkpulse.sip.status import REASON_PHRASES
from trunkpulse.sip.uri import SipUri

__all__ = [
    "MOST_CONTACTS",
    "Called",
    "Destination",
    "contact_header",
    "refusal",
    "status",
]

MOST_CONTACTS: Final = 16
"""Of one answer. Each is tried for seconds: who has not got through by then has hung up."""

_WARN_CODE_AND_AGENT: Final = "399 trunkpulse"
"""Miscellaneous, and a pseudonym: a host and port may be none of the asker's business."""
_HEADER_VALUE_SAFE: Final = "-_.!~*'()[]/?:+$"
"""What need not be escaped in a header of a URI (§25.1 hvalue)."""

_USER_PART = r"(?:[A-Za-z0-9\-_.!~*'()&=+$,;?/]|%[0-9A-Fa-f]{2})++"
_CALLED = re.compile(rf"sips?:({_USER_PART})(?::[^@]*+)?@([^@]++)", re.IGNORECASE)
_E164 = re.compile(r"\+[0-9]+")


class Called(NamedTuple):
    """Whom a Request-URI calls."""

    user: str
    """As it was written, escapes included."""
    is_telephone: bool
    """True if the URI says that this is a telephone number (§19.1.1, ``user=phone``)."""

    @classmethod
    def read(cls, request_uri: str, e164: str) -> Called:
        """Of a SIP URI its user part; a tel URI gives ``e164``, its number (§19.1.6).

        Raises MalformedUri if the user part could not stand in a Contact.
        """
        found = _CALLED.fullmatch(request_uri)
        if found is not None:
            return cls(found[1], ";user=phone" in found[2].lower())
        if request_uri[:4].lower() == "tel:":
            return cls(e164, is_telephone=_E164.fullmatch(e164) is not None)
        raise MalformedUri(f"{shown(request_uri)} has no user part that can be called elsewhere")


class Destination(NamedTuple):
    """One place where calls may go, prepared: only the called user is missing."""

    scheme: str
    """With its colon."""
    place: str
    """Host, port and parameters."""
    headers: str
    """Of the URI, with the question mark; empty if there are none."""

    @classmethod
    def of(cls, uri: SipUri, outbound_proxy: str | None = None) -> Destination:
        """``uri`` without its user. Calls go by way of ``outbound_proxy``, a SIP URI, if any.

        The proxy is a Route header of the URI (§19.1.1), which whoever calls it puts into the
        request.
        """
        there = SipUri(uri.scheme, None, None, uri.host, uri.port, uri.parameters)
        headers = ""
        if outbound_proxy is not None:
            escaped = percent_encoded(f"<{outbound_proxy}>", safe=_HEADER_VALUE_SAFE)
            headers = f"?Route={escaped}"
        return cls(f"{uri.scheme}:", str(there)[len(uri.scheme) + 1 :], headers)

    def for_call(self, called: Called) -> str:
        """The URI to call ``called`` by."""
        telephone = ";user=phone" if called.is_telephone else ""
        return f"{self.scheme}{called.user}@{self.place}{telephone}{self.headers}"


def contact_header(uris: Sequence[str]) -> bytes:
    """The Contact line of a redirect: ``uris``, 1 to 16 of them, in the order to try.

    All are on one line, for some who follow redirects read the first Contact line alone.
    """
    if not 1 <= len(uris) <= MOST_CONTACTS:
        raise ValueError(f"a redirect names 1 to {MOST_CONTACTS} places, not {len(uris)}")
    shares = _SHARES[len(uris)]
    line = ", ".join([f"<{uri}>;q={share}" for uri, share in zip(uris, shares, strict=True)])
    return f"Contact: {line}\r\n".encode()


def _q_values(count: int) -> tuple[str, ...]:
    """Falling from 1 in equal steps, none of them 0."""
    if count <= 10:
        return tuple(f"{1 - place / 10:.1f}" for place in range(count))
    return tuple(f"{1 - place / count:.3f}" for place in range(count))


_SHARES: Final = {count: _q_values(count) for count in range(1, MOST_CONTACTS + 1)}


def status(code: int) -> bytes:
    """Code and phrase as they stand in a status line."""
    return _STATUSES[code]


_STATUSES: Final = {code: f"{code} {phrase}".encode() for code, phrase in REASON_PHRASES.items()}


def refusal(why: str, retry_after_seconds: int | None = None) -> bytes:
    """The header lines of a refusal: why, as a sentence, and when to ask again (§20.33)."""
    lines = f"Warning: {_WARN_CODE_AND_AGENT} {quote(why)}\r\n"
    if retry_after_seconds is not None:
        lines += f"Retry-After: {retry_after_seconds}\r\n"
    # What is quoted of a Request-URI may hold bytes that are no text.
    return lines.encode("utf-8", "replace")
