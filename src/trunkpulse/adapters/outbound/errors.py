"""Why nothing was connected to: nothing was sent, and the text is one plain sentence.

``OSError`` → ``Forbidden``: the destination leads to where events may not go. Whoever chose it, or
``[outbound] allow``, has to change; until then another try ends the same.
``OSError`` → ``HostUnknown``: the name leads nowhere just now; another try may find it.
"""

from __future__ import annotations

import errno

__all__ = ["Forbidden", "HostUnknown"]


class Forbidden(OSError):
    """The host leads to an address that events may not go to; no connection was opened."""

    def __init__(self, sentence: str) -> None:
        super().__init__(errno.EACCES, sentence)

    def __str__(self) -> str:
        """The sentence alone: the number behind it means nothing to a person."""
        return self.strerror or ""


class HostUnknown(OSError):
    """The host's addresses could not be found; no connection was opened."""

    def __init__(self, phrase: str) -> None:
        super().__init__(errno.EHOSTUNREACH, phrase)

    def __str__(self) -> str:
        """The phrase alone."""
        return self.strerror or ""
