"""Guesses from all over the world keep nobody out who has signed in before."""

from __future__ import annotations

import pytest

from trunkpulse.access.user import User
from trunkpulse.admission.devices import device_of, mark_for
from trunkpulse.admission.errors import NotLetIn, TooManyGuesses
from trunkpulse.admission.users import MOST_NETWORKS
from trunkpulse.ports import StoreUnavailable
from unit.admission.people_world import (
    HERE,
    MACHINE,
    OTHER_PASSWORD,
    PASSWORD,
    THERE,
    PeopleWorld,
    a_world,
)

ELSEWHERE = "203.0.113.9"
USER = User(id="u-1", name="alice", password_hash="$argon2id$of-hers")


async def with_bob() -> tuple[PeopleWorld, User]:
    world = await a_world()
    return world, await world.add("bob", "operations")


async def test_the_owner_gets_in_from_their_network_also_when_no_session_is_left() -> None:
    world, bob = await with_bob()
    await world.sign_in("bob", address=THERE)
    await world.people.users.sign_out(bob.id, MACHINE)
    await world.restart()
    await world.use_up_guesses("bob")
    with pytest.raises(TooManyGuesses):
        await world.sign_in("bob", address=HERE)
    assert (await world.sign_in("bob", address=THERE)).cookie


async def test_the_owner_gets_in_from_anywhere_in_a_browser_in_which_they_were() -> None:
    world, bob = await with_bob()
    mark = (await world.sign_in("bob", address=THERE)).device
    await world.restart()
    await world.use_up_guesses("bob")
    with pytest.raises(TooManyGuesses):
        await world.sign_in("bob", address=ELSEWHERE)
    let_in = await world.people.sign_in("bob", PASSWORD, address=ELSEWHERE, agent="", device=mark)
    assert let_in.principal.id == bob.id


async def test_a_password_from_an_administrator_leaves_the_networks_known() -> None:
    world, bob = await with_bob()
    await world.sign_in("bob", address=THERE)
    await world.people.users.set_password(bob.id, OTHER_PASSWORD, MACHINE)
    await world.use_up_guesses("bob")
    assert (await world.sign_in("bob", OTHER_PASSWORD, address=THERE)).cookie


async def test_a_wrong_password_makes_no_network_known() -> None:
    world, bob = await with_bob()
    with pytest.raises(NotLetIn):
        await world.sign_in("bob", "a wrong password", address=THERE)
    known = world.people.users.get(bob.id)
    assert known is not None
    assert known.networks == ()


async def test_the_networks_kept_of_a_user_are_the_last_ones() -> None:
    world, bob = await with_bob()
    for number in range(MOST_NETWORKS + 10):
        await world.sign_in("bob", address=f"192.0.2.{number}")
    await world.restart()
    known = world.people.users.get(bob.id)
    assert known is not None
    assert known.networks == tuple(f"192.0.2.{n}" for n in range(10, MOST_NETWORKS + 10))


async def test_a_sign_in_from_the_same_network_writes_nothing_of_the_user() -> None:
    world, bob = await with_bob()
    await world.sign_in("bob")
    before = world.people.users.get(bob.id)
    await world.sign_in("bob")
    assert world.people.users.get(bob.id) is before


async def test_who_cannot_be_written_down_is_not_let_in() -> None:
    world, _ = await with_bob()
    world.store.plugged = False
    with pytest.raises(StoreUnavailable):
        await world.sign_in("bob")


def test_a_mark_is_of_one_user_and_one_browser() -> None:
    first, second = mark_for(USER), mark_for(USER)
    assert first != second
    assert device_of(USER, first) is not None
    assert device_of(USER, first) != device_of(USER, second)
    other = User(id="u-2", name="bob", password_hash=USER.password_hash)
    assert device_of(other, first) is None
    assert device_of(None, first) is None


def test_a_new_password_makes_the_marks_worthless() -> None:
    changed = User(id=USER.id, name=USER.name, password_hash="$argon2id$another")
    assert device_of(changed, mark_for(USER)) is None


def test_nobody_makes_a_mark_of_their_own() -> None:
    mark = mark_for(USER)
    assert mark is not None
    nonce, _, proof = mark.partition(".")
    for forged in (
        "",
        ".",
        mark[:-1],
        f"{nonce[:-1]}_.{proof}" if nonce[-1] != "_" else f"{nonce[:-1]}-.{proof}",
        f"{nonce}.{'A' * len(proof)}",
        "\udcff" * len(mark),
        mark * 2,
    ):
        assert device_of(USER, forged) is None


def test_without_a_password_there_is_nothing_to_guess_and_no_mark() -> None:
    by_provider = User(id="u-3", name="carol")
    assert mark_for(by_provider) is None
    assert device_of(by_provider, mark_for(USER)) is None
