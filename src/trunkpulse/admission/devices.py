"""By what a browser is known again in which somebody has signed in.

Guesses from many addresses slow down whoever comes from an address that nobody has seen. So that
this does not keep the owner out, a browser is given a mark when somebody signs in there, and
brings it along the next time (what OWASP calls a device cookie). It proves nothing but that: it
opens nothing, and a password has to come with it.

    mark = NONCE "." HMAC-SHA-256( SHA-256(context, password hash), user, NONCE )

The key is made of the hash that is kept of the password, with its 128 random bits of salt, so a
mark tells nothing of the password, nothing more has to be kept, and a new password makes all marks
from before worthless. By the nonce each browser is counted for itself.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from typing import Final

from trunkpulse.access.user import User

__all__ = ["DEVICE_SECONDS", "device_of", "mark_for"]

DEVICE_SECONDS: Final = 180 * 24 * 3600
"""For so long a browser keeps its mark."""
_CONTEXT: Final = b"trunkpulse device mark"
_NONCE_CHARACTERS: Final = 22
"""128 bits in base64url."""
_MARK_CHARACTERS: Final = _NONCE_CHARACTERS + 1 + 43


def mark_for(user: User) -> str | None:
    """A new mark for a browser in which ``user`` has signed in; None: they have no password."""
    if user.password_hash is None:
        return None
    nonce = secrets.token_urlsafe(16)
    return f"{nonce}.{_proof(user, nonce)}"


def device_of(user: User | None, mark: str | None) -> str | None:
    """Which browser of ``user`` this ``mark`` is of; None: it is none of theirs."""
    if mark is None or len(mark) != _MARK_CHARACTERS:
        return None
    nonce, _, proof = mark.partition(".")
    right = hmac.compare_digest(
        proof.encode("utf-8", "surrogatepass"), _proof(user, nonce).encode()
    )
    if not right or user is None or user.password_hash is None:
        return None
    return nonce


def _proof(user: User | None, nonce: str) -> str:
    user_id, known = ("", "") if user is None else (user.id, user.password_hash or "")
    key = hashlib.sha256(_CONTEXT + b"\0" + known.encode()).digest()
    text = f"{user_id}\0{nonce}".encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hmac.digest(key, text, "sha256")).decode().rstrip("=")
