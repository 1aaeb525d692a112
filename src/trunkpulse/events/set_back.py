"""When somebody sets the wall clock back, what waits must not wait for so much longer.

The moment at which something is tried again outlives the process, so it is a moment of the wall
clock. A machine that started with a wrong clock corrects it as soon as it has a network: by then a
delivery may wait for a moment that is hours away. The clock of the loop does not notice; by how
much the two have parted is by how much all that waits has to come sooner. Set forward, it comes
too soon, which does no harm.
"""

from __future__ import annotations

from trunkpulse.ports import Clock, Outbox

__all__ = ["SetBack"]

LEAST_MS = 1000
"""Less than this nobody waits for."""


class SetBack:
    """By how much the wall clock was set back, for one who has to make up for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead_ms = self._now_ahead_ms()
        """By how much the wall clock was ahead of the loop's when everything was right."""

    def ms(self) -> int:
        """Milliseconds that are not made up for yet; 0: none."""
        ahead_ms = self._now_ahead_ms()
        self._ahead_ms = max(self._ahead_ms, ahead_ms)
        missing_ms = self._ahead_ms - ahead_ms
        return missing_ms if missing_ms >= LEAST_MS else 0

    def made_up(self, by_ms: int) -> None:
        """All that waits comes by so much sooner."""
        self._ahead_ms -= by_ms

    async def make_up(self, outbox: Outbox, stream_id: str) -> None:
        """Have what waits for a stream come sooner if it has to; raises StoreUnavailable."""
        by_ms = self.ms()
        if by_ms:
            await outbox.bring_forward(stream_id, by_ms)
            self.made_up(by_ms)

    def _now_ahead_ms(self) -> int:
        return round((self._clock.wall() - self._clock.monotonic()) * 1000)
