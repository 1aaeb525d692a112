"""Why something about users, roles and sessions is not done; each message is one sentence.

AdmissionRefused          the state of things does not allow it
├── GrantRefused          whoever asks does not have what they give or change
├── PasswordRefused       the new password is none that is taken
├── NotThere              there is no such user or role
├── TooManyKept           there are as many of a kind as there may be
└── NotLetIn              who signs in has not proved who they are
    ├── PasswordOver      they have, by a password that was for once and is too old
    └── TooManyGuesses    and has to wait first
ForgedRequest             a browser sent it, and nothing shows that its user wants it
"""

from __future__ import annotations

__all__ = [
    "AdmissionRefused",
    "ForgedRequest",
    "GrantRefused",
    "NotLetIn",
    "NotThere",
    "PasswordOver",
    "PasswordRefused",
    "TooManyGuesses",
    "TooManyKept",
]


class AdmissionRefused(Exception):
    """It cannot be done as things are; the message is for a person."""


class GrantRefused(AdmissionRefused):
    """Nobody gives what they do not have."""


class PasswordRefused(AdmissionRefused):
    """The new password is not taken."""


class NotThere(AdmissionRefused):
    """There is no such user or role."""


class TooManyKept(AdmissionRefused):
    """There are as many of a kind as there may be."""


class NotLetIn(AdmissionRefused):
    """The name or the password is wrong, or the provider's word is not enough."""


class PasswordOver(NotLetIn):
    """It is the right password, and was for once and is too old."""


class TooManyGuesses(NotLetIn):
    """Wait ``retry_after_seconds`` first."""

    def __init__(self, sentence: str, retry_after_seconds: float) -> None:
        super().__init__(sentence)
        self.retry_after_seconds = retry_after_seconds


class ForgedRequest(Exception):
    """It has a person's session, and nothing shows that the person wants this."""
