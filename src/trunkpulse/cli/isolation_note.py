"""What whoever reads states has to know: that they are held, because the prober is isolated."""

from __future__ import annotations

from trunkpulse.cli.connection import Api
from trunkpulse.cli.output import complain, for_how_long
from trunkpulse.model import ProberState

__all__ = ["note_isolation"]


def note_isolation(api: Api) -> None:
    """Say on stderr, in one line, that an instance is isolated; nothing while none is."""
    for instance in api.get("/api/v2/instances").documents("entities"):
        if instance.text("proberState") == ProberState.ISOLATED:
            since = for_how_long(instance.number_or_none("isolatedSince"))
            complain(
                f"The prober of {instance.text('instanceId')} has been isolated {since}: these"
                " states are held as they were; 'trunkpulse trunks explain' says why."
            )
