"""What streams have not been given yet, counted when somebody asks and not more often.

Counting takes as long as there is much to count, so an answer is good for some seconds, and for
longer if it took long. Without the database the last answer stands.
"""

from __future__ import annotations

from collections.abc import Mapping

from trunkpulse.ports import Clock, DeliveryLog, StoreUnavailable, StreamBacklog

__all__ = ["Backlogs"]

GOOD_FOR_SECONDS = 5.0
SHARE_OF_TIME = 0.05
"""Of all time no more than this is spent on counting."""


class Backlogs:
    """See the module's opening."""

    def __init__(self, log: DeliveryLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._known: Mapping[str, StreamBacklog] = {}
        self._good_until = float("-inf")

    async def read(self) -> Mapping[str, StreamBacklog]:
        """By stream id; a stream with nothing to say of is absent."""
        started = self._clock.monotonic()
        if started < self._good_until:
            return self._known
        self._good_until = started + GOOD_FOR_SECONDS  # others who ask meanwhile do not wait
        try:
            self._known = await self._log.backlogs()
        except StoreUnavailable:
            return self._known
        took = self._clock.monotonic() - started
        self._good_until = started + max(GOOD_FOR_SECONDS, took / SHARE_OF_TIME)
        return self._known

    @property
    def known(self) -> Mapping[str, StreamBacklog]:
        """What the last count came to."""
        return self._known
