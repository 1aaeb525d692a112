"""The mistakes that a person makes in a configuration file, and what each sentence must hold."""

from __future__ import annotations

from unit.config.mistakes_in_destinations import IN_DESTINATIONS
from unit.config.mistakes_in_maintenance import IN_MAINTENANCE
from unit.config.mistakes_in_requests import IN_REQUESTS
from unit.config.mistakes_in_routes import IN_ROUTES_AND_STREAMS
from unit.config.mistakes_in_sections import IN_SECTIONS
from unit.config.mistakes_in_trunks import IN_TRUNKS

__all__ = ["MISTAKES"]

MISTAKES = [
    *IN_SECTIONS,
    *IN_TRUNKS,
    *IN_REQUESTS,
    *IN_ROUTES_AND_STREAMS,
    *IN_DESTINATIONS,
    *IN_MAINTENANCE,
]
