"""What few of a million targets have, in an object of its own."""

from __future__ import annotations

from typing import NamedTuple

from trunkpulse.model import FailureKind
from trunkpulse.ports import Address
from trunkpulse.probing.live import LiveProof
from trunkpulse.probing.runs import NOTHING

__all__ = ["NOT_LOOKED_UP", "WHOLE_SHARE", "Rarities", "Share"]

NOT_LOOKED_UP = "its name has not been looked up yet"


class Share(NamedTuple):
    """A target's part of its trunk's calls."""

    priority: int = 0
    """Of its SRV record; lower is tried first (RFC 2782)."""
    weight: int = 100
    """Within a priority."""


WHOLE_SHARE = Share()


class Rarities:
    """What few targets have: names, shares of their own, or trouble."""

    __slots__ = (
        "address",
        "failure",
        "live",
        "locating",
        "request_uri",
        "runs",
        "share",
        "unresolved",
    )

    def __init__(self) -> None:
        self.address: Address | None = None
        self.request_uri: bytes | None = None
        self.share = WHOLE_SHARE
        self.unresolved = NOT_LOOKED_UP
        self.locating = False
        self.failure: FailureKind | None = None
        self.runs = NOTHING
        """Of attempts, packed."""
        self.live: LiveProof | None = None

    @property
    def is_blank(self) -> bool:
        """True if a target whose URI is its address could do without."""
        untroubled = self.failure is None and self.runs == NOTHING and self.live is None
        return (
            untroubled
            and self.request_uri is None
            and self.share is WHOLE_SHARE
            and self.unresolved is NOT_LOOKED_UP
            and not self.locating
        )
