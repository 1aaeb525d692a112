"""How people are let in: users, their roles and sessions put together, and who guesses."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from trunkpulse.access import Permission, Principal, PrincipalKind
from trunkpulse.access.roles import ADMINISTRATOR
from trunkpulse.access.user import User, folded, name_from
from trunkpulse.admission.devices import device_of, mark_for
from trunkpulse.admission.errors import (
    AdmissionRefused,
    ForgedRequest,
    NotLetIn,
    PasswordOver,
    PasswordRefused,
    TooManyGuesses,
)
from trunkpulse.admission.guessing import STRANGERS, Guessing, network_of
from trunkpulse.admission.hashing import Hashing, HashingBusy
from trunkpulse.admission.roles import Roles
from trunkpulse.admission.sessions import Session, SessionRules, Sessions, csrf_token_of
from trunkpulse.admission.users import Users
from trunkpulse.ports import Clock, DocumentStore, StoreUnavailable

__all__ = ["FirstAdministrator", "Identity", "LetIn", "People"]

_KEPT_EVERY_SECONDS: Final = 60.0
_WRONG: Final = "The name or the password is wrong."

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdministrator:
    """Who was made because there was nobody."""

    name: str
    password: str | None = field(repr=False)
    """Made here, to be told once; None: it was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LetIn:
    """Somebody has signed in."""

    cookie: str = field(repr=False)
    """What the session's cookie shall hold."""
    principal: Principal
    device: str | None = field(repr=False)
    """What the browser shall bring along the next time (``devices``); None: nothing."""
    instead_of: Session | None = None
    """What the browser was in before; it is over."""


UserChanged = Callable[[User | None, User], Awaitable[None]]
"""Is told of a user before and after; None: there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Whom a provider says that somebody is."""

    subject: tuple[str, str]
    """The issuer, and its name for them."""
    email: str | None
    """An address that the provider has verified."""
    name: str
    """What they might be called here."""
    display_name: str | None
    roles: Sequence[str] | None
    """The ids of roles that its claims stand for; None: it has no say in that."""
    may_sign_up: bool
    """A user is made of somebody who has at least one role."""


_PROVIDER: Final = Principal(
    kind=PrincipalKind.MACHINE,
    id="provider",
    name="the provider",
    permissions=frozenset(Permission),
)
"""Whoever wrote the configuration has said what its word counts."""
_OURSELVES: Final = replace(_PROVIDER, id="trunkpulse", name="trunkpulse")


class People:
    """Everything about people who sign in."""

    def __init__(
        self,
        store: DocumentStore,
        clock: Clock,
        *,
        hashing: Hashing | None = None,
        guessing: Guessing | None = None,
        rules: SessionRules | None = None,
    ) -> None:
        self.hashing = hashing or Hashing()
        self.guessing = guessing or Guessing()
        self.sessions = Sessions(store, clock, rules or SessionRules())
        self.roles = Roles(store, clock)
        self.users = Users(
            store,
            clock,
            self.hashing,
            self.roles,
            sign_out=self.sessions.sign_out,
            forget_guesses=self.guessing.forget,
            one_time_seconds=self.sessions.rules.one_time_password_seconds,
        )
        self._clock = clock

    async def load(self) -> None:
        """Read everybody; raises StoreUnavailable."""
        await self.hashing.prepare()
        await self.roles.load()
        await self.users.load()
        await self.sessions.load()

    async def run(self) -> None:
        """Keep the store up to date with what goes on, until cancelled."""
        while True:
            await asyncio.sleep(_KEPT_EVERY_SECONDS)
            try:
                await self.sessions.write_use()
            except StoreUnavailable as problem:
                log.warning("sessions.not_written", problem=str(problem))

    async def make_first_administrator(
        self, name: str, password: str | None
    ) -> FirstAdministrator | None:
        """If there is no user, make one who may do everything and has to change the password.

        None: there is somebody already. Raises PasswordRefused, StoreUnavailable, and ValueError
        if ``name`` is none, to follow the key.
        """
        if self.users.all:
            return None
        wanted = User(
            id="", name=name_from(name), roles=(ADMINISTRATOR,), must_change_password=True
        )
        _, made = await self.users.create(wanted, password, _OURSELVES, one_time=password is None)
        return FirstAdministrator(name=wanted.name, password=made)

    # --- letting in ---------------------------------------------------------------------------

    async def sign_in(
        self,
        name: str,
        password: str,
        *,
        address: str,
        agent: str,
        device: str | None = None,
        former: str | None = None,
    ) -> LetIn:
        """Let in who knows ``password``; ``device`` is the mark that the browser brings along.

        ``former`` is the key of the session that the browser has had; it is over then, whosever it
        was. Raises NotLetIn, HashingBusy and StoreUnavailable.
        """
        user = await self._proved(name, password, address, device)
        await self.users.freshen_hash(user, password)
        return await self._let_in(user, address, agent, former)

    async def sign_in_by(
        self,
        identity: Identity,
        *,
        address: str,
        agent: str,
        changed: UserChanged,
        former: str | None = None,
    ) -> LetIn:
        """Let in whom a provider has proved; raises NotLetIn, AdmissionRefused, StoreUnavailable.

        Found by the provider's name for them, else by the address once, else made a user. What its
        word makes of a user is told to ``changed`` at once, for it stays also if they are not let
        in then. ``former`` is as for ``sign_in``.
        """
        user = self.users.known_as(identity.subject)
        if user is None:
            user = await self._newcomer(identity, changed)
        elif user.roles_by_provider and identity.roles is not None:
            roles = tuple(identity.roles)
            user = await self._edited(user, lambda known: replace(known, roles=roles), changed)
            if not user.roles:
                raise NotLetIn("The provider gives you no role here any more; ask there for one.")
        if not user.enabled:
            raise NotLetIn(f"The user {user.name} is disabled; ask an administrator.")
        return await self._let_in(user, address, agent, former)

    async def principal_of(
        self,
        cookie: str,
        csrf: str | None,
        safe: bool,  # noqa: FBT001 - the gate's protocol
    ) -> Principal | None:
        """Whose session this cookie is of; None: of nobody's.

        ``safe``: the request changes nothing. Otherwise ``csrf`` has to be the session's token;
        raises ForgedRequest.
        """
        session = self.sessions.find(cookie)
        if session is None:
            return None
        user = self.users.get(session.user_id)
        if user is None or not user.enabled:
            return None
        if session.password_ms != user.password_changed_ms:
            # A restart may bring it back if the store was away when a new password ended it.
            return None
        if not safe and not hmac.compare_digest(
            csrf_token_of(cookie).encode(), (csrf or "").encode()
        ):
            raise ForgedRequest(
                "This changes something and came without the token of your session; send it as "
                "the header X-CSRF-Token, GET /api/v2/session says it."
            )
        return self.users.principal(user, session.id)

    async def change_own_password(
        self,
        caller: Principal,
        old: str,
        new: str,
        *,
        address: str,
        agent: str,
        device: str | None = None,
    ) -> LetIn:
        """They know the ``old`` one and take a ``new`` one; all their sessions end for one new.

        ``device`` is as for ``sign_in``. Raises NotLetIn, PasswordRefused, HashingBusy and
        StoreUnavailable.
        """
        user = self.users.get(caller.id)
        if caller.kind is not PrincipalKind.USER or user is None or user.password_hash is None:
            raise AdmissionRefused(f"{caller.name} has no password here that could be changed.")
        proved = await self._proved_again(
            user, old, address, device, wrong="The present password is wrong."
        )
        if old == new:
            raise PasswordRefused("The password is the one that you have; take another.")
        user = await self.users.change_own_password(proved, new)
        return await self._let_in(user, address, agent)

    async def prove_again(
        self, caller: Principal, password: str | None, *, address: str, device: str | None = None
    ) -> None:
        """Have them know their own ``password`` before they change how somebody gets in.

        Asked of people who have one; whoever holds a session alone might have found it. ``device``
        is as for ``sign_in``. Raises NotLetIn and HashingBusy.
        """
        user = self.users.get(caller.id)
        if caller.kind is not PrincipalKind.USER or user is None or user.password_hash is None:
            return
        if password is None:
            raise NotLetIn(
                "This changes how somebody gets in, so it takes your own password once more; send "
                "it along as currentPassword."
            )
        await self._proved_again(
            user, password, address, device, wrong="Your own password (currentPassword) is wrong."
        )

    async def _proved_again(
        self, user: User, password: str, address: str, device: str | None, *, wrong: str
    ) -> User:
        """``user``, who is signed in; raises as ``_proved``, with the sentence ``wrong``."""
        try:
            return await self._proved(user.name, password, address, device)
        except (TooManyGuesses, PasswordOver):
            raise  # it says how long to wait, or what to do
        except NotLetIn:
            raise NotLetIn(wrong) from None

    async def _proved(self, name: str, password: str, address: str, device: str | None) -> User:
        account = folded(name)
        user = self.users.named(account)
        crowd: str | None = device_of(user, device) or STRANGERS
        if user is not None and network_of(address) in user.networks:
            crowd = None
        wait = self.guessing.admit(account, address, self._clock.monotonic(), crowd=crowd)
        if wait > 0:
            raise TooManyGuesses(
                "There were too many wrong passwords; wait before you try again.", wait
            )
        known = user.password_hash if user is not None and user.enabled else None
        try:
            right = await self.hashing.matches(password, known, stranger=crowd == STRANGERS)
        except (HashingBusy, asyncio.CancelledError):
            self.guessing.was_not_tried(account, address, crowd=crowd)
            raise
        if not right or user is None or not _is_still(user, self.users.get(user.id)):
            raise NotLetIn(_WRONG)
        self.guessing.was_right(account, address, crowd=crowd)
        if user.password_ends_ms is not None and self._now_ms() >= user.password_ends_ms:
            raise PasswordOver(
                "This one-time password was not used in time and is over; have an administrator "
                "make another, or do it on the machine itself."
            )
        return user

    def _now_ms(self) -> int:
        return int(self._clock.wall() * 1000)

    async def _edited(self, user: User, edit: Callable[[User], User], changed: UserChanged) -> User:
        """What a provider's word makes of ``user``."""
        before: list[User] = []

        def remembered(present: User) -> User:
            before.append(present)
            return edit(present)

        after = await self.users.change(user.id, remembered, _PROVIDER)
        if after != before[0]:
            await changed(before[0], after)
        return after

    async def _newcomer(self, identity: Identity, changed: UserChanged) -> User:
        known = None if identity.email is None else self.users.with_email(identity.email)
        if known is not None and known.subject is None and _is_address(identity.email, known.email):
            return await self._edited(
                known, lambda user: replace(user, subject=identity.subject), changed
            )
        if known is None and identity.may_sign_up and identity.roles:
            try:
                name = name_from(identity.name)
            except ValueError as problem:
                raise NotLetIn(
                    f"The name that the provider has for you {problem}; ask an administrator to "
                    "make a user with your e-mail address."
                ) from None
            wanted = User(
                id="",
                name=name,
                display_name=identity.display_name,
                email=identity.email,
                roles=tuple(identity.roles),
                subject=identity.subject,
                roles_by_provider=True,
            )
            user, _ = await self.users.create(wanted, None, _PROVIDER)
            await changed(None, user)
            return user
        raise NotLetIn(
            "The provider knows you, but you are no user here; ask an administrator to make one "
            "with your e-mail address."
        )

    async def _let_in(
        self, user: User, address: str, agent: str, former: str | None = None
    ) -> LetIn:
        """``user`` is as they were proved; raises NotLetIn if they are another since."""
        await self.users.note_network(user.id, network_of(address))
        before = None if former is None else self.sessions.known_as(former)
        cookie = await self.sessions.open(user, address=address, agent=agent, instead_of=before)
        session = self.sessions.find(cookie)
        assert session is not None
        present = self.users.get(user.id)
        if present is None or not _is_still(user, present):
            await self.sessions.end(session)
            raise NotLetIn(_WRONG)
        return LetIn(
            cookie=cookie,
            principal=self.users.principal(present, session.id),
            device=mark_for(present),
            instead_of=before,
        )


def _is_address(given: str | None, known: str | None) -> bool:
    """True if both are surely one mailbox: the same, but for the case of ASCII letters.

    No two users have addresses that merely look alike. But a mail server may well give such a one
    to somebody else: with a long s (U+017F) ``boss@`` is another one, though not in capitals.
    """
    if given is None or known is None:
        return False
    in_ascii = given.isascii() and known.isascii()
    return given == known or (in_ascii and given.lower() == known.lower())


def _is_still(proved: User, present: User | None) -> bool:
    """Whether who was proved may still be let in for it: it takes a while, and they may change."""
    return (
        present is not None
        and present.enabled
        and present.password_changed_ms == proved.password_changed_ms
    )
