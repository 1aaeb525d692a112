"""A trunk as configured, and what it has in common with many others."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from trunkpulse.model.policies import KeepalivePolicy, ProbeIdentity

__all__ = ["Direction", "Trunk", "TrunkTerms"]


class Direction(StrEnum):
    """Which way calls run over a trunk, seen from the operator."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"
    BOTH = "both"

    def serves(self, wanted: Direction) -> bool:
        """True if a trunk or route of this direction takes calls of direction ``wanted``."""
        return self is Direction.BOTH or wanted is Direction.BOTH or self is wanted


class TrunkTerms(NamedTuple):
    """What many trunks have in common: all of a ``Trunk`` but what it is called and where it ends.

    Trunks on equal terms share one object.
    """

    weights: tuple[int, ...]
    direction: Direction
    region: str | None
    carrier: str | None
    min_available_targets: int
    enabled: bool
    profile: str
    keepalive: KeepalivePolicy
    identity: ProbeIdentity
    managed_by: str | None


_USUAL_KEEPALIVE = KeepalivePolicy()
_USUAL_IDENTITY = ProbeIdentity()

_set = object.__setattr__  # what is frozen is set when it is made

_MOST_TERMS = 4096
_terms: dict[tuple[object, ...], TrunkTerms] = {}
"""The terms that were met last. Policy and identity are told apart by ``id``: hashing them would
take longer than all else, and what is in here stays alive."""


@dataclass(frozen=True, kw_only=True, init=False, eq=False)
class Trunk:
    """A SIP trunk as configured: what it is called, where it ends, how it is probed.

    A million of them are kept, so each is as small as it can be: most fields are those of its
    ``terms``, and a single target has no tuple of its own. To be read, compared and replaced like
    any dataclass.
    """

    __slots__ = ("ends", "id", "name", "terms")

    id: str
    name: str
    targets: tuple[str, ...]
    """SIP URIs, in the canonical form that ``str(SipUri)`` gives. Each address that one of them
    leads to is a target of its own (RFC 3263)."""
    weights: tuple[int, ...] = ()
    """Share of the calls that each of ``targets`` takes; empty: all the same."""
    direction: Direction = Direction.BOTH
    region: str | None = None
    """None: the instance's own region."""
    carrier: str | None = None
    min_available_targets: int = 1
    enabled: bool = True
    profile: str = "generic"
    """The preset that its settings started from."""
    keepalive: KeepalivePolicy = _USUAL_KEEPALIVE
    identity: ProbeIdentity = _USUAL_IDENTITY
    managed_by: str | None = None
    """The file that declares it (read-only in the API), or None if made through the API."""

    if TYPE_CHECKING:
        terms: ClassVar[TrunkTerms]
        ends: ClassVar[str | tuple[str, ...]]
        """The only target, or all of them."""

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's name
        name: str,
        targets: tuple[str, ...],
        weights: tuple[int, ...] = (),
        direction: Direction = Direction.BOTH,
        region: str | None = None,
        carrier: str | None = None,
        min_available_targets: int = 1,
        enabled: bool = True,
        profile: str = "generic",
        keepalive: KeepalivePolicy = _USUAL_KEEPALIVE,
        identity: ProbeIdentity = _USUAL_IDENTITY,
        managed_by: str | None = None,
    ) -> None:
        plain = (
            weights,
            direction,
            region,
            carrier,
            min_available_targets,
            enabled,
            profile,
            managed_by,
        )
        known_as = (plain, builtins.id(keepalive), builtins.id(identity))
        terms = _terms.get(known_as)
        if terms is None:
            if len(_terms) >= _MOST_TERMS:
                _terms.clear()
            terms = _terms[known_as] = TrunkTerms(*plain[:7], keepalive, identity, managed_by)
        _set(self, "id", id)
        _set(self, "name", name)
        _set(self, "ends", targets[0] if len(targets) == 1 else targets)
        _set(self, "terms", terms)

    def alike(self, trunk_id: str, name: str, target: str) -> Trunk:
        """Another trunk on the same terms, which ends at one ``target``.

        For a million of them: it takes a quarter of what going through all fields takes.
        """
        trunk = object.__new__(Trunk)
        _set(trunk, "id", trunk_id)
        _set(trunk, "name", name)
        _set(trunk, "ends", target)
        _set(trunk, "terms", self.terms)
        return trunk

    def on(self, terms: TrunkTerms) -> Trunk:
        """The same trunk on other terms."""
        trunk = object.__new__(Trunk)
        _set(trunk, "id", self.id)
        _set(trunk, "name", self.name)
        _set(trunk, "ends", self.ends)
        _set(trunk, "terms", terms)
        return trunk

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trunk):
            return NotImplemented
        return (
            self.id == other.id
            and self.name == other.name
            and self.ends == other.ends
            and self.terms == other.terms
        )

    def __hash__(self) -> int:
        return hash((self.id, self.ends))


def _targets_of(trunk: Trunk) -> tuple[str, ...]:
    targets = trunk.ends
    return (targets,) if isinstance(targets, str) else targets


# Only now, because a dataclass takes what it finds in its body for the fields' defaults.
setattr(Trunk, "targets", property(_targets_of))  # noqa: B010 - to a type checker it is a field
for _field in TrunkTerms._fields:
    setattr(Trunk, _field, property(attrgetter(f"terms.{_field}")))
