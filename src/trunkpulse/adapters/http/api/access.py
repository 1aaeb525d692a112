"""Who may come in, as the endpoints about that are given it; a part of every context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from trunkpulse.adapters.http.api.admission import Gate
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.sealed_head import SealedHead
from trunkpulse.adapters.signing import SigningKeys
from trunkpulse.adapters.tokens import AccessTokens
from trunkpulse.admission.clients import Clients
from trunkpulse.admission.guessing import Allowances, of_addresses
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
    sealed: SealedHead
    """Where it ended."""
    audit: AuditLog
    """Where the audit is read."""
    clock: Clock
    wrong_secrets: Allowances[str] = field(default_factory=of_addresses)
    """How many wrong secrets of clients an address may send still."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock.wall() * 1000)


async def _access(request: Request) -> Access:
    access = request.app.state.access
    assert isinstance(access, Access)
    return access


Accesses = Annotated[Access, Depends(_access)]
