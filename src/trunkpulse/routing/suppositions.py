"""What is supposed of the health of trunks: ``carrier-a=DOWN``, ``carrier:acme=DOWN``.

    supposition = whose "=" state
    whose       = trunk id | "trunk:" trunk id | "carrier:" label | "region:" label | "all"
    state       = "AVAILABLE" | "DEGRADED" | "DOWN" | "UNKNOWN"      in any case

The state is what stands behind the last equals sign, so a carrier's label may hold others. Of
several that concern one trunk the last counts: ``all=DOWN`` and then ``carrier-a=AVAILABLE`` leaves
one trunk up. A trunk that is in the supposed state already stays as it is, with its reason; so what
an administrator took out of service is not thought to be merely failing. A supposed outage is one
that probes found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Self

from trunkpulse.model import Reason, Trunk, TrunkState, TrunkStatus
from trunkpulse.routing.selection import StateOf

__all__ = ["BadSupposition", "Scope", "SupposedHealth", "Supposition"]

_EXAMPLES: Final = '"carrier-a=DOWN", "carrier:acme=DOWN", "region:us-east=DOWN" or "all=UNKNOWN"'
_SHOWN_CHARACTERS: Final = 40


class BadSupposition(ValueError):
    """A text is no supposition; the message says what one looks like. Not retryable."""

    def __init__(self, text: str) -> None:
        short = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
        super().__init__(f"{short!a} is no supposition; write one such as {_EXAMPLES}.")


class Scope(StrEnum):
    """Which trunks a supposition is about."""

    TRUNK = "trunk"
    CARRIER = "carrier"
    REGION = "region"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Supposition:
    """Some trunks are in a state, whatever is known of them; see the module's opening."""

    scope: Scope
    name: str
    """Of the trunk, carrier or region; empty with ``Scope.ALL``."""
    state: TrunkState

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a person writes; raises BadSupposition."""
        whose, equals, state = text.strip().rpartition("=")
        if not equals or state.strip().upper() not in TrunkState.__members__:
            raise BadSupposition(text)
        scope, name = _whose(whose.strip())
        if not (name or scope is Scope.ALL):
            raise BadSupposition(text)
        return cls(scope, name, TrunkState[state.strip().upper()])

    def __str__(self) -> str:
        """As ``parse`` reads it."""
        if self.scope is Scope.ALL:
            return f"{self.scope}={self.state}"
        # A trunk may itself be called "all".
        plain = self.scope is Scope.TRUNK and self.name != Scope.ALL and ":" not in self.name
        return f"{self.name if plain else f'{self.scope}:{self.name}'}={self.state}"

    def concerns(self, trunk: Trunk, default_region: str) -> bool:
        """True if it is about ``trunk``; one that does not say where is in ``default_region``."""
        match self.scope:
            case Scope.TRUNK:
                return trunk.id == self.name
            case Scope.CARRIER:
                return trunk.carrier == self.name
            case Scope.REGION:
                return (trunk.region or default_region) == self.name
            case Scope.ALL:
                return True


def _whose(text: str) -> tuple[Scope, str]:
    scope, colon, name = text.partition(":")
    if not colon:
        return (Scope.ALL, "") if text.lower() == Scope.ALL else (Scope.TRUNK, text)
    scope, name = scope.strip().lower(), name.strip()
    if scope in (Scope.TRUNK, Scope.CARRIER, Scope.REGION):
        return Scope(scope), name
    return Scope.TRUNK, ""


class SupposedHealth:
    """The health of trunks as ``suppositions`` have it.

    Each trunk is looked at once, when it is first asked for: what happens meanwhile changes
    nothing.
    """

    def __init__(
        self,
        present: StateOf,
        suppositions: Sequence[Supposition],
        trunk_of: Callable[[str], Trunk | None],
        *,
        default_region: str,
        now_ms: int,
    ) -> None:
        """``trunk_of`` gives a trunk by its id; ``now_ms`` is when supposed states began."""
        self._present = present
        self._suppositions = suppositions
        self._trunk_of = trunk_of
        self._default_region = default_region
        self._now_ms = now_ms
        self._known: dict[str, TrunkStatus] = {}
        self._supposed: set[str] = set()
        self.used: set[Supposition] = set()
        """Those that were about a trunk that was asked for."""

    def status(self, trunk_id: str) -> TrunkStatus:
        """The trunk's status, supposed or present."""
        known = self._known.get(trunk_id)
        if known is None:
            known = self._known[trunk_id] = self._look_at(trunk_id)
        return known

    def is_supposed(self, trunk_id: str) -> bool:
        """True if the trunk's state is another one than at present."""
        self.status(trunk_id)
        return trunk_id in self._supposed

    def _look_at(self, trunk_id: str) -> TrunkStatus:
        status = self._present(trunk_id)
        trunk = self._trunk_of(trunk_id) if self._suppositions else None
        if trunk is None:
            return status
        state = status.state
        for each in self._suppositions:
            if each.concerns(trunk, self._default_region):
                self.used.add(each)
                state = each.state
        if state is status.state:
            return status
        self._supposed.add(trunk_id)
        reason = Reason.KEEPALIVE_FAILURE if state is TrunkState.DOWN else None
        return TrunkStatus(state, reason, self._now_ms)
