"""Who may come in, as the endpoints about that are given it; a part of every context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from trunkpulse.adapters.http.api.admission import Gate
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.signing import SigningKeys
from trunkpulse.adapters.tokens import AccessTokens
from trunkpulse.admission.clients import Clients
from trunkpulse.admission.guessing import Guessing
from trunkpulse.admission.ledger import Ledger
from trunkpulse.admission.people import People
from trunkpulse.admission.revocations import RevokedTokens
from trunkpulse.ports import AuditLog, Clock

__all__ = ["Access", "Accesses"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What is kept of who may come in, all loaded."""

    gate: Gate
    """Finds out who asks."""
    clients: Clients
    keys: SigningKeys
    tokens: AccessTokens
    revoked: RevokedTokens
    people: People
    oidc: OidcProvider | None = None
    """Whom people may sign in by."""
    ledger: Ledger
    """Writes the audit."""
    audit: AuditLog
    """Where the audit is read."""
    clock: Clock
    client_guesses: Guessing = field(default_factory=Guessing)
    """At the secrets of clients."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock.wall() * 1000)


async def _access(request: Request) -> Access:
    access = request.app.state.access
    assert isinstance(access, Access)
    return access


Accesses = Annotated[Access, Depends(_access)]
