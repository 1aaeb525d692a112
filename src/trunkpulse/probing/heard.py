"""When far sides last asked us: the other half of the path, seen without a probe of our own.

A carrier that does not answer our OPTIONS but sends its own is there, and can reach us. Some
answer only after such traffic of theirs, or filter what they do not expect; who looks into a DOWN
trunk wants to know.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

__all__ = ["LastHeard"]

_REMEMBERED_HOSTS: Final = 10_000
"""The host that has been silent longest is forgotten beyond these."""


class LastHeard:
    """The moment of the last OPTIONS of each host that we answered, for a bounded number of them.

    A host is an IP address; of an IPv6 address the scope does not count.
    """

    def __init__(self) -> None:
        self._moments: OrderedDict[str, float] = OrderedDict()
        """Host -> moment, the one that has been silent longest first."""

    def note(self, host: str, at: float) -> None:
        """``host`` sent an OPTIONS at ``at``, wall-clock seconds."""
        key = _without_scope(host)
        self._moments[key] = at
        self._moments.move_to_end(key)
        if len(self._moments) > _REMEMBERED_HOSTS:
            self._moments.popitem(last=False)

    def of(self, host: str) -> float | None:
        """Wall-clock seconds of its last OPTIONS; None if none is remembered."""
        return self._moments.get(_without_scope(host))


def _without_scope(host: str) -> str:
    return host.partition("%")[0]
