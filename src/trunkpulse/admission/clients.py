"""The machines that may use the API: what each may do, and the secrets by which it proves itself.

A secret is 256 random bits, so what is kept of it is a plain SHA-256: a slow hash is for what
people make up and others can guess, and nobody goes through 2^256. Both comparisons are always
made, also for a client that does not exist, and each takes the same time wherever the texts differ.

Two secrets can be good at once, so that one is exchanged for another without an outage: add the
second, give it to the machine, take away the first (or give it a moment at which it ends by
itself).

A token that was given to a client carries the client's ``generation``. Whatever changes what the
client may do, and each secret that is taken away, begins a new one, and all tokens from before are
void at once.

Nobody hands out what they do not have: whoever makes, changes or deletes a client, gets a secret
of it or takes one away, must themselves be allowed everything that it may do, everywhere that it
may do it. To disable it, which can be taken back, it is enough that they may edit clients.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from trunkpulse.access import UNLIMITED, Limits, Permission, Principal, PrincipalKind
from trunkpulse.access.granting import what_is_beyond
from trunkpulse.admission.errors import AdmissionRefused, GrantRefused, NotThere, TooManyKept
from trunkpulse.admission.keeping import as_kept, load_all
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore

__all__ = [
    "MOST_CLIENTS",
    "Client",
    "ClientDraft",
    "ClientSecret",
    "Clients",
    "MadeSecret",
]

MOST_CLIENTS: Final = 10_000
MOST_SECRETS: Final = 2
SECRET_PREFIX: Final = "tps_"  # noqa: S105 - how one is known by sight, to scanners too
_SECRET_BYTES: Final = 32
_NOBODYS: Final = hashlib.sha256(secrets.token_bytes(32)).hexdigest()
"""Stands where there is no secret; nothing that can be sent has this hash."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSecret:
    """One of a client's secrets."""

    id: str
    """Names it; says nothing of it."""
    sha256: str = field(repr=False)
    """In hexadecimal digits."""
    created_ms: int
    expires_ms: int | None = None
    """From then on it is no good; None: until it is taken away."""

    def good(self, now_ms: int) -> bool:
        """True if it proves something."""
        return self.expires_ms is None or now_ms < self.expires_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientDraft:
    """What is said of a client by whoever makes it."""

    name: str
    """For people; no two have the same."""
    permissions: frozenset[Permission]
    limits: Limits = UNLIMITED
    enabled: bool = True
    expires_ms: int | None = None
    """From then on it is not let in; None: it is for ever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Client(ClientDraft):
    """A machine that may use the API."""

    id: str
    secrets: tuple[ClientSecret, ...] = ()
    generation: int = 1
    """Of its tokens; those of another one are void."""
    revision: int = 1
    created_ms: int
    changed_ms: int

    def active(self, now_ms: int) -> bool:
        """True if it is let in at all."""
        return self.enabled and (self.expires_ms is None or now_ms < self.expires_ms)

    def principal(self, permissions: Collection[Permission]) -> Principal:
        """Whoever asks with a token for ``permissions``; what it may not any more is left out."""
        return Principal(
            kind=PrincipalKind.CLIENT,
            id=self.id,
            name=self.name,
            permissions=self.permissions.intersection(permissions),
            limits=self.limits,
        )


@dataclass(frozen=True, slots=True)
class MadeSecret:
    """A secret as it is shown once."""

    client: Client
    """As it is with it."""
    id: str
    text: str = field(repr=False)


class Clients:
    """See the module's opening. Each change raises StoreUnavailable and DocumentChanged."""

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._changing = asyncio.Lock()
        self._by_id: dict[str, Client] = {}
        self.all: tuple[Client, ...] = ()
        """Every client, by id; another object whenever one has changed."""

    async def load(self) -> None:
        """Read what was kept; call once, before anybody asks. Raises AdmissionRefused."""
        kept = await load_all(self._store, DocumentKind.CLIENT, most=MOST_CLIENTS)
        self._by_id = {each.id: _restored(each) for each in kept}
        self.all = tuple(self._by_id.values())

    def get(self, client_id: str) -> Client | None:
        """The client of this id."""
        return self._by_id.get(client_id)

    def proved(self, client_id: str, secret: str) -> Client | None:
        """The client that ``secret`` is of; None if it is not, or if it is not let in now."""
        now_ms = self._now_ms()
        client = self._by_id.get(client_id)
        kept = () if client is None else client.secrets
        digest = hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
        right = False
        for place in range(MOST_SECRETS):
            one = kept[place] if place < len(kept) else None
            same = hmac.compare_digest(digest, _NOBODYS if one is None else one.sha256)
            right |= same and one is not None and one.good(now_ms)
        if client is None or not right or not client.active(now_ms):
            return None
        return client

    async def create(self, draft: ClientDraft, maker: Principal) -> MadeSecret:
        """Make a client with its first secret; raises AdmissionRefused."""
        async with self._changing:
            _check_theirs(draft, maker)
            self._check_name(draft.name, None)
            if len(self._by_id) >= MOST_CLIENTS:
                raise TooManyKept(
                    f"There are {MOST_CLIENTS:,} clients, which is as many as there may be; "
                    "delete one first."
                )
            now_ms = self._now_ms()
            secret, text = _new_secret(now_ms)
            client = Client(
                id=f"tpc_{secrets.token_hex(12)}",
                name=draft.name,
                permissions=draft.permissions,
                limits=draft.limits,
                enabled=draft.enabled,
                expires_ms=draft.expires_ms,
                secrets=(secret,),
                created_ms=now_ms,
                changed_ms=now_ms,
            )
            return MadeSecret(await self._write(client), secret.id, text)

    async def change(
        self, client_id: str, edit: Callable[[Client], ClientDraft], maker: Principal
    ) -> Client:
        """Put what ``edit`` says of a client in the place of what was said; returns the client.

        Its tokens are void afterwards if more than its name has changed. Raises
        AdmissionRefused and what ``edit`` raises.
        """
        async with self._changing:
            before = self._known(client_id)
            draft = edit(before)
            after = replace(
                before,
                name=draft.name,
                permissions=draft.permissions,
                limits=draft.limits,
                enabled=draft.enabled,
                expires_ms=draft.expires_ms,
            )
            if after == before:
                return before
            if after != replace(before, enabled=False):  # whoever may edit may shut it out
                _check_theirs(before, maker)
                _check_theirs(after, maker)
            self._check_name(after.name, client_id)
            if replace(after, name=before.name) != before:
                after = replace(after, generation=before.generation + 1)
            return await self._write(self._next(after))

    async def add_secret(
        self, client_id: str, maker: Principal, *, others_end_ms: int | None = None
    ) -> MadeSecret:
        """Give a client another secret; the one it has is no good from ``others_end_ms`` on.

        Tokens stay good. Raises AdmissionRefused.
        """
        async with self._changing:
            before = self._known(client_id)
            _check_theirs(before, maker)
            now_ms = self._now_ms()
            good = [each for each in before.secrets if each.good(now_ms)]
            if len(good) >= MOST_SECRETS:
                raise AdmissionRefused(
                    f"The client {before.name} has two secrets already; take one away first."
                )
            if others_end_ms is not None:
                good = [_ended_by(each, others_end_ms) for each in good]
            secret, text = _new_secret(now_ms)
            after = await self._write(self._next(replace(before, secrets=(*good, secret))))
            return MadeSecret(after, secret.id, text)

    async def remove_secret(self, client_id: str, secret_id: str, maker: Principal) -> Client:
        """Take a secret away; it and all tokens of the client are void at once.

        Raises AdmissionRefused.
        """
        async with self._changing:
            before = self._known(client_id)
            _check_theirs(before, maker)
            left = tuple(each for each in before.secrets if each.id != secret_id)
            if left == before.secrets:
                raise NotThere(
                    f"The client {before.name} has no secret with the id {secret_id[:128]}."
                )
            after = replace(before, secrets=left, generation=before.generation + 1)
            return await self._write(self._next(after))

    async def delete(
        self, client_id: str, maker: Principal, *, check: Callable[[Client], None] = lambda _: None
    ) -> Client:
        """Have a client gone, its tokens too; returns what it was.

        Raises AdmissionRefused and what ``check`` raises of the client as it is.
        """
        async with self._changing:
            before = self._known(client_id)
            _check_theirs(before, maker)
            check(before)
            await self._store.drop_documents(DocumentKind.CLIENT, [client_id])
            self._put(client_id, None)
            return before

    def _known(self, client_id: str) -> Client:
        client = self._by_id.get(client_id)
        if client is None:
            raise NotThere(f"There is no client with the id {client_id[:128]}.")
        return client

    def _check_name(self, name: str, own_id: str | None) -> None:
        folded = name.casefold()
        for each in self.all:
            if each.id != own_id and each.name.casefold() == folded:
                raise AdmissionRefused(
                    f"There is a client with the name {each.name}; choose another."
                )

    def _next(self, client: Client) -> Client:
        return replace(client, revision=client.revision + 1, changed_ms=self._now_ms())

    async def _write(self, client: Client) -> Client:
        try:
            await self._store.save_documents([_kept(client)])
        except DocumentChanged:
            # Whoever reads it now, and tries again, shall not be refused for ever.
            kept = await as_kept(self._store, DocumentKind.CLIENT, client.id)
            self._put(client.id, None if kept is None else _restored(kept))
            raise
        self._put(client.id, client)
        return client

    def _put(self, client_id: str, client: Client | None) -> None:
        if client is None:
            self._by_id.pop(client_id, None)
        else:
            self._by_id[client_id] = client
        self.all = tuple(self._by_id.values())

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def _check_theirs(draft: ClientDraft, maker: Principal) -> None:
    if beyond := what_is_beyond(maker, draft.permissions, draft.limits):
        raise GrantRefused(
            f"{maker.name} does not have {beyond}, and so cannot give it to a client or change one "
            "that has it."
        )


def _new_secret(now_ms: int) -> tuple[ClientSecret, str]:
    text = SECRET_PREFIX + secrets.token_urlsafe(_SECRET_BYTES)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return ClientSecret(id=secrets.token_hex(4), sha256=digest, created_ms=now_ms), text


def _ended_by(secret: ClientSecret, end_ms: int) -> ClientSecret:
    if secret.expires_ms is not None and secret.expires_ms <= end_ms:
        return secret
    return replace(secret, expires_ms=end_ms)


# --- at rest -------------------------------------------------------------------------------------

_strings = TypeAdapter(list[str] | None)
_secrets = TypeAdapter(tuple[ClientSecret, ...])
_number = TypeAdapter(int | None)


def _kept(client: Client) -> Document:
    return Document(
        kind=DocumentKind.CLIENT,
        id=client.id,
        definition={
            "name": client.name,
            "scopes": sorted(each.value for each in client.permissions),
            "regions": _sorted(client.limits.regions),
            "carriers": _sorted(client.limits.carriers),
            "enabled": client.enabled,
            "expires_ms": client.expires_ms,
            "generation": client.generation,
            "secrets": [
                {
                    "id": each.id,
                    "sha256": each.sha256,
                    "created_ms": each.created_ms,
                    "expires_ms": each.expires_ms,
                }
                for each in client.secrets
            ],
        },
        revision=client.revision,
        created_ms=client.created_ms,
        changed_ms=client.changed_ms,
    )


def _restored(document: Document) -> Client:
    definition: Mapping[str, object] = document.definition
    try:
        return Client(
            id=document.id,
            name=str(definition["name"]),
            permissions=_permissions(_strings.validate_python(definition["scopes"]) or ()),
            limits=Limits(
                regions=_set(_strings.validate_python(definition["regions"])),
                carriers=_set(_strings.validate_python(definition["carriers"])),
            ),
            enabled=definition["enabled"] is True,
            expires_ms=_number.validate_python(definition["expires_ms"]),
            secrets=_secrets.validate_python(definition["secrets"])[:MOST_SECRETS],
            generation=_number.validate_python(definition["generation"]) or 1,
            revision=document.revision,
            created_ms=document.created_ms,
            changed_ms=document.changed_ms,
        )
    except (KeyError, ValidationError):
        raise AdmissionRefused(
            f"The client {document.id} in the database was written by another version; run the "
            "version that wrote it."
        ) from None


def _permissions(values: Collection[str]) -> frozenset[Permission]:
    """Those that this version knows."""
    known = {each.value for each in Permission}
    return frozenset(Permission(value) for value in values if value in known)


def _sorted(values: frozenset[str] | None) -> list[str] | None:
    return None if values is None else sorted(values)


def _set(values: list[str] | None) -> frozenset[str] | None:
    return None if values is None else frozenset(values)
