"""The types of events, read from their schemas."""

from __future__ import annotations

from generators.markdown import table
from trunkpulse.events.catalogue import CATALOGUE

__all__ = ["event_types"]


def event_types() -> str:
    """Every type, with when it is sent and the words that are its own."""
    return table(
        ("`eventType`", "version", "when", "`state`"),
        (
            (
                f"`{each.event_type}`",
                each.version,
                each.description,
                ", ".join(f"`{word}`" for word in each.schema["properties"]["state"]["enum"]),
            )
            for each in CATALOGUE.values()
        ),
    )
