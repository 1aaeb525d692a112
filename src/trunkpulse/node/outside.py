"""What a node is given of the world."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from trunkpulse.config.switches import SwitchSettings
from trunkpulse.model import EventStream
from trunkpulse.ports import EventSink, LinkWatch, MachineClock, Resolver, Store, Switch, Vault
from trunkpulse.probing.sockets import AddressTowards, OpenTransport

__all__ = ["Outside"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything through which a node touches the world."""

    clock: MachineClock
    store: Store
    resolver: Resolver
    open_transport: OpenTransport
    address_towards: AddressTowards
    sink_for: Callable[[EventStream], EventSink]
    vault: Vault
    rng: random.Random
    switch_for: Callable[[SwitchSettings], Switch] | None = None
    """Makes a switch, not yet connected; None: none is told anything."""
    link: LinkWatch | None = None
    """None: nobody looks at this machine's own ways out."""
