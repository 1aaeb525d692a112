"""Nobody gives what they do not have: neither permissions nor a wider part of the trunks.

Without this rule whoever may edit users could make one who may do everything, or change the
password of one. So it is asked of what is given, and also of whoever is changed: to change
somebody takes at least all that they have.
"""

from __future__ import annotations

from collections.abc import Iterable

from trunkpulse.access.permissions import Permission
from trunkpulse.access.principal import Limits, Principal

__all__ = ["what_is_beyond"]


def what_is_beyond(
    giver: Principal, permissions: Iterable[Permission], limits: Limits
) -> str | None:
    """What of these the ``giver`` does not have, to end a sentence with; None if all is theirs."""
    missing = sorted(
        {each.value for each in permissions} - {each.value for each in giver.permissions}
    )
    if missing:
        several = "permissions" if len(missing) > 1 else "permission"
        return f"the {several} {', '.join(missing)}"
    for own, given, name in (
        (giver.limits.regions, limits.regions, "regions"),
        (giver.limits.carriers, limits.carriers, "carriers"),
    ):
        if own is None:
            continue
        if given is None:
            return f"all {name}"
        if beyond := sorted(given - own):
            return f"the {name} {', '.join(beyond[:10])}"
    return None
