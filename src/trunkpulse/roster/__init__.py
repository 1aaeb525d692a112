"""Which trunks there are: as configured, as an administrator wants them, and where names lead.

The roster brings up what a trunk is probed with (targets, sockets, look-ups) and lets it go again.
What the probes find is judged in the pipeline, which the roster tells of every trunk that changed.

``duty`` says which trunks are probed, ``absent`` remembers those that are not run, ``looking_up``
finds a target without an address, and ``turns`` keeps a million trunks from holding up the probes.
"""

from __future__ import annotations

from trunkpulse.roster.errors import UnknownTrunk
from trunkpulse.roster.roster import Applied, Roster
from trunkpulse.roster.turns import TRUNKS_PER_TURN

__all__ = ["TRUNKS_PER_TURN", "Applied", "Roster", "UnknownTrunk"]
