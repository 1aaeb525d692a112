"""Signing in, and ten thousand guesses at a password."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import ClassVar, Literal, TypedDict

import pytest
from argon2 import PasswordHasher

from trunkpulse.access.roles import ADMINISTRATOR
from trunkpulse.access.user import User
from trunkpulse.admission.errors import AdmissionRefused, NotLetIn, PasswordRefused, TooManyGuesses
from trunkpulse.admission.hashing import MOST_WAITING, Hashing, HashingBusy
from trunkpulse.admission.people import Identity, People, UserChanged
from unit.admission.people_world import (
    HERE,
    MACHINE,
    OTHER_PASSWORD,
    PASSWORD,
    THERE,
    PeopleWorld,
    a_world,
)

ISSUER = "https://login.example.com"


async def with_alice() -> PeopleWorld:
    world = await a_world()
    await world.add("Alice", ADMINISTRATOR)
    return world


@pytest.mark.parametrize("name", ["Alice", "alice", "ALICE"])
async def test_the_right_password_lets_in_whatever_the_names_case(name: str) -> None:
    world = await with_alice()
    assert (await world.sign_in(name)).principal.name == "Alice"


@pytest.mark.parametrize(
    ("name", "password"),
    [("alice", "three old trombone"), ("nobody", PASSWORD), ("alice", ""), ("", ""), ("\x00", "x")],
)
async def test_it_is_not_told_which_of_both_was_wrong(name: str, password: str) -> None:
    world = await with_alice()
    with pytest.raises(NotLetIn, match=r"^The name or the password is wrong\.$"):
        await world.sign_in(name, password)


async def test_who_is_disabled_learns_nothing_from_the_right_password() -> None:
    world = await with_alice()
    bob = await world.add("bob")
    await world.people.users.change(bob.id, lambda user: replace(user, enabled=False), MACHINE)
    with pytest.raises(NotLetIn, match=r"^The name or the password is wrong\.$"):
        await world.sign_in("bob")


async def test_finding_out_that_there_is_no_such_user_costs_a_hash_too() -> None:
    world = await with_alice()
    await world.add("by-provider", password=None)
    before = world.people.hashing.computed
    for name in ("nobody", "by-provider", "alice"):
        with pytest.raises(NotLetIn):
            await world.sign_in(name, "wrong password")
    assert world.people.hashing.computed - before == 3


async def test_who_is_unknown_is_compared_with_a_hash_as_dear_as_any_other() -> None:
    class Watched(PasswordHasher):
        against: ClassVar[list[str | bytes]] = []

        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:  # noqa: A002 - as the library calls it
            self.against.append(hash)
            return super().verify(hash, password)

    world = await a_world()
    watched = Hashing(Watched(time_cost=1, memory_cost=8, parallelism=1))
    world.people = People(world.store, world.clock, hashing=watched)
    await world.people.load()
    with pytest.raises(NotLetIn):
        await world.sign_in("nobody")
    [against] = Watched.against
    assert not watched.is_outdated(str(against))


async def test_who_is_disabled_while_the_password_is_looked_at_is_not_let_in() -> None:
    world = await with_alice()
    bob = await world.add("bob")
    coming = asyncio.ensure_future(world.sign_in("bob"))
    await asyncio.sleep(0)
    assert world.people.hashing.computed == 4  # the decoy, two users, and now this
    await world.people.users.change(bob.id, lambda user: replace(user, enabled=False), MACHINE)
    with pytest.raises(NotLetIn):
        await coming


async def test_ten_thousand_guesses_leave_the_true_user_unharmed_and_cost_next_to_nothing() -> None:
    world = await with_alice()
    hashing = world.people.hashing
    before = hashing.computed

    async def guess(number: int) -> type[Exception]:
        try:
            await world.sign_in("alice", f"guess number {number}")
        except (NotLetIn, HashingBusy) as refused:
            return type(refused)
        raise AssertionError("a guess was right")

    ends = await asyncio.gather(*(guess(number) for number in range(10_000)))
    assert ends.count(NotLetIn) == 5
    assert ends.count(TooManyGuesses) == 9_995
    assert hashing.computed - before == 5
    with pytest.raises(TooManyGuesses):  # the guesser, even with the right one
        await world.sign_in("alice")
    assert (await world.sign_in("alice", address=THERE)).principal.name == "Alice"


async def test_guesses_from_ten_thousand_addresses_do_not_keep_the_owner_out() -> None:
    world = await with_alice()
    await world.sign_in("alice", address=THERE)
    before = world.people.hashing.computed

    async def guess(number: int) -> None:
        address = f"10.{number >> 8}.{number & 255}.1"
        with pytest.raises((NotLetIn, HashingBusy)):
            await world.sign_in("alice", "a wrong password", address=address)

    await asyncio.gather(*(guess(number) for number in range(10_000)))
    assert world.people.hashing.computed - before <= 60
    assert (await world.sign_in("alice", address=THERE)).principal.name == "Alice"


async def test_where_the_owner_comes_from_is_known_after_a_restart() -> None:
    world = await with_alice()
    await world.sign_in("alice", address=THERE)
    await world.restart()
    await world.use_up_guesses("alice")
    with pytest.raises(TooManyGuesses):
        await world.sign_in("alice", address=HERE)
    assert (await world.sign_in("alice", address=THERE)).cookie


async def test_an_administrator_lets_in_again_who_guessed_too_often() -> None:
    world = await with_alice()
    for _ in range(5):
        with pytest.raises(NotLetIn):
            await world.sign_in("alice", "a wrong password")
    with pytest.raises(TooManyGuesses):
        await world.sign_in("alice")
    alice = world.people.users.named("alice")
    assert alice is not None
    await world.people.users.set_password(alice.id, OTHER_PASSWORD, MACHINE)
    assert (await world.sign_in("alice", OTHER_PASSWORD)).cookie


async def test_strangers_fill_half_of_the_waiting_room_and_the_others_still_get_in() -> None:
    hashing = Hashing(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    await hashing.prepare()
    strangers = [
        asyncio.ensure_future(hashing.matches("x", None, stranger=True)) for _ in range(500)
    ]
    await asyncio.sleep(0)
    assert await hashing.matches("x", None, stranger=False) is False
    ends = await asyncio.gather(*strangers, return_exceptions=True)
    busy = [each for each in ends if isinstance(each, HashingBusy)]
    assert len(busy) == 500 - MOST_WAITING // 2


async def test_a_guess_that_could_not_be_looked_at_is_not_counted() -> None:
    world = await with_alice()
    people = world.people
    crowd = [
        asyncio.ensure_future(people.hashing.matches("x", None, stranger=True))
        for _ in range(MOST_WAITING)
    ]
    await asyncio.sleep(0)
    for _ in range(20):
        with pytest.raises(HashingBusy):
            await world.sign_in("alice")
    await asyncio.gather(*crowd, return_exceptions=True)
    assert (await world.sign_in("alice")).cookie


async def test_a_password_hashed_with_parameters_of_another_day_is_hashed_anew() -> None:
    world = await with_alice()
    old = world.people.users.named("alice")
    stronger = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1)
    world.people = People(world.store, world.clock, hashing=Hashing(stronger))
    await world.people.load()
    await world.sign_in("alice")
    new = world.people.users.named("alice")
    assert old is not None
    assert new is not None
    assert new.password_hash != old.password_hash
    assert not world.people.hashing.is_outdated(str(new.password_hash))
    await world.sign_in("alice")
    assert world.people.users.named("alice") == new


async def test_the_own_password_takes_the_old_one() -> None:
    world = await with_alice()
    here = (await world.sign_in("alice")).principal
    for old, new, error in (
        ("wrong password", OTHER_PASSWORD, NotLetIn),
        (PASSWORD, PASSWORD, PasswordRefused),
        (PASSWORD, "short", PasswordRefused),
    ):
        with pytest.raises(error):
            await world.people.change_own_password(here, old, new, address=HERE, agent="")
    assert (await world.sign_in("alice")).cookie


async def test_guessing_the_old_password_from_a_stolen_session_is_slowed_down() -> None:
    world = await with_alice()
    here = (await world.sign_in("alice")).principal
    ends: list[type[Exception]] = []
    for _ in range(10):
        with pytest.raises(NotLetIn) as refused:
            await world.people.change_own_password(
                here, "a wrong password", OTHER_PASSWORD, address=HERE, agent=""
            )
        ends.append(refused.type)
    assert ends.count(TooManyGuesses) == 5


# --- by a provider ---------------------------------------------------------------------------


class Browser(TypedDict):
    address: str
    agent: str
    changed: UserChanged


async def nobody_asks(before: User | None, after: User) -> None:
    """What becomes of a user is looked at in the audit."""


BROWSER: Browser = {"address": HERE, "agent": "", "changed": nobody_asks}


def identity(**other: object) -> Identity:
    known: dict[str, object] = {
        "subject": (ISSUER, "1234"),
        "email": "alice@example.com",
        "name": "alice.smith",
        "display_name": "Alice Smith",
        "roles": None,
        "may_sign_up": False,
    }
    return Identity(**{**known, **other})  # type: ignore[arg-type]  # as the fields say


@pytest.mark.parametrize("email", ["bo\u017fs@example.com", "\uff42oss@example.com"])
async def test_an_address_that_only_looks_like_that_of_a_user_lets_nobody_in(email: str) -> None:
    world = await with_alice()
    boss = await world.add("boss", ADMINISTRATOR, password=None, email="boss@example.com")
    with pytest.raises((NotLetIn, AdmissionRefused)):
        await world.people.sign_in_by(identity(email=email, roles=["operations"]), **BROWSER)
    assert world.people.users.get(boss.id) == boss


async def test_a_provider_lets_in_whose_address_is_that_of_a_user_and_knows_them_from_then_on() -> (
    None
):
    world = await with_alice()
    user = await world.add("smith", "operations", password=None, email="Alice@Example.com")
    let_in = await world.people.sign_in_by(identity(), **BROWSER)
    assert let_in.principal.id == user.id
    moved = identity(email="other@example.com")
    assert (await world.people.sign_in_by(moved, **BROWSER)).principal.id == user.id


async def test_another_subject_with_the_same_address_is_not_let_in() -> None:
    world = await with_alice()
    await world.add("smith", "operations", password=None, email="alice@example.com")
    await world.people.sign_in_by(identity(), **BROWSER)
    with pytest.raises(NotLetIn):
        await world.people.sign_in_by(identity(subject=(ISSUER, "5")), **BROWSER)


@pytest.mark.parametrize(
    "other",
    [{}, {"email": None}, {"may_sign_up": True}, {"may_sign_up": True, "roles": ()}],
)
async def test_nobody_is_let_in_whom_nobody_made(other: dict[str, object]) -> None:
    world = await with_alice()
    with pytest.raises(NotLetIn, match="no user here"):
        await world.people.sign_in_by(identity(**other), **BROWSER)
    assert len(world.people.users.all) == 1


async def test_sign_up_makes_a_user_whose_roles_follow_the_provider() -> None:
    world = await with_alice()
    people = world.people
    by = identity(may_sign_up=True, roles=("engineer",))
    first = await people.sign_in_by(by, **BROWSER)
    assert first.principal.permissions == people.roles.permissions(["engineer"])
    second = await people.sign_in_by(replace(by, roles=("auditor",)), **BROWSER)
    assert second.principal.id == first.principal.id
    assert second.principal.permissions == people.roles.permissions(["auditor"])
    with pytest.raises(NotLetIn, match="no role here any more"):
        await people.sign_in_by(replace(by, roles=()), **BROWSER)


async def test_sign_up_takes_nobodys_name() -> None:
    world = await with_alice()
    by = identity(may_sign_up=True, roles=("engineer",), name="ALICE", email=None)
    with pytest.raises(AdmissionRefused, match="named Alice already"):
        await world.people.sign_in_by(by, **BROWSER)


async def test_a_disabled_user_is_not_let_in_by_the_provider_either() -> None:
    world = await with_alice()
    user = await world.add("smith", "operations", password=None, email="alice@example.com")
    await world.people.users.change(user.id, lambda u: replace(u, enabled=False), MACHINE)
    with pytest.raises(NotLetIn, match="disabled"):
        await world.people.sign_in_by(identity(), **BROWSER)
