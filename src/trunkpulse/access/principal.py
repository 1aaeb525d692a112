"""Who asks: a person, a machine's client, or a command on the machine itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from trunkpulse.access.permissions import Permission

__all__ = ["UNLIMITED", "Limits", "Principal", "PrincipalKind"]


class PrincipalKind(StrEnum):
    """What kind of somebody it is."""

    USER = "user"
    CLIENT = "client"
    MACHINE = "machine"
    """A command run on the machine itself by whoever may read the data folder."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The part of all trunks that somebody may see and change."""

    regions: frozenset[str] | None = None
    """None: every region."""
    carriers: frozenset[str] | None = None
    """None: every carrier, and trunks without one."""

    def cover(self, region: str, carrier: str | None) -> bool:
        """True if a trunk of this region and carrier is within."""
        return (self.regions is None or region in self.regions) and (
            self.carriers is None or carrier in self.carriers
        )

    def __bool__(self) -> bool:
        """True if anything is kept from them."""
        return self.regions is not None or self.carriers is not None


UNLIMITED = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Somebody who has proved who they are, and what they may do."""

    kind: PrincipalKind
    id: str
    name: str
    """For people, in logs and in the audit."""
    permissions: frozenset[Permission]
    limits: Limits = UNLIMITED
    session_id: str | None = None
    """Of a person in a browser; None: whoever asks sends a token with each request."""
    must_change_password: bool = False
    """Until they have, they may do nothing else."""

    def may(self, permission: Permission) -> bool:
        """True if they may do that, within their limits."""
        return permission in self.permissions
