"""What the service itself puts into the audit: its life, its configuration, its licence."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from trunkpulse import __version__
from trunkpulse.access.audit import Act, Outcome
from trunkpulse.access.licence import Entitlement
from trunkpulse.admission.ledger import SERVICE, Ledger
from trunkpulse.config import Config
from trunkpulse.roster import Applied

__all__ = [
    "note_licence",
    "note_new_key",
    "note_refused_reload",
    "note_reload",
    "note_signing_key",
    "note_start",
    "note_stop",
]

MOST_IDS = 50
"""Of trunks that a configuration added, changed or removed; the others are counted."""


def note_start(ledger: Ledger, config: Config, *, made_administrator: bool) -> None:
    """The service is up; ``made_administrator``: there was nobody, so it made one."""
    _note(
        ledger,
        "service.started",
        instance=config.instance.id,
        version=__version__,
        trunks=len(config.trunks),
        routes=len(config.routes),
        streams=len(config.event_streams),
    )
    if made_administrator:
        _note(ledger, "service.first_administrator_made")


def note_stop(ledger: Ledger) -> None:
    """The service has been told to stop."""
    _note(ledger, "service.stopped")


def note_reload(ledger: Ledger, applied: Applied) -> None:
    """Another configuration is in force."""
    _note(
        ledger,
        "service.configuration_applied",
        added=_listed(applied.added),
        changed=_listed(applied.changed),
        removed=_listed(applied.removed),
    )


def note_refused_reload(ledger: Ledger, problems: Sequence[str]) -> None:
    """A new configuration was not taken."""
    ledger.note(
        Act(
            action="service.configuration_refused",
            actor=SERVICE,
            outcome=Outcome.FAILED,
            details={"problems": list(problems[:MOST_IDS]), "count": len(problems)},
        )
    )


def note_broken_audit(ledger: Ledger, problem: str) -> None:
    """The audit is not as it was when its end was sealed."""
    ledger.note(
        Act(
            action="service.audit_broken",
            actor=SERVICE,
            outcome=Outcome.FAILED,
            details={"problem": problem},
        )
    )


def note_licence(
    ledger: Ledger, before: frozenset[Entitlement], lacking: frozenset[Entitlement]
) -> None:
    """The licence covers more or less than before, and that is in effect."""
    _note(ledger, "service.license_in_effect", lacking=sorted(lacking), before=sorted(before))


async def note_new_key(ledger: Ledger, key_id: str) -> None:
    """The secrets in the database are sealed with another key; on return that is durable."""
    await ledger.record(
        Act(
            action="service.keys_rotated",
            actor=SERVICE,
            outcome=Outcome.DONE,
            details={"key": key_id},
        )
    )


def note_signing_key(ledger: Ledger, key_id: str) -> None:
    """Tokens are signed with another key."""
    _note(ledger, "service.signing_key_rotated", key=key_id)


def _listed(ids: Sequence[str]) -> dict[str, object]:
    return {"count": len(ids), "first": list(islice(ids, MOST_IDS))}


def _note(ledger: Ledger, action: str, **details: object) -> None:
    ledger.note(Act(action=action, actor=SERVICE, outcome=Outcome.DONE, details=details))
