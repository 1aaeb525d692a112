"""What far sides that challenge our OPTIONS have been told, and what the next one is told at once.

One session per target that ever challenged: the nonce it gave is used again, counted up, so that
an attempt usually needs one request (RFC 7616 3.4). Targets without credentials take no room here.
"""

from __future__ import annotations

import secrets
from typing import Final

from trunkpulse.probing.target import ProbeTarget
from trunkpulse.sip.digest import Credentials, DigestSession
from trunkpulse.sip.errors import SipError
from trunkpulse.sip.message import Response, parse_message

__all__ = ["CHALLENGES", "Challenges"]

CHALLENGES: Final = frozenset({401, 407})
METHOD: Final = "OPTIONS"


class _Authentication:
    """One target's session, and what the attempt under way is known by."""

    __slots__ = ("credentials", "mark", "problem", "session")

    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials
        self.session = DigestSession(credentials, new_cnonce=_cnonce)
        self.mark = b""
        self.problem: str | None = None


class Challenges:
    """See the module's opening."""

    def __init__(self) -> None:
        self._known: dict[ProbeTarget, _Authentication] = {}

    def begin(self, target: ProbeTarget, mark: bytes) -> bytes:
        """The header lines that authenticate an attempt from its first request on.

        ``mark`` is what its Call-ID and From tag are made of; ``mark_of`` gives it back.
        """
        known = self._known.get(target)
        if known is None or known.credentials != target.settings.identity.credentials:
            return b""
        known.mark = mark
        known.session.begin()
        return known.session.headers(METHOD, target.request_uri.decode("ascii"))

    def met(self, target: ProbeTarget, data: bytes, mark: bytes) -> bytes | None:
        """The header lines that meet the challenge ``data``; None: another try is no use.

        ``mark`` is that of the request that was challenged.
        """
        credentials = target.settings.identity.credentials
        if credentials is None:
            return None
        known = self._known.get(target)
        if known is None or known.credentials != credentials:
            known = _Authentication(credentials)
            known.mark = mark
            known.session.begin()
            self._known[target] = known
        known.problem = _why_not(known.session, data)
        if known.problem is not None:
            return None
        return known.session.headers(METHOD, target.request_uri.decode("ascii"))

    def mark_of(self, target: ProbeTarget) -> bytes:
        """What Call-ID and From tag of the attempt under way are made of (RFC 3261 8.1.3.5)."""
        return self._known[target].mark

    def problem(self, target: ProbeTarget) -> str | None:
        """Why the target's last challenge could not be met, for a person; None if it could."""
        known = self._known.get(target)
        if known is None or known.credentials != target.settings.identity.credentials:
            return None
        return known.problem

    def forget(self, target: ProbeTarget) -> None:
        """The target is gone; safe to repeat."""
        self._known.pop(target, None)


def _why_not(session: DigestSession, data: bytes) -> str | None:
    try:
        response = parse_message(data)
    except SipError as problem:
        return f"the challenge cannot be read ({problem})"
    if not isinstance(response, Response):
        return "the challenge cannot be read"
    return session.challenged(response)


def _cnonce() -> str:
    return secrets.token_hex(16)
