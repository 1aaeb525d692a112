"""Writes what was decided: state, event and deliveries of a trunk in one commit.

``record`` is a trunk as it runs, with the changes that wait; ``writer`` commits them.
"""

from __future__ import annotations

from trunkpulse.recorder.record import Decided, TrunkRecord
from trunkpulse.recorder.writer import Recorder

__all__ = ["Decided", "Recorder", "TrunkRecord"]
