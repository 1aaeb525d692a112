"""What can be wrong with SIP, and whose fault it is.

    SipError                 everything below; a ValueError
    ├── Ungrammatical        a piece of text breaks the grammar; the message is the reason alone
    ├── MalformedUri         who wrote the URI: a configuration or a peer
    ├── MalformedMessage     the peer that sent it; sending it again will not help
    │   ├── MalformedHeader  one header of it
    │   └── UnsupportedVersion  a request of another SIP than 2.0; it can be answered 505
    ├── RefusedHeader        who configured a header that would break the transaction
    └── IllegalEvent         our own driver: an event that the transaction's state has no answer to

Every message is one sentence that holds the offending value, cut short.
"""

from __future__ import annotations

__all__ = [
    "IllegalEvent",
    "MalformedHeader",
    "MalformedMessage",
    "MalformedUri",
    "RefusedHeader",
    "SipError",
    "Ungrammatical",
    "UnsupportedVersion",
    "shown",
]

_SHOWN_CHARACTERS = 60


class SipError(ValueError):
    """Something is not SIP as RFC 3261 has it."""


class Ungrammatical(SipError):
    """A piece of text breaks the grammar; whoever knows where it stood names the place."""


class MalformedUri(SipError):
    """The text is not a SIP URI."""


class MalformedMessage(SipError):
    """The bytes are not a SIP message; the sender is at fault."""


class MalformedHeader(MalformedMessage):
    """A header's name or value is not what its grammar asks for."""


class UnsupportedVersion(MalformedMessage):
    """A request speaks another version of SIP than 2.0 (RFC 3261 §21.5.6)."""


class RefusedHeader(SipError):
    """A configured header would break the transaction or the message."""


class IllegalEvent(SipError):
    """The state has no transition for this event; nothing has changed."""


def shown(value: str | bytes) -> str:
    """``value`` as an error message may show it: quoted, printable, at most 60 characters."""
    if isinstance(value, bytes):
        value = value[: _SHOWN_CHARACTERS * 2].decode("utf-8", "backslashreplace")
    if len(value) > _SHOWN_CHARACTERS:
        value = value[:_SHOWN_CHARACTERS] + "…"
    return ascii(value).replace("\\u2026", "…")
