"""The way in: who may come, read from the database, and what tends to it.

Both the service and a command on its own (``app.desk``) have one.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import structlog

from trunkpulse.adapters.http.api.access import Access
from trunkpulse.adapters.http.api.gate import CredentialsGate
from trunkpulse.adapters.machine_token import (
    MachineToken,
    machine_token_file,
    new_machine_token,
)
from trunkpulse.adapters.oidc import OidcProvider
from trunkpulse.adapters.sealed_head import SealedHead
from trunkpulse.adapters.signing import SigningKeys
from trunkpulse.adapters.tokens import AccessTokens
from trunkpulse.admission.clients import Clients
from trunkpulse.admission.errors import AdmissionRefused
from trunkpulse.admission.ledger import LAST_ENTRIES_SECONDS, Ledger
from trunkpulse.admission.people import People
from trunkpulse.admission.revocations import RevokedTokens
from trunkpulse.admission.sessions import SessionRules
from trunkpulse.app.bookkeeping import note_signing_key
from trunkpulse.app.errors import CannotStart
from trunkpulse.config.settings import ApiSettings
from trunkpulse.ports import AuditLog, Clock, DocumentStore, StoreUnavailable, Vault

__all__ = ["Door", "load_access", "open_door"]

log = structlog.get_logger(__name__)

TENDING_SECONDS: Final = 600.0


class AccessStore(DocumentStore, AuditLog, Protocol):
    """Where all of it is kept, and what was done with it."""


class _Place:
    """Where the API listens, once that is known."""

    url = ""


@dataclass(frozen=True, slots=True)
class Door:
    """The way in."""

    access: Access
    token: str
    """Of the machine itself."""
    _file: Path
    _place: _Place

    @contextlib.contextmanager
    def at(self, url: str, certificate: str | None = None) -> Iterator[None]:
        """It is at ``url``, and commands on this machine find it there; raises CannotStart.

        ``certificate`` is the file of what it shows over TLS.
        """
        self._place.url = url
        with contextlib.ExitStack() as ending:
            try:
                ending.enter_context(MachineToken(url, self.token, certificate).in_file(self._file))
            except OSError as problem:
                raise CannotStart(
                    f"The machine token {self._file} cannot be written: "
                    f"{problem.strerror or problem}; commands on this machine need it, so let "
                    "trunkpulse write to its folder."
                ) from problem
            yield


@contextlib.asynccontextmanager
async def open_door(
    store: AccessStore,
    vault: Vault,
    clock: Clock,
    *,
    database: Path,
    api: Callable[[], ApiSettings],
    rules: SessionRules | None = None,
    oidc: OidcProvider | None = None,
) -> AsyncIterator[Door]:
    """The way in, tended to for as long as the block runs; raises CannotStart."""
    token, place = new_machine_token(), _Place()
    try:
        access = await load_access(
            store,
            vault,
            clock,
            machine_token=token,
            issuer=lambda: api().public_url or place.url,
            token_lifetime_seconds=lambda: api().token_lifetime_seconds,
            rules=rules,
            oidc=oidc,
        )
    except (AdmissionRefused, StoreUnavailable) as problem:
        raise CannotStart(str(problem)) from problem
    async with asyncio.TaskGroup() as tasks:
        using = tasks.create_task(access.people.run(), name="use of sessions")
        tending = tasks.create_task(_tend(access), name="tend access")
        writing = tasks.create_task(access.ledger.run(), name="audit")
        sealing = tasks.create_task(access.sealed.keep_up_with(access.ledger), name="seal audit")
        try:
            yield Door(access, token, machine_token_file(database), place)
        finally:
            tending.cancel()
            using.cancel()
            writing.cancel()
            sealing.cancel()
            ends = asyncio.get_running_loop().time() + LAST_ENTRIES_SECONDS
            await access.ledger.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends):
                    await access.sealed.catch_up_with(access.ledger)


async def load_access(
    store: AccessStore,
    vault: Vault,
    clock: Clock,
    *,
    machine_token: str,
    issuer: Callable[[], str],
    token_lifetime_seconds: Callable[[], int],
    rules: SessionRules | None = None,
    oidc: OidcProvider | None = None,
) -> Access:
    """Everything, read from ``store``; raises StoreUnavailable and AdmissionRefused."""
    clients = Clients(store, clock)
    keys = SigningKeys(store, vault, clock)
    revoked = RevokedTokens(store, clock)
    tokens = AccessTokens(keys, clock, issuer=issuer, lifetime_seconds=token_lifetime_seconds)
    people = People(store, clock, rules=rules)
    ledger, sealed = Ledger(store, clock), SealedHead(store, vault, clock)
    await ledger.open()
    await sealed.open(store)
    await clients.load()
    await keys.load()
    await revoked.load()
    await people.load()
    return Access(
        gate=CredentialsGate(
            machine_token=machine_token,
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
        ledger=ledger,
        sealed=sealed,
        audit=store,
        clock=clock,
    )


async def _tend(access: Access) -> None:
    """Exchange signing keys when it is time to, and let go of what has expired; never ends."""
    while True:
        access.revoked.forget_expired()
        known = {key.id for key in access.keys.published}
        try:
            await access.keys.tend()
            for key in access.keys.published:
                if key.id not in known:
                    note_signing_key(access.ledger, key.id)
        except StoreUnavailable as problem:
            log.warning("access.not_tended", problem=str(problem))
        await asyncio.sleep(TENDING_SECONDS)
