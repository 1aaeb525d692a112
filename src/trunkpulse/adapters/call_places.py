"""Where the calls of a trunk go now: its targets as URIs, in order.

A target is written as it was configured. A host name stays a name while every address that it
leads to may be used: whoever places the call looks it up by the same rules (RFC 3263). Once one of
them is DOWN a look-up might find just that one, so the others stand there as literal addresses,
with the port and the transport that were found. Over TLS the name stays even then, for it is the
name that the certificate is held against (RFC 5922).
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from trunkpulse.model import Reason, TargetState, TransportProtocol, Trunk
from trunkpulse.ports import Address
from trunkpulse.probing.target import ProbeTarget
from trunkpulse.recorder import TrunkRecord
from trunkpulse.routing.places import Standing, in_order
from trunkpulse.routing.selection import Skipped
from trunkpulse.sip.redirect import Destination
from trunkpulse.sip.uri import SipUri

__all__ = ["MOST_SECONDS", "CallPlaces"]

MOST_SECONDS: Final = 60
"""After which it is always worth asking again."""
_REMEMBERED: Final = 8192
_TAKEN_OUT: Final = frozenset({Reason.ADMIN_DISABLED, Reason.LICENSE_ISSUE})
"""No probe brings these trunks back."""


class CallPlaces:
    """See the module's opening. Reads what runs and changes nothing."""

    def __init__(
        self, records: Callable[[], Mapping[str, TrunkRecord]], rng: random.Random
    ) -> None:
        """``records`` gives all trunks as they run; ``rng`` draws among targets of equal rank."""
        self._records = records
        self._rng = rng

    def of(self, trunk_id: str) -> list[Destination]:
        """Where to call, best first; nothing if the trunk has gone."""
        record = self._records().get(trunk_id)
        if record is None:
            return []
        proxy = record.trunk.identity.outbound_proxy
        targets = record.targets
        if len(targets) == 1:
            return [_configured(targets[0].uri, proxy)]
        return self._several(targets, proxy)

    def soonest_seconds(self, skipped: Sequence[Skipped]) -> int:
        """When the first of these trunks may be back: whole seconds, 1 to ``MOST_SECONDS``."""
        records = self._records()
        waits = [
            _seconds_to_return(records[each.trunk_id].trunk)
            for each in skipped
            if each.reason not in _TAKEN_OUT and each.trunk_id in records
        ]
        return max(1, min(MOST_SECONDS, math.ceil(min(waits, default=MOST_SECONDS))))

    def _several(self, targets: Sequence[ProbeTarget], proxy: str | None) -> list[Destination]:
        down = {each.uri for each in targets if each.state is TargetState.DOWN}
        alive = {each.uri for each in targets if each.state is not TargetState.DOWN}
        standings = [Standing(each.state, *each.share) for each in targets]
        found: dict[Destination, None] = {}
        for position in in_order(standings, self._rng):
            target = targets[position]
            protocol = target.settings.transport.protocol
            address = target.address
            if (
                target.uri in down
                and target.uri in alive
                and protocol is not TransportProtocol.TLS
                and address is not None
            ):
                found[_literal(target.uri, proxy, address, protocol)] = None
            else:
                found[_configured(target.uri, proxy)] = None
        return list(found)


def _seconds_to_return(trunk: Trunk) -> float:
    """From one probe while DOWN over those that have to succeed after it."""
    policy = trunk.keepalive
    confirming = max(0, policy.min_successful_attempts - 1) * policy.confirm_interval_seconds
    return policy.down_interval_seconds + confirming


@functools.lru_cache(maxsize=_REMEMBERED)
def _configured(uri: str, proxy: str | None) -> Destination:
    return Destination.of(SipUri.parse(uri), proxy)


@functools.lru_cache(maxsize=_REMEMBERED)
def _literal(
    uri: str, proxy: str | None, address: Address, protocol: TransportProtocol
) -> Destination:
    named = SipUri.parse(uri)
    parameters = tuple(each for each in named.parameters if each[0] != "transport")
    if protocol is not TransportProtocol.UDP:  # which an address without one means
        parameters = (*parameters, ("transport", str(protocol)))
    host = address[0].partition("%")[0]
    there = SipUri(named.scheme, None, None, host, address[1], parameters)
    return Destination.of(there, proxy)
