"""What trunks inherit from the global defaults, and how they change with them.

A policy knows which of its values are inherited (``KeepalivePolicy.inherited``), so a trunk can be
put under other defaults without its entry being read again. What its profile and its requests make
of the values is done anew: the profile's least interval, and 483 for those that go no further than
the next hop.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from trunkpulse.model import KeepalivePolicy, Trunk, TrunkTerms

__all__ = ["BOUNDED", "Inheritance", "expecting_too_many_hops", "kept_apart", "raised"]

BOUNDED = ("interval_seconds", "confirm_interval_seconds", "down_interval_seconds")
"""What ``minimum_interval_seconds`` bounds: every pace at which a target may be probed."""

_TOO_MANY_HOPS = 483
"""What the next hop answers to a request that may go no further (RFC 3261 16.3)."""
_RESPONSES = ("healthy_responses", "healthy_codes")


def raised(policy: KeepalivePolicy, least: float) -> dict[str, Any]:
    """The paces of ``policy``, none of them below ``least`` seconds."""
    return {key: max(getattr(policy, key), least) for key in BOUNDED}


def kept_apart(policy: KeepalivePolicy, least: float) -> KeepalivePolicy:
    """``policy`` with no more jitter than leaves ``least`` seconds between attempts."""
    # Attempts that confirm a change have no jitter.
    shortest = min(policy.interval_seconds, policy.down_interval_seconds)
    return dataclasses.replace(
        policy, jitter=min(policy.jitter, 1 - least / shortest), minimum_interval_seconds=least
    )


def expecting_too_many_hops(policy: KeepalivePolicy) -> KeepalivePolicy:
    """``policy`` for requests that the next hop has to answer with 483."""
    if _TOO_MANY_HOPS in policy.healthy_codes:
        return policy
    return dataclasses.replace(
        policy,
        healthy_responses=(*policy.healthy_responses, str(_TOO_MANY_HOPS)),
        healthy_codes=policy.healthy_codes | {_TOO_MANY_HOPS},
    )


class Inheritance:
    """Puts trunks under other defaults; those that share their terms share them afterwards."""

    def __init__(self, default: KeepalivePolicy) -> None:
        """``default`` is what is inherited from now on."""
        self._default = default
        self._known: dict[int, tuple[TrunkTerms, TrunkTerms]] = {}
        """By the id of the terms before, which are kept alive here: these, and those after."""
        self._policies: dict[tuple[int, bool], tuple[KeepalivePolicy, KeepalivePolicy]] = {}
        self._shared: dict[tuple[KeepalivePolicy, frozenset[str]], KeepalivePolicy] = {
            (default, default.inherited): default
        }

    def trunk(self, trunk: Trunk) -> Trunk:
        """``trunk`` as it is under the defaults; the same object if nothing changes for it."""
        before = trunk.terms
        found = self._known.get(id(before))
        if found is None:
            hops = before.identity.max_forwards == 0
            policy = self._policy(before.keepalive, expects_483=hops)
            after = before if policy is before.keepalive else before._replace(keepalive=policy)
            found = self._known[id(before)] = before, after
        after = found[1]
        return trunk if after is before else trunk.on(after)

    def _policy(self, policy: KeepalivePolicy, *, expects_483: bool) -> KeepalivePolicy:
        found = self._policies.get((id(policy), expects_483))
        if found is None:
            after = self._under(policy, expects_483=expects_483)
            after = (
                policy
                if after == policy
                else self._shared.setdefault((after, after.inherited), after)
            )
            found = self._policies[id(policy), expects_483] = policy, after
        return found[1]

    def _under(self, policy: KeepalivePolicy, *, expects_483: bool) -> KeepalivePolicy:
        names = set(policy.inherited)
        if "healthy_responses" in names:
            names.update(_RESPONSES)
        policy = dataclasses.replace(
            policy, **{name: getattr(self._default, name) for name in names}
        )
        least = policy.minimum_interval_seconds
        if least:
            inherited = {key: value for key, value in raised(policy, least).items() if key in names}
            policy = kept_apart(dataclasses.replace(policy, **inherited), least)
        return expecting_too_many_hops(policy) if expects_483 else policy
