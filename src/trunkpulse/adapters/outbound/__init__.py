"""The way out for event streams: what they may connect to, checked at the moment of dialling."""

from __future__ import annotations

from trunkpulse.adapters.outbound.errors import Forbidden, HostUnknown
from trunkpulse.adapters.outbound.guard import Guard
from trunkpulse.adapters.outbound.outside import Outside

__all__ = ["Forbidden", "Guard", "HostUnknown", "Outside"]
