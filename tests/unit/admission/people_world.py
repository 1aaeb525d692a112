"""People over the in-memory store, on a clock that a test sets, with passwords that cost little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from access_world import cheap_hasher
from trunkpulse.access import UNLIMITED, Limits, Permission, Principal, PrincipalKind
from trunkpulse.access.user import User
from trunkpulse.adapters.storage.memory_documents import MemoryDocuments
from trunkpulse.admission.errors import NotLetIn
from trunkpulse.admission.hashing import Hashing
from trunkpulse.admission.people import LetIn, People
from trunkpulse.admission.sessions import SessionRules
from trunkpulse.ports import Document, StoreUnavailable
from unit.http.api_parts import SetClock

PASSWORD = "three old trombones"
OTHER_PASSWORD = "four new bassoons"
HERE, THERE = "192.0.2.1", "198.51.100.7"
MACHINE = Principal(
    kind=PrincipalKind.MACHINE, id="machine", name="this machine", permissions=frozenset(Permission)
)


class PluggedDocuments(MemoryDocuments):
    """The in-memory store, with a plug to pull."""

    plugged = True

    async def save_documents(self, saved: Sequence[Document]) -> None:
        if not self.plugged:
            raise StoreUnavailable("the plug is pulled")
        await super().save_documents(saved)


@dataclass
class PeopleWorld:
    store: PluggedDocuments = field(default_factory=PluggedDocuments)
    clock: SetClock = field(default_factory=SetClock)
    rules: SessionRules = field(default_factory=SessionRules)

    def __post_init__(self) -> None:
        self.people = self.opened()

    def opened(self) -> People:
        return People(self.store, self.clock, hashing=Hashing(cheap_hasher()), rules=self.rules)

    async def restart(self) -> People:
        self.people = self.opened()
        await self.people.load()
        return self.people

    async def add(
        self,
        name: str,
        *roles: str,
        limits: Limits = UNLIMITED,
        password: str | None = PASSWORD,
        email: str | None = None,
    ) -> User:
        wanted = User(id="", name=name, roles=roles, limits=limits, email=email)
        user, _ = await self.people.users.create(wanted, password, MACHINE)
        return user

    async def sign_in(self, name: str, password: str = PASSWORD, *, address: str = HERE) -> LetIn:
        return await self.people.sign_in(name, password, address=address, agent="a browser")

    async def use_up_guesses(self, name: str) -> None:
        """As many strangers guess as may, each from elsewhere."""
        for number in range(60):
            try:
                await self.sign_in(name, "a wrong password", address=f"10.0.{number}.1")
            except NotLetIn:
                continue
            raise AssertionError("a guess was right")

    async def whose(self, cookie: str) -> Principal | None:
        return await self.people.principal_of(cookie, None, True)


async def a_world(rules: SessionRules | None = None) -> PeopleWorld:
    world = PeopleWorld(rules=rules or SessionRules())
    await world.people.load()
    return world
