"""What may be done, under the two names it has: of people's roles, and of machines' tokens."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Permission", "permission_of_scope"]


class Permission(StrEnum):
    """One thing that may be done; the value is how roles name it."""

    TRUNK_VIEW = "telephony:trunk:view"
    TRUNK_EDIT = "telephony:trunk:edit"
    STREAM_READ = "events:stream:read"
    STREAM_EDIT = "events:stream:edit"
    ROUTE_VIEW = "routing:route:view"
    ROUTE_EDIT = "routing:route:edit"
    USERS_VIEW = "users:view"
    USERS_EDIT = "users:edit"
    LICENSE_EDIT = "license:edit"
    AUDIT_VIEW = "audit:view"

    @property
    def scope(self) -> str:
        """How OAuth tokens name it (RFC 6749 3.3)."""
        return _SCOPES[self]


_SCOPES = {
    Permission.TRUNK_VIEW: "telephony.trunks.read",
    Permission.TRUNK_EDIT: "telephony.trunks.edit",
    Permission.STREAM_READ: "events.streams.read",
    Permission.STREAM_EDIT: "events.streams.edit",
    Permission.ROUTE_VIEW: "routing.routes.read",
    Permission.ROUTE_EDIT: "routing.routes.edit",
    Permission.USERS_VIEW: "users.view",
    Permission.USERS_EDIT: "users.edit",
    Permission.LICENSE_EDIT: "license.edit",
    Permission.AUDIT_VIEW: "audit.read",
}
_PERMISSIONS = {scope: permission for permission, scope in _SCOPES.items()}


def permission_of_scope(scope: str) -> Permission | None:
    """The permission that a token's ``scope`` stands for; None if there is no such scope."""
    return _PERMISSIONS.get(scope)
