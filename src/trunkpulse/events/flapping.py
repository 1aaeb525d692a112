"""Which trunks change too often to be believed when they say that they are well."""

from __future__ import annotations

from collections import deque

__all__ = ["Flapping"]


class Flapping:
    """Counts the changes of trunks over the last while. Moments are milliseconds."""

    def __init__(self, *, changes: int, within_ms: int) -> None:
        """So many ``changes`` of a trunk ``within_ms`` are too many."""
        self._most = max(1, changes)
        self._within_ms = within_ms
        self._moments: dict[str, deque[int]] = {}
        """By trunk id, of its last changes."""
        self._order: deque[tuple[int, str]] = deque()
        """The same as they came, to forget them by."""

    def count(self, trunk_id: str, at_ms: int) -> bool:
        """Note a change, once however often it is told; True if there have been too many."""
        forgotten_ms = at_ms - self._within_ms
        self._forget(forgotten_ms)
        moments = self._moments.get(trunk_id)
        if moments is None:
            moments = self._moments[trunk_id] = deque(maxlen=self._most)
        if not moments or moments[-1] != at_ms:
            moments.append(at_ms)
            self._order.append((at_ms, trunk_id))
        return len(moments) == self._most and moments[0] > forgotten_ms

    def quiet_ms(self, since_ms: int) -> int:
        """When a trunk that flaps and last changed at ``since_ms`` is believed again."""
        return since_ms + self._within_ms

    def _forget(self, until_ms: int) -> None:
        while self._order and self._order[0][0] <= until_ms:
            _, trunk_id = self._order.popleft()
            moments = self._moments.get(trunk_id)
            if moments is not None and moments[-1] <= until_ms:
                del self._moments[trunk_id]
