"""Why a trunkpulse does not come up."""

from __future__ import annotations

__all__ = ["AlreadyRunning", "CannotStart"]


class CannotStart(Exception):
    """Something that the service needs is not to be had; the message is for a person."""


class AlreadyRunning(CannotStart):
    """Another one has the database."""
