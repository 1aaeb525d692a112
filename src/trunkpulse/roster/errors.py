"""What can be wrong about a trunk that somebody names."""

from __future__ import annotations

__all__ = ["UnknownTrunk"]


class UnknownTrunk(KeyError):
    """There is no trunk of this id."""
