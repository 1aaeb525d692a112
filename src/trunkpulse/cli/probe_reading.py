"""What can be read from a message at the tap: which request it answers, and what it says.

The prober asks no more of an answer than its status code and its branch; a person wants to know
the rest. Nothing here raises for what a message holds.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from trunkpulse.cli.probe_facts import FarSide
from trunkpulse.sip.errors import MalformedMessage
from trunkpulse.sip.grammar import host_and_port
from trunkpulse.sip.headers import NameAddr, Via
from trunkpulse.sip.message import Headers, Response, parse_envelope, parse_message
from trunkpulse.sip.middlebox import seen_as

__all__ = ["Said", "Traits", "read_answer", "traits_of"]

_ECHO_TYPE = "message/sip"
_MOST_LISTED = 64
"""Methods, types, extensions and Contacts that are kept of one answer."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What names the request that a message is, or that it answers."""

    code: int | None = None
    """Of an answer; None for a request."""
    branch: str = ""
    """Of the top Via, in lower case: some far sides change it (RFC 3261 7.3.1)."""
    call_id: str = ""
    cseq: str = ""
    to: str = ""
    """The To header up to its tag."""


def traits_of(data: bytes) -> Traits | None:
    """The traits of a message, as far as it has them; None if it is no SIP at all."""
    try:
        message = parse_envelope(data)
    except MalformedMessage:
        return None
    headers = message.headers
    return Traits(
        message.code if isinstance(message, Response) else None,
        _branch(headers),
        headers.first("Call-ID") or "",
        headers.first("CSeq") or "",
        (headers.first("To") or "").partition(";tag=")[0],
    )


def _branch(headers: Headers) -> str:
    try:
        return (Via.parse(headers.members("Via")[0]).branch or "").lower()
    except (MalformedMessage, IndexError):
        return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an answer says beyond its status code."""

    reason_phrase: str = ""
    retry_after: str | None = None
    seen_as: str | None = None
    far_side: FarSide = field(default_factory=FarSide)
    echo: bytes | None = None
    """The request as it arrived, if the far side sent it back."""


def read_answer(data: bytes) -> Said:
    """All that ``data`` says, as far as it can be read."""
    try:
        message = parse_message(data)
    except MalformedMessage:
        return Said()
    if not isinstance(message, Response):
        return Said()
    headers = message.headers
    seen = seen_as(data)
    media_type = (headers.first("Content-Type") or "").partition(";")[0].strip().lower()
    return Said(
        reason_phrase=message.reason,
        retry_after=headers.first("Retry-After"),
        seen_as=seen and host_and_port(*seen),
        far_side=FarSide(
            software=headers.first("Server") or headers.first("User-Agent"),
            allow=_members(headers, "Allow"),
            accept=_members(headers, "Accept"),
            supported=_members(headers, "Supported"),
            contacts=_uris(headers),
        ),
        echo=message.body if media_type == _ECHO_TYPE else None,
    )


def _members(headers: Headers, name: str) -> tuple[str, ...]:
    try:
        return tuple(filter(None, headers.members(name)))[:_MOST_LISTED]
    except MalformedMessage:
        return ()


def _uris(headers: Headers) -> tuple[str, ...]:
    uris = []
    for member in _members(headers, "Contact"):
        try:
            uris.append(NameAddr.parse(member).uri)
        except MalformedMessage:
            continue
    return tuple(uris)
