"""What happens to a stream itself, and is recorded and published like all else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["StreamDisabled", "StreamReason", "StreamState"]


class StreamState(StrEnum):
    """Whether a stream's events are sent."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    """Given up: what it takes waits until somebody enables it again."""


class StreamReason(StrEnum):
    """Why a stream was given up."""

    DESTINATION_FAILING = "DESTINATION_FAILING"
    """Nothing but failure for days."""
    DESTINATION_GONE = "DESTINATION_GONE"
    """The destination said that it is none any more (HTTP 410)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamDisabled:
    """A stream was given up, and whoever reads the other streams should know."""

    event_id: str
    stream_id: str
    stream_name: str
    sequence: int
    """Counts a stream's events from 1 without gaps."""
    at_ms: int
    reason: StreamReason
    failing_since_ms: int
    detail: str
    """What its destination said last, as one phrase."""
    instance_id: str
    region: str

    @property
    def entity(self) -> str:
        """What stores file it under; no trunk can have such an id."""
        return f"stream:{self.stream_id}"
