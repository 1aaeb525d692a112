"""The store fails between two writes, or makes one and loses the answer: who is out stays out.

What comes next must find its way back by itself, without a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import pytest

from trunkpulse.access import Permission
from trunkpulse.access.roles import ADMINISTRATOR, Role
from trunkpulse.adapters.signing import SigningKeys
from trunkpulse.admission.clients import Client, ClientDraft, Clients
from trunkpulse.admission.sessions import Sessions
from trunkpulse.ports import (
    Document,
    DocumentChanged,
    DocumentKind,
    StoreUnavailable,
)
from unit.admission.people_world import MACHINE, PeopleWorld, PluggedDocuments
from unit.http.api_parts import SetClock
from vaults import a_vault


class ShakyDocuments(PluggedDocuments):
    """The in-memory store, over a line that breaks at the worst moment."""

    drops = True
    """Whether documents can be dropped."""
    answers = True
    """False: what is written is written, and nobody hears of it."""

    async def save_documents(self, saved: Sequence[Document]) -> None:
        await super().save_documents(saved)
        if not self.answers:
            raise StoreUnavailable("the answer was lost")

    async def drop_documents(self, kind: DocumentKind, ids: Collection[str]) -> None:
        if not self.drops:
            raise StoreUnavailable("the plug is pulled")
        await super().drop_documents(kind, ids)


async def people() -> tuple[PeopleWorld, ShakyDocuments]:
    store = ShakyDocuments()
    world = PeopleWorld(store=store)
    await world.people.load()
    await world.add("alice", ADMINISTRATOR)
    return world, store


async def sessions_after_restart(world: PeopleWorld) -> Sessions:
    return (await world.restart()).sessions


# --- sessions ------------------------------------------------------------------------------------


async def test_a_session_that_ended_while_the_store_was_away_does_not_come_back() -> None:
    world, store = await people()
    cookie = (await world.sign_in("alice")).cookie
    alice = world.people.users.named("alice")
    assert alice is not None
    store.drops = False
    with pytest.raises(StoreUnavailable):
        await world.people.users.sign_out(alice.id, MACHINE)
    assert await world.whose(cookie) is None
    store.drops = True
    await world.people.users.sign_out(alice.id, MACHINE)  # as the answer asks for
    assert (await sessions_after_restart(world)).of_user(alice.id) == []


async def test_the_store_is_told_of_ended_sessions_once_it_is_back() -> None:
    world, store = await people()
    cookie = (await world.sign_in("alice")).cookie
    session = world.people.sessions.find(cookie)
    assert session is not None
    store.drops = False
    with pytest.raises(StoreUnavailable):
        await world.people.sessions.end(session)
    store.drops = True
    await world.people.sessions.write_use()
    assert (await sessions_after_restart(world)).find(cookie) is None


async def test_the_use_of_sessions_is_written_again_after_an_answer_was_lost() -> None:
    world, store = await people()
    cookie = (await world.sign_in("alice")).cookie
    world.clock.seconds += 6 * 60
    assert await world.whose(cookie) is not None
    store.answers = False
    with pytest.raises(StoreUnavailable):
        await world.people.sessions.write_use()
    store.answers = True
    await world.people.sessions.write_use()  # learns which revision there is
    world.clock.seconds += 20 * 60
    assert await world.whose(cookie) is not None
    await world.people.sessions.write_use()
    world.clock.seconds += 29 * 60
    assert (await sessions_after_restart(world)).find(cookie) is not None


async def test_a_session_that_is_gone_from_the_store_is_over() -> None:
    world, store = await people()
    cookie = (await world.sign_in("alice")).cookie
    world.clock.seconds += 6 * 60
    assert await world.whose(cookie) is not None
    [kept] = await store.load_documents(DocumentKind.SESSION)
    await store.drop_documents(DocumentKind.SESSION, [kept.id])
    await world.people.sessions.write_use()
    assert await world.whose(cookie) is None


# --- who may come in -----------------------------------------------------------------------------


async def test_a_client_can_be_disabled_after_an_answer_was_lost() -> None:
    store = ShakyDocuments()
    clients = Clients(store, SetClock())
    draft = ClientDraft(name="grafana", permissions=frozenset({Permission.TRUNK_VIEW}))
    made = (await clients.create(draft, MACHINE)).client

    def renamed(client: Client) -> ClientDraft:
        return replace(client, name="heard of by nobody")

    def disabled(client: Client) -> ClientDraft:
        return replace(client, enabled=False)

    store.answers = False
    with pytest.raises(StoreUnavailable):
        await clients.change(made.id, renamed, MACHINE)
    store.answers = True
    with pytest.raises(DocumentChanged):
        await clients.change(made.id, disabled, MACHINE)
    assert [each.name for each in clients.all] == ["heard of by nobody"]
    assert not (await clients.change(made.id, disabled, MACHINE)).enabled


async def test_a_user_can_be_disabled_after_an_answer_was_lost() -> None:
    world, store = await people()
    bob = await world.add("bob", "operations")
    users = world.people.users
    store.answers = False
    with pytest.raises(StoreUnavailable):
        await users.change(bob.id, lambda user: replace(user, name="robert"), MACHINE)
    store.answers = True
    with pytest.raises(DocumentChanged):
        await users.change(bob.id, lambda user: replace(user, enabled=False), MACHINE)
    assert users.named("bob") is None
    assert users.named("robert") is not None
    changed = await users.change(bob.id, lambda user: replace(user, enabled=False), MACHINE)
    assert not changed.enabled


async def test_a_user_who_is_gone_from_the_store_is_gone() -> None:
    world, store = await people()
    bob = await world.add("bob", "operations")
    users = world.people.users
    await store.drop_documents(DocumentKind.USER, [bob.id])
    with pytest.raises(DocumentChanged):
        await users.change(bob.id, lambda user: replace(user, display_name="Bob"), MACHINE)
    assert [each.name for each in users.all] == ["alice"]
    assert users.named("bob") is None


async def test_a_role_can_be_narrowed_after_an_answer_was_lost() -> None:
    world, store = await people()
    users = world.people.users
    both = frozenset({Permission.TRUNK_VIEW, Permission.TRUNK_EDIT})
    await users.create_role(Role(id="night", name="Night", permissions=both), MACHINE)

    def narrowed(role: Role) -> Role:
        return replace(role, permissions=frozenset({Permission.TRUNK_VIEW}))

    store.answers = False
    with pytest.raises(StoreUnavailable):
        await users.change_role("night", lambda role: replace(role, name="Late"), MACHINE)
    store.answers = True
    with pytest.raises(DocumentChanged):
        await users.change_role("night", narrowed, MACHINE)
    role = await users.change_role("night", narrowed, MACHINE)
    assert (role.name, role.permissions) == ("Late", frozenset({Permission.TRUNK_VIEW}))


# --- keys ----------------------------------------------------------------------------------------


async def started(store: ShakyDocuments, clock: SetClock) -> SigningKeys:
    keys = SigningKeys(store, a_vault(), clock)
    await keys.load()
    return keys


async def test_a_compromised_key_stays_out_if_the_store_fails_before_it_is_dropped() -> None:
    store, clock = ShakyDocuments(), SetClock()
    keys = await started(store, clock)
    store.drops = False
    with pytest.raises(StoreUnavailable):
        await keys.replace_all()
    key = keys.signer()
    store.drops = True
    again = await started(store, clock)
    assert [each.id for each in again.published] == [key.id]
    assert [each.id for each in await store.load_documents(DocumentKind.SIGNING_KEY)] == [key.id]


async def test_a_compromised_key_stays_out_if_the_keys_are_replaced_once_more() -> None:
    store, clock = ShakyDocuments(), SetClock()
    keys = await started(store, clock)
    store.drops = False
    with pytest.raises(StoreUnavailable):
        await keys.replace_all()
    store.drops = True
    key = await keys.replace_all()
    assert [each.id for each in (await started(store, clock)).published] == [key.id]
    assert [each.id for each in await store.load_documents(DocumentKind.SIGNING_KEY)] == [key.id]


async def test_a_compromised_key_is_dropped_later_by_itself() -> None:
    store, clock = ShakyDocuments(), SetClock()
    keys = await started(store, clock)
    store.drops = False
    with pytest.raises(StoreUnavailable):
        await keys.replace_all()
    store.drops = True
    await keys.tend()
    kept = await store.load_documents(DocumentKind.SIGNING_KEY)
    assert [each.id for each in kept] == [keys.signer().id]
