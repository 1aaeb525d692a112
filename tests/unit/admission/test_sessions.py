"""Sessions: how long they go on, what ends them, and that a cookie alone changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkpulse.access.roles import ADMINISTRATOR
from trunkpulse.admission.errors import ForgedRequest
from trunkpulse.admission.sessions import SessionRules, csrf_token_of
from trunkpulse.ports import DocumentKind
from unit.admission.people_world import (
    MACHINE,
    OTHER_PASSWORD,
    PASSWORD,
    PeopleWorld,
    a_world,
)


async def signed_in(rules: SessionRules | None = None) -> tuple[PeopleWorld, str]:
    world = await a_world(rules)
    await world.add("alice", ADMINISTRATOR)
    await world.add("second", ADMINISTRATOR)
    return world, (await world.sign_in("alice")).cookie


async def test_a_session_ends_when_nothing_comes_for_half_an_hour() -> None:
    world, cookie = await signed_in()
    for _ in range(5):
        world.clock.seconds += 29 * 60
        assert await world.whose(cookie) is not None
    world.clock.seconds += 30 * 60
    assert await world.whose(cookie) is None
    world.clock.seconds -= 20 * 60  # it is over for good
    assert await world.whose(cookie) is None


async def test_a_session_ends_at_last_however_busy_it_is() -> None:
    world, cookie = await signed_in()
    for _ in range(12 * 6 - 1):
        world.clock.seconds += 600
        assert await world.whose(cookie) is not None
    world.clock.seconds += 600
    assert await world.whose(cookie) is None


async def test_a_session_goes_on_after_a_restart() -> None:
    world, cookie = await signed_in()
    world.clock.seconds += 20 * 60
    assert await world.whose(cookie) is not None
    await world.people.sessions.write_use()
    world.clock.seconds += 20 * 60
    await world.restart()
    assert await world.whose(cookie) is not None
    world.clock.seconds += 31 * 60
    await world.restart()
    assert await world.whose(cookie) is None


async def test_the_use_of_a_session_is_written_only_now_and_then() -> None:
    world, cookie = await signed_in()
    for _ in range(10):
        world.clock.seconds += 60
        await world.whose(cookie)
        await world.people.sessions.write_use()
    [document] = await world.store.load_documents(DocumentKind.SESSION)
    assert document.revision == 3


async def test_the_store_knows_no_cookie() -> None:
    world, cookie = await signed_in()
    [document] = await world.store.load_documents(DocumentKind.SESSION)
    assert cookie not in repr(document)
    assert await world.whose(document.id) is None
    assert await world.whose(document.id[:43]) is None


async def test_a_change_takes_the_sessions_own_token() -> None:
    world, cookie = await signed_in()
    other = (await world.sign_in("second")).cookie
    people = world.people
    for wrong in (None, "", "nonsense", cookie, csrf_token_of(other), "€"):
        with pytest.raises(ForgedRequest):
            await people.principal_of(cookie, wrong, False)
    assert await people.principal_of(cookie, csrf_token_of(cookie), False) is not None


async def test_each_sign_in_is_a_session_of_its_own() -> None:
    world, cookie = await signed_in()
    assert (await world.sign_in("alice")).cookie != cookie


async def test_one_more_than_the_most_ends_the_one_used_longest_ago() -> None:
    world, first = await signed_in(SessionRules(most_per_user=3))
    cookies = [first]
    for _ in range(2):
        world.clock.seconds += 1
        cookies.append((await world.sign_in("alice")).cookie)
    world.clock.seconds += 1
    await world.whose(first)
    world.clock.seconds += 1
    await world.sign_in("alice")
    assert [await world.whose(each) is not None for each in cookies] == [True, False, True]
    assert len(await world.store.load_documents(DocumentKind.SESSION)) == 3


async def test_being_disabled_ends_all_sessions_at_once_and_for_good() -> None:
    world, cookie = await signed_in()
    users = world.people.users
    alice = users.named("alice")
    assert alice is not None
    await users.change(alice.id, lambda user: replace(user, enabled=False), MACHINE)
    assert await world.whose(cookie) is None
    await users.change(alice.id, lambda user: replace(user, enabled=True), MACHINE)
    assert await world.whose(cookie) is None
    await world.restart()
    assert await world.whose(cookie) is None


async def test_being_deleted_ends_all_sessions_at_once() -> None:
    world, cookie = await signed_in()
    alice = world.people.users.named("alice")
    assert alice is not None
    await world.people.users.delete(alice.id, lambda _: None, MACHINE)
    assert await world.whose(cookie) is None
    assert await world.store.load_documents(DocumentKind.SESSION) == []


async def test_a_new_password_ends_all_sessions_but_the_one_that_changed_it() -> None:
    world, cookie = await signed_in()
    here = await world.sign_in("alice")
    after = await world.people.change_own_password(
        here.principal, PASSWORD, OTHER_PASSWORD, address="192.0.2.1", agent=""
    )
    assert await world.whose(cookie) is None
    assert await world.whose(here.cookie) is None
    assert await world.whose(after.cookie) is not None


async def test_a_session_from_before_the_password_does_not_come_back() -> None:
    """The store was away just when the sessions were to be dropped."""
    world, cookie = await signed_in()
    [session] = await world.store.load_documents(DocumentKind.SESSION)
    alice = world.people.users.named("alice")
    assert alice is not None
    world.clock.seconds += 1
    await world.people.users.set_password(alice.id, OTHER_PASSWORD, MACHINE)
    await world.store.save_documents([replace(session, revision=1)])
    await world.restart()
    assert await world.whose(cookie) is None


async def test_a_role_that_is_taken_away_counts_at_once() -> None:
    world, cookie = await signed_in()
    alice = world.people.users.named("alice")
    assert alice is not None
    await world.people.users.change(alice.id, lambda u: replace(u, roles=("auditor",)), MACHINE)
    principal = await world.whose(cookie)
    assert principal is not None
    assert principal.permissions == world.people.roles.permissions(["auditor"])


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "x" * 100_000, "ü" * 43])
async def test_what_is_no_cookie_of_ours_is_nobodys(cookie: str) -> None:
    world, _ = await signed_in()
    assert await world.whose(cookie) is None
