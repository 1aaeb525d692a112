"""Who may come in, as the program keeps it, over any store; and a gate that stands open."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

from argon2 import PasswordHasher
from fastapi import Request

from trunkpulse.access import UNLIMITED, Limits, Principal, PrincipalKind
from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.admission import Gate
from trunkpulse.adapters.http.api.gate import CredentialsGate, machine
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.sealed_head import SealedHead
from trunkpulse.adapters.signing import SigningKeys
from trunkpulse.adapters.tokens import AccessTokens
from trunkpulse.admission.clients import Clients
from trunkpulse.admission.hashing import Hashing
from trunkpulse.admission.ledger import Ledger
from trunkpulse.admission.people import People
from trunkpulse.admission.revocations import RevokedTokens
from trunkpulse.ports import AuditLog, Clock, DocumentStore, Vault
from vaults import a_vault

__all__ = ["ISSUER", "MACHINE_TOKEN", "GateFor", "OpenGate", "access_over", "bearer", "people_over"]

ISSUER = "http://127.0.0.1:8080"
MACHINE_TOKEN = "tpm_for-tests"


class OpenGate:
    """Takes everybody for whoever runs this machine."""

    async def principal(self, request: Request) -> Principal:
        return machine()


@dataclass
class GateFor:
    """Takes everybody for somebody who may do everything within these limits."""

    limits: Limits = UNLIMITED

    async def principal(self, request: Request) -> Principal:
        return replace(machine(), kind=PrincipalKind.CLIENT, limits=self.limits)


class AccessStore(DocumentStore, AuditLog, Protocol):
    """Where all of it is kept."""


def access_over(
    store: AccessStore,
    clock: Clock,
    *,
    vault: Vault | None = None,
    gate: Gate | None = None,
    lifetime_seconds: int = 900,
    people: People | None = None,
    oidc: OidcProvider | None = None,
) -> Access:
    """Not loaded yet; without ``gate`` the real one, for MACHINE_TOKEN and what clients get."""
    people = people or people_over(store, clock)
    vault = vault or a_vault()
    clients = Clients(store, clock)
    keys = SigningKeys(store, vault, clock)
    revoked = RevokedTokens(store, clock)
    tokens = AccessTokens(
        keys, clock, issuer=lambda: ISSUER, lifetime_seconds=lambda: lifetime_seconds
    )
    return Access(
        gate=gate
        or CredentialsGate(
            machine_token=MACHINE_TOKEN,
            clients=clients,
            tokens=tokens,
            revoked=revoked,
            clock=clock,
            sessions=people,
        ),
        clients=clients,
        keys=keys,
        tokens=tokens,
        revoked=revoked,
        people=people,
        oidc=oidc,
        ledger=Ledger(store, clock),
        sealed=SealedHead(store, vault, clock),
        audit=store,
        clock=clock,
    )


def people_over(store: DocumentStore, clock: Clock) -> People:
    """Not loaded yet; their passwords cost next to nothing."""
    return People(store, clock, hashing=Hashing(cheap_hasher()))


def cheap_hasher() -> PasswordHasher:
    return PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


async def load(access: Access) -> None:
    """Read what is kept, as a start does."""
    await access.sealed.open(access.audit)
    await access.clients.load()
    await access.keys.load()
    await access.revoked.load()
    await access.people.load()


def bearer(token: str) -> dict[str, str]:
    """The header that brings ``token``."""
    return {"authorization": f"Bearer {token}"}
