"""What people are, as a set of permissions: four roles that are there already, and one's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from trunkpulse.access.permissions import Permission

__all__ = ["ADMINISTRATOR", "BUILT_IN_ROLES", "Role", "permissions_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """A name for some permissions."""

    id: str
    name: str
    permissions: frozenset[Permission]
    description: str = ""
    built_in: bool = False
    """True: it comes with the program and cannot be changed."""
    revision: int = 1
    created_ms: int | None = None
    """None: it comes with the program."""
    changed_ms: int | None = None


ADMINISTRATOR = "administrator"

BUILT_IN_ROLES = (
    Role(
        id=ADMINISTRATOR,
        name="Administrator",
        description="May do everything.",
        permissions=frozenset(Permission),
        built_in=True,
    ),
    Role(
        id="engineer",
        name="Telephony engineer",
        description="Sets up trunks, routes and event streams, and sees who has access.",
        permissions=frozenset(
            {
                Permission.TRUNK_VIEW,
                Permission.TRUNK_EDIT,
                Permission.STREAM_READ,
                Permission.STREAM_EDIT,
                Permission.ROUTE_VIEW,
                Permission.ROUTE_EDIT,
                Permission.USERS_VIEW,
            }
        ),
        built_in=True,
    ),
    Role(
        id="operations",
        name="Operations",
        description="Watches trunks, routes and events, and changes nothing.",
        permissions=frozenset(
            {
                Permission.TRUNK_VIEW,
                Permission.STREAM_READ,
                Permission.ROUTE_VIEW,
            }
        ),
        built_in=True,
    ),
    Role(
        id="auditor",
        name="Auditor",
        description="Sees everything, the audit too, and changes nothing.",
        permissions=frozenset(
            {
                Permission.TRUNK_VIEW,
                Permission.STREAM_READ,
                Permission.ROUTE_VIEW,
                Permission.USERS_VIEW,
                Permission.AUDIT_VIEW,
            }
        ),
        built_in=True,
    ),
)


def permissions_of(roles: Iterable[Role]) -> frozenset[Permission]:
    """What somebody may do who has all of ``roles``."""
    return frozenset().union(*(role.permissions for role in roles))
