"""The roles that there are: those that come with the program, and one's own over their store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from trunkpulse.access import Permission, Principal
from trunkpulse.access.granting import what_is_beyond
from trunkpulse.access.principal import UNLIMITED
from trunkpulse.access.roles import BUILT_IN_ROLES, Role, permissions_of
from trunkpulse.admission.errors import AdmissionRefused, GrantRefused, NotThere, TooManyKept
from trunkpulse.admission.keeping import as_kept, load_all
from trunkpulse.ports import Clock, Document, DocumentChanged, DocumentKind, DocumentStore

__all__ = ["Roles"]

MOST_ROLES: Final = 1000


class Roles:
    """All roles by id. Whoever changes them takes turns (see ``Users``)."""

    def __init__(self, store: DocumentStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._roles: dict[str, Role] = {role.id: role for role in BUILT_IN_ROLES}
        self._all: Sequence[Role] = tuple(self._roles.values())

    async def load(self) -> None:
        """Read one's own; raises TooManyKept and StoreUnavailable."""
        found = await load_all(self._store, DocumentKind.ROLE, most=MOST_ROLES)
        self._put([_role_from(each) for each in found])

    @property
    def all(self) -> Sequence[Role]:
        """The same object for as long as nothing has changed."""
        return self._all

    def get(self, role_id: str) -> Role | None:
        """The role of this id; None if there is none."""
        return self._roles.get(role_id)

    def permissions(self, role_ids: Iterable[str]) -> frozenset[Permission]:
        """What these roles together allow; one that is gone allows nothing."""
        return permissions_of(self._roles[each] for each in role_ids if each in self._roles)

    async def create(self, role: Role, by: Principal) -> Role:
        """Add one; raises AdmissionRefused, GrantRefused and StoreUnavailable."""
        if role.id in self._roles:
            raise AdmissionRefused(
                f"There is a role with the id {role.id} already; choose another."
            )
        if len(self._roles) >= MOST_ROLES:
            raise TooManyKept(f"There are {MOST_ROLES:,} roles, and no more fit; delete some.")
        _refuse_grant(by, role)
        now_ms = int(self._clock.wall() * 1000)
        return await self._save(replace(role, revision=1, created_ms=now_ms, changed_ms=now_ms))

    async def change(self, role_id: str, edit: Callable[[Role], Role], by: Principal) -> Role:
        """Make it what ``edit`` makes of it; raises as ``create`` does, and NotThere."""
        role = self._own(role_id)
        _refuse_grant(by, role)
        changed = edit(role)
        _refuse_grant(by, changed)
        if changed == role:
            return role
        now_ms = int(self._clock.wall() * 1000)
        return await self._save(replace(changed, revision=role.revision + 1, changed_ms=now_ms))

    async def delete(self, role_id: str, check: Callable[[Role], None], by: Principal) -> None:
        """Drop it after ``check``; that nobody has it is asked by whoever knows the users."""
        role = self._own(role_id)
        check(role)
        _refuse_grant(by, role)
        await self._store.drop_documents(DocumentKind.ROLE, [role_id])
        self._roles.pop(role_id, None)
        self._all = tuple(self._roles.values())

    def _own(self, role_id: str) -> Role:
        role = self._roles.get(role_id)
        if role is None:
            raise NotThere(f"There is no role with the id {role_id[:128]}.")
        if role.built_in:
            raise AdmissionRefused(
                f"The role {role_id} comes with trunkpulse and stays as it is; make one of your "
                "own."
            )
        return role

    async def _save(self, role: Role) -> Role:
        try:
            await self._store.save_documents([_document_of(role)])
        except DocumentChanged:
            # Whoever reads it now, and tries again, shall not be refused for ever.
            kept = await as_kept(self._store, DocumentKind.ROLE, role.id)
            self._roles.pop(role.id, None)
            self._put([] if kept is None else [_role_from(kept)])
            raise
        self._put([role])
        return role

    def _put(self, roles: Iterable[Role]) -> None:
        self._roles.update({role.id: role for role in roles})
        self._all = tuple(self._roles.values())


def _refuse_grant(by: Principal, role: Role) -> None:
    if beyond := what_is_beyond(by, role.permissions, UNLIMITED):
        raise GrantRefused(f"{by.name} does not have {beyond}, and so cannot put it into a role.")


def _document_of(role: Role) -> Document:
    assert role.created_ms is not None
    assert role.changed_ms is not None
    return Document(
        kind=DocumentKind.ROLE,
        id=role.id,
        definition={
            "name": role.name,
            "description": role.description,
            "permissions": sorted(each.value for each in role.permissions),
        },
        revision=role.revision,
        created_ms=role.created_ms,
        changed_ms=role.changed_ms,
    )


def _role_from(document: Document) -> Role:
    known = {each.value: each for each in Permission}
    given = document.definition["permissions"]
    assert isinstance(given, list)
    return Role(
        id=document.id,
        name=str(document.definition["name"]),
        description=str(document.definition["description"]),
        # A permission of a newer version means nothing to this one.
        permissions=frozenset(known[each] for each in given if each in known),
        revision=document.revision,
        created_ms=document.created_ms,
        changed_ms=document.changed_ms,
    )
