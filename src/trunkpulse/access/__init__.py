"""Who may do what: permissions and scopes, and who asks. Pure; nothing here reads or waits."""

from __future__ import annotations

from trunkpulse.access.permissions import Permission, permission_of_scope
from trunkpulse.access.principal import UNLIMITED, Limits, Principal, PrincipalKind

__all__ = [
    "UNLIMITED",
    "Limits",
    "Permission",
    "Principal",
    "PrincipalKind",
    "permission_of_scope",
]
