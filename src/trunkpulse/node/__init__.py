"""One running trunkpulse without its doors: probes, states, events and routes, put together.

``app`` gives it the real world and opens the doors (API, console, SIP); a simulation gives it a
network and a clock of its own. What it is given is all it knows of the outside.

``node`` puts the parts together, ``outside`` is what it is given, ``upkeep`` what it does now and
then, ``readiness`` whether it should get traffic, and ``telling`` what it logs of changes.
"""

from __future__ import annotations

from trunkpulse.node.node import Node
from trunkpulse.node.outside import Outside
from trunkpulse.node.telling import CHANGES_TOLD_EACH

__all__ = ["CHANGES_TOLD_EACH", "Node", "Outside"]
