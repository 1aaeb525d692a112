"""Whoever knows the old password gains nothing from coming just while another one is set."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from access_world import cheap_hasher
from trunkpulse.admission.errors import NotLetIn
from trunkpulse.admission.hashing import Hashing
from trunkpulse.admission.people import People
from trunkpulse.ports import Document, DocumentKind
from unit.admission.people_world import (
    HERE,
    MACHINE,
    OTHER_PASSWORD,
    PASSWORD,
    PeopleWorld,
    PluggedDocuments,
)


@dataclass
class SlowDocuments(PluggedDocuments):
    """Writes documents of some kinds when it is told to."""

    held: dict[DocumentKind, asyncio.Event] = field(default_factory=dict)
    reached: dict[DocumentKind, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__init__()

    def hold(self, kind: DocumentKind) -> None:
        self.held[kind], self.reached[kind] = asyncio.Event(), asyncio.Event()

    async def save_documents(self, saved: Sequence[Document]) -> None:
        for kind in {document.kind for document in saved}:
            if kind in self.held:
                self.reached[kind].set()
                await self.held[kind].wait()
        await super().save_documents(saved)


class WatchedHashing(Hashing):
    """Says when it has looked at a password."""

    def __init__(self) -> None:
        super().__init__(cheap_hasher())
        self.has_matched = asyncio.Event()

    async def matches(self, password: str, known: str | None, *, stranger: bool) -> bool:
        right = await super().matches(password, known, stranger=stranger)
        self.has_matched.set()
        return right


async def with_bob() -> tuple[PeopleWorld, SlowDocuments, str]:
    """Bob has signed in from here before, so that his network is known and not written again."""
    store = SlowDocuments()
    world = PeopleWorld(store=store)
    await world.people.load()
    bob = await world.add("bob", "operations")
    await world.sign_in("bob")
    await world.people.users.sign_out(bob.id, MACHINE)
    return world, store, bob.id


async def test_a_session_that_opens_while_the_password_is_set_is_ended() -> None:
    world, store, bob_id = await with_bob()
    store.hold(DocumentKind.SESSION)
    coming = asyncio.ensure_future(world.sign_in("bob"))
    await store.reached[DocumentKind.SESSION].wait()  # the old password was right
    await world.people.users.set_password(bob_id, OTHER_PASSWORD, MACHINE)
    world.clock.seconds += 1
    store.held[DocumentKind.SESSION].set()
    with pytest.raises(NotLetIn):
        await coming
    assert world.people.sessions.of_user(bob_id) == []
    assert await store.load_documents(DocumentKind.SESSION) == []


async def test_a_session_that_was_open_before_the_password_was_written_is_ended() -> None:
    world, store, bob_id = await with_bob()
    store.hold(DocumentKind.USER)
    setting = asyncio.ensure_future(
        world.people.users.set_password(bob_id, OTHER_PASSWORD, MACHINE)
    )
    await store.reached[DocumentKind.USER].wait()
    world.clock.seconds += 1
    cookie = (await world.sign_in("bob")).cookie  # the old one is good until then
    store.held[DocumentKind.USER].set()
    await setting
    assert await world.whose(cookie) is None


async def test_such_a_session_does_not_come_back_with_a_restart_either() -> None:
    """Its document was written after the new password's moment and could not be dropped."""
    world, store, bob_id = await with_bob()
    cookie = (await world.sign_in("bob")).cookie
    [session] = await store.load_documents(DocumentKind.SESSION)
    await world.people.users.set_password(bob_id, OTHER_PASSWORD, MACHINE)
    world.clock.seconds += 60
    late_ms = int(world.clock.wall() * 1000)
    await store.save_documents([replace(session, created_ms=late_ms, changed_ms=late_ms)])
    await world.restart()
    assert await world.whose(cookie) is None


async def test_the_old_password_takes_no_new_one_over_the_administrators() -> None:
    world, store, bob_id = await with_bob()
    hashing = WatchedHashing()
    world.people = People(store, world.clock, hashing=hashing)
    await world.people.load()
    caller = (await world.sign_in("bob")).principal
    hashing.has_matched.clear()
    store.hold(DocumentKind.USER)
    setting = asyncio.ensure_future(
        world.people.users.set_password(bob_id, OTHER_PASSWORD, MACHINE)
    )
    await store.reached[DocumentKind.USER].wait()
    taking = asyncio.ensure_future(
        world.people.change_own_password(
            caller, PASSWORD, "five stolen clarinets", address=HERE, agent=""
        )
    )
    await hashing.has_matched.wait()  # the old password was right
    store.held[DocumentKind.USER].set()
    await setting
    with pytest.raises(NotLetIn):
        await taking
    assert (await world.sign_in("bob", OTHER_PASSWORD)).principal.must_change_password


async def test_two_sign_ins_at_the_same_moment_from_two_networks_both_get_in() -> None:
    world, _, _ = await with_bob()
    both = await asyncio.gather(
        world.sign_in("bob", address="192.0.2.50"), world.sign_in("bob", address="192.0.2.51")
    )
    assert len({each.cookie for each in both}) == 2
