"""Why nobody is signed in by the provider; each message is one sentence that holds no secret.

ProviderAway    the provider does not answer, or not as one does; it may do so soon
NotProved       it answered, and that proves nothing: begin anew
"""

from __future__ import annotations

__all__ = ["NotProved", "ProviderAway"]


class ProviderAway(Exception):
    """The provider cannot be asked at the moment."""


class NotProved(Exception):
    """What came back does not prove who somebody is."""
