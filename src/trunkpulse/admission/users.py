"""The people who may be let in, in memory over their store, and the rules that hold among them.

* Names are unique, whatever their case; so are e-mail addresses and a provider's subjects.
* Nobody gives, and nobody changes somebody who has, what they do not have themselves.
* One enabled administrator without limits is always left.
* Whoever is changed in what lets them in (disabled, deleted, given a password) is signed out.

Changes take turns, so that what a rule has looked at is still so when it is written.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from trunkpulse.access import Principal, PrincipalKind
from trunkpulse.access.granting import what_is_beyond
from trunkpulse.access.roles import ADMINISTRATOR, Role
from trunkpulse.access.user import User, folded
from trunkpulse.admission.errors import (
    AdmissionRefused,
    GrantRefused,
    NotLetIn,
    NotThere,
    PasswordRefused,
    TooManyKept,
)
from trunkpulse.admission.hashing import Hashing
from trunkpulse.admission.keeping import as_kept, load_all
from trunkpulse.admission.roles import Roles
from trunkpulse.admission.user_documents import document_of, user_from
from trunkpulse.ports import Clock, DocumentChanged, DocumentKind, DocumentStore

__all__ = ["Users"]

MOST_USERS: Final = 10_000
MOST_NETWORKS: Final = 16
"""Where one user has signed in, that are kept."""
_UNMISTAKABLE: Final = "abcdefghjkmnpqrstuvwxyz23456789"
"""What a person can read from a screen and type."""
_GROUPS: Final = (5, 5, 5, 5, 6)


class Users:
    """All users, and who of them may do what."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        hashing: Hashing,
        roles: Roles,
        *,
        sign_out: Callable[[str], Awaitable[None]],
        forget_guesses: Callable[[str], None],
        one_time_seconds: float,
    ) -> None:
        """``sign_out`` ends all sessions of a user's id; ``forget_guesses`` is told a name.

        A password that somebody else gave is good for ``one_time_seconds``.
        """
        self.roles = roles
        self._store = store
        self._clock = clock
        self._hashing = hashing
        self._sign_out = sign_out
        self._forget_guesses = forget_guesses
        self._one_time_seconds = one_time_seconds
        self._turn = asyncio.Lock()
        self._users: dict[str, User] = {}
        self._by_name: dict[str, str] = {}
        self._all: Sequence[User] | None = ()

    async def load(self) -> None:
        """Read them; raises TooManyKept and StoreUnavailable."""
        for document in await load_all(self._store, DocumentKind.USER, most=MOST_USERS):
            self._put(user_from(document))

    # --- asking -------------------------------------------------------------------------------

    @property
    def all(self) -> Sequence[User]:
        """By id; the same object for as long as nothing has changed."""
        if self._all is None:
            self._all = tuple(sorted(self._users.values(), key=lambda user: user.id))
        return self._all

    def get(self, user_id: str) -> User | None:
        """The user of this id; None if there is none."""
        return self._users.get(user_id)

    def named(self, name: str) -> User | None:
        """The user who signs in by ``name``, whatever its case; None if there is none."""
        return self._users.get(self._by_name.get(folded(name), ""))

    def known_as(self, subject: tuple[str, str]) -> User | None:
        """The user whom this provider knows as this; None if there is none."""
        return next((user for user in self.all if user.subject == subject), None)

    def with_email(self, email: str) -> User | None:
        """The user with this address; None if there is none."""
        wanted = folded(email)
        return next(
            (user for user in self.all if user.email and folded(user.email) == wanted), None
        )

    def principal(self, user: User, session_id: str) -> Principal:
        """What ``user`` may do, in this session, as roles are now."""
        return Principal(
            kind=PrincipalKind.USER,
            id=user.id,
            name=user.name,
            permissions=self.roles.permissions(user.roles),
            limits=user.limits,
            session_id=session_id,
            must_change_password=user.must_change_password,
        )

    # --- changing -----------------------------------------------------------------------------

    async def create(
        self, wanted: User, password: str | None, by: Principal, *, one_time: bool = False
    ) -> tuple[User, str | None]:
        """Add a user; also gives the password that was made, if one was.

        ``one_time``: they get a password made here, to be changed when they first come. Raises
        AdmissionRefused, GrantRefused, PasswordRefused, StoreUnavailable and HashingBusy.
        """
        async with self._turn:
            if len(self._users) >= MOST_USERS:
                raise TooManyKept(f"There are {MOST_USERS:,} users, and no more fit; delete some.")
            now_ms = self._now_ms()
            user = replace(
                wanted,
                id=f"u-{secrets.token_hex(8)}",
                revision=1,
                created_ms=now_ms,
                changed_ms=now_ms,
            )
            self._check(user, None)
            self._refuse_grant(by, user)
            made = one_time_password() if one_time else None
            if made is not None:
                user = replace(user, must_change_password=True)
            if made is not None or password is not None:
                user = await self._with_password(user, made or password or "")
            await self._save(user)
            return user, made

    async def change(self, user_id: str, edit: Callable[[User], User], by: Principal) -> User:
        """Make them what ``edit`` makes of them; raises as ``create`` does, and NotThere."""
        async with self._turn:
            user = self._there(user_id)
            changed = edit(user)
            self._refuse_grant(by, user)
            self._check(changed, user)
            self._refuse_grant(by, changed)
            if user.must_change_password and not changed.must_change_password:
                raise AdmissionRefused(
                    f"{user.name} has to take a password of their own; only they can do that."
                )
            if changed == user:
                return user
            changed = replace(changed, revision=user.revision + 1, changed_ms=self._now_ms())
            self._refuse_to_be_without_administrator(user, changed)
            await self._save(changed)
            if user.enabled and not changed.enabled:
                await self._sign_out(user_id)
            return changed

    async def delete(self, user_id: str, check: Callable[[User], None], by: Principal) -> None:
        """Drop them after ``check``; raises as ``change`` does."""
        async with self._turn:
            user = self._there(user_id)
            check(user)
            self._refuse_grant(by, user)
            self._refuse_to_be_without_administrator(user, None)
            await self._store.drop_documents(DocumentKind.USER, [user_id])
            self._forget(user_id)
            await self._sign_out(user_id)
            self._forget_guesses(folded(user.name))

    async def sign_out(self, user_id: str, by: Principal) -> None:
        """End all their sessions; raises as ``change`` does."""
        async with self._turn:
            self._refuse_grant(by, self._there(user_id))
            await self._sign_out(user_id)

    async def set_password(self, user_id: str, password: str | None, by: Principal) -> str | None:
        """Give somebody a password that they have to change; None: make one, and give it back.

        Raises as ``change`` does, and PasswordRefused.
        """
        async with self._turn:
            user = self._there(user_id)
            self._refuse_grant(by, user)
            made = one_time_password() if password is None else None
            theirs_to_change = replace(user, must_change_password=True)
            changed = await self._with_password(theirs_to_change, made or password or "")
            await self._save_new_password(changed)
            self._forget_guesses(folded(user.name))
            return made

    async def change_own_password(self, proved: User, password: str) -> User:
        """The user, who has ``proved`` to know the old one, takes another; raises as above.

        Raises NotLetIn if the old one was taken from them meanwhile.
        """
        async with self._turn:
            user = self._there(proved.id)
            if user.password_changed_ms != proved.password_changed_ms:
                raise NotLetIn("Your password was changed by somebody else just now; ask them.")
            their_own = replace(user, must_change_password=False)
            return await self._save_new_password(await self._with_password(their_own, password))

    async def freshen_hash(self, user: User, password: str) -> None:
        """Hash the right ``password`` anew if it was hashed with parameters of another day."""
        if user.password_hash is None or not self._hashing.is_outdated(user.password_hash):
            return
        async with self._turn:
            present = self._users.get(user.id)
            if present is not None and present.password_hash == user.password_hash:
                hashed = await self._hashing.hash(password)
                # Nothing that anybody edits has changed, but the store counts it all the same.
                await self._save(
                    replace(present, password_hash=hashed, revision=present.revision + 1)
                )

    async def note_network(self, user_id: str, network: str) -> None:
        """They have signed in from ``network``; raises StoreUnavailable."""
        user = self._users.get(user_id)
        # One of the newest ones stays for long, so not each sign-in is a write.
        if user is None or network in user.networks[-MOST_NETWORKS // 2 :]:
            return
        async with self._turn:
            present = self._users.get(user_id)
            if present is not None and network not in present.networks[-MOST_NETWORKS // 2 :]:
                others = (each for each in present.networks if each != network)
                networks = (*others, network)[-MOST_NETWORKS:]
                await self._save(replace(present, networks=networks, revision=present.revision + 1))

    async def create_role(self, role: Role, by: Principal) -> Role:
        """See ``Roles``; changes of users and roles take turns with each other."""
        async with self._turn:
            return await self.roles.create(role, by)

    async def change_role(self, role_id: str, edit: Callable[[Role], Role], by: Principal) -> Role:
        """See ``Roles``."""
        async with self._turn:
            return await self.roles.change(role_id, edit, by)

    async def delete_role(self, role_id: str, check: Callable[[Role], None], by: Principal) -> None:
        """See ``Roles``; refused while somebody has it."""
        async with self._turn:
            if holders := [user.name for user in self._users.values() if role_id in user.roles]:
                names = ", ".join(sorted(holders)[:5])
                raise AdmissionRefused(
                    f"The role {role_id} belongs to {len(holders)} users ({names}); take it from "
                    "them first."
                )
            await self.roles.delete(role_id, check, by)

    # --- rules --------------------------------------------------------------------------------

    def _check(self, user: User, before: User | None) -> None:
        """Raises AdmissionRefused unless ``user`` can be among the others."""
        for role_id in user.roles:
            if self.roles.get(role_id) is None:
                raise AdmissionRefused(f"There is no role with the id {role_id[:128]}.")
        namesake = self.named(user.name)
        if namesake is not None and namesake.id != user.id:
            raise AdmissionRefused(f"There is a user named {namesake.name} already.")
        if user.email is not None and (before is None or before.email != user.email):
            owner = self.with_email(user.email)
            if owner is not None and owner.id != user.id:
                raise AdmissionRefused(f"The address {user.email} is that of {owner.name} already.")

    def _refuse_grant(self, by: Principal, user: User) -> None:
        permissions = self.roles.permissions(user.roles)
        if beyond := what_is_beyond(by, permissions, user.limits):
            raise GrantRefused(
                f"{by.name} does not have {beyond}, and so cannot give it to a user or change one "
                "who has it."
            )

    def _refuse_to_be_without_administrator(self, user: User, changed: User | None) -> None:
        if not _is_administrator(user) or (changed is not None and _is_administrator(changed)):
            return
        if not any(_is_administrator(other) for other in self.all if other.id != user.id):
            raise AdmissionRefused(
                f"{user.name} is the last administrator; make somebody else one first."
            )

    def _there(self, user_id: str) -> User:
        user = self._users.get(user_id)
        if user is None:
            raise NotThere(f"There is no user with the id {user_id[:128]}.")
        return user

    # --- writing ------------------------------------------------------------------------------

    async def _with_password(self, user: User, password: str) -> User:
        names = [each for each in (user.name, user.display_name, user.email) if each]
        if objection := await self._hashing.objection_to(password, names):
            raise PasswordRefused(f"The password {objection}.")
        hashed = await self._hashing.hash(password)
        now_ms = self._now_ms()
        changed_ms = max(now_ms, (user.password_changed_ms or 0) + 1)
        ends_ms = now_ms + int(self._one_time_seconds * 1000) if user.must_change_password else None
        return replace(
            user,
            password_hash=hashed,
            password_changed_ms=changed_ms,
            password_ends_ms=ends_ms,
        )

    async def _save_new_password(self, user: User) -> User:
        user = replace(user, revision=user.revision + 1, changed_ms=self._now_ms())
        await self._save(user)
        await self._sign_out(user.id)
        return user

    async def _save(self, user: User) -> None:
        try:
            await self._store.save_documents([document_of(user)])
        except DocumentChanged:
            # Whoever reads them now, and tries again, shall not be refused for ever.
            kept = await as_kept(self._store, DocumentKind.USER, user.id)
            if kept is not None:
                self._put(user_from(kept))
            elif user.id in self._users:
                self._forget(user.id)
            raise
        self._put(user)

    def _forget(self, user_id: str) -> None:
        del self._by_name[folded(self._users.pop(user_id).name)]
        self._all = None

    def _put(self, user: User) -> None:
        before = self._users.get(user.id)
        if before is not None:
            del self._by_name[folded(before.name)]
        self._users[user.id] = user
        self._by_name[folded(user.name)] = user.id
        self._all = None

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)


def one_time_password() -> str:
    """Some 128.8 bits by chance, in groups that a person can copy from a screen."""
    groups = ("".join(secrets.choice(_UNMISTAKABLE) for _ in range(size)) for size in _GROUPS)
    return "-".join(groups)


def _is_administrator(user: User) -> bool:
    return user.enabled and ADMINISTRATOR in user.roles and not user.limits
