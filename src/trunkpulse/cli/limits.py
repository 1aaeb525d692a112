"""What a user or a client is limited to, in a few words."""

from __future__ import annotations

from trunkpulse.cli.document import Document

__all__ = ["limits_of"]


def limits_of(holder: Document) -> str:
    """``regions us-east; carriers acme``, or ``all trunks``."""
    parts = [
        f"{word} {', '.join(holder.texts(word))}"
        for word in ("regions", "carriers")
        if holder.members.get(word) is not None
    ]
    return "; ".join(parts) or "all trunks"
