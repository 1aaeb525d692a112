"""What alerts are made of: a change of a trunk, and whether anybody may be told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from trunkpulse.model import Reason, TrunkState
from trunkpulse.ports import AlertMember

__all__ = ["News", "Silence"]

Silence = Callable[[str], int | None]
"""Until when the trunk of this id is under maintenance, after now; None if it is not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """A change of a trunk, as far as alerts go."""

    trunk_id: str
    name: str
    state: TrunkState
    reason: Reason
    at_ms: int
    labels: tuple[tuple[str, str], ...] = ()
    """What its alert is about, as ("carrier", "acme"); empty: about itself."""
    position: int = 0
    """Of the event that told it, in the log of events; 0 if none did."""

    def seen(self, *, flapping: bool) -> AlertMember:
        """The trunk by this, as a member of its alert."""
        return AlertMember(
            trunk_id=self.trunk_id,
            name=self.name,
            state=self.state,
            reason=self.reason,
            since_ms=self.at_ms,
            flapping=flapping,
        )
