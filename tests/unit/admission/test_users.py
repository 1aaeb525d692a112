"""Users and roles: what is unique, who may give what, and that somebody is always left."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from trunkpulse.access import Limits, Permission, Principal, PrincipalKind
from trunkpulse.access.roles import ADMINISTRATOR, BUILT_IN_ROLES, Role
from trunkpulse.access.user import User
from trunkpulse.admission.errors import (
    AdmissionRefused,
    GrantRefused,
    NotLetIn,
    NotThere,
    PasswordOver,
    PasswordRefused,
)
from trunkpulse.admission.sessions import SessionRules
from trunkpulse.admission.users import _UNMISTAKABLE, one_time_password
from trunkpulse.ports import DocumentKind, StoreUnavailable
from unit.admission.people_world import (
    HERE,
    MACHINE,
    OTHER_PASSWORD,
    PASSWORD,
    PeopleWorld,
    a_world,
)

USERS_ONLY = Principal(
    kind=PrincipalKind.USER,
    id="u-1",
    name="harry",
    permissions=frozenset({Permission.USERS_VIEW, Permission.USERS_EDIT}),
)


def nothing(_: object) -> None:
    """No condition."""


async def with_administrator() -> tuple[PeopleWorld, User]:
    world = await a_world()
    return world, await world.add("root", ADMINISTRATOR)


@pytest.mark.parametrize("name", ["ALICE", "alice", "Alice", "\uff41\uff4c\uff49\uff43\uff45"])
async def test_a_name_is_taken_whatever_its_case(name: str) -> None:
    world = await a_world()
    await world.add("Alice")
    with pytest.raises(AdmissionRefused, match="named Alice already"):
        await world.add(name)


async def test_an_address_belongs_to_one_user() -> None:
    world = await a_world()
    await world.add("alice", email="a@example.com")
    with pytest.raises(AdmissionRefused, match="that of alice already"):
        await world.add("bob", email="A@example.com")


async def test_what_was_made_is_there_after_a_restart() -> None:
    world = await a_world()
    limits = Limits(regions=frozenset({"eu"}), carriers=frozenset())
    made = await world.add("alice", "engineer", "auditor", limits=limits, email="a@example.com")
    role = await world.people.users.create_role(
        Role(id="watch", name="Watch", permissions=frozenset({Permission.TRUNK_VIEW})), MACHINE
    )
    people = await world.restart()
    assert people.users.all == (made,)
    assert people.roles.get("watch") == role
    assert people.users.named("ALICE") == made


async def test_a_deleted_users_id_and_name_are_free_of_them() -> None:
    world, _ = await with_administrator()
    alice = await world.add("alice")
    await world.people.users.delete(alice.id, nothing, MACHINE)
    again = await world.add("alice")
    assert again.id != alice.id
    assert (await world.restart()).users.named("alice") == again


async def test_nobody_gives_a_permission_that_they_do_not_have() -> None:
    world, _ = await with_administrator()
    users = world.people.users
    bob = await world.add("bob")
    with pytest.raises(GrantRefused, match=r"harry does not have the permissions .*trunk:edit"):
        await users.create(User(id="", name="eve", roles=("engineer",)), PASSWORD, USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.change(bob.id, lambda user: replace(user, roles=(ADMINISTRATOR,)), USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.create_role(
            Role(id="r", name="R", permissions=frozenset({Permission.LICENSE_EDIT})), USERS_ONLY
        )
    assert users.named("eve") is None
    assert users.get(bob.id) == bob


async def test_nobody_touches_somebody_who_has_more() -> None:
    world, root = await with_administrator()
    await world.add("second", ADMINISTRATOR)
    users = world.people.users
    with pytest.raises(GrantRefused):
        await users.set_password(root.id, OTHER_PASSWORD, USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.change(root.id, lambda user: replace(user, enabled=False), USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.change(root.id, lambda user: replace(user, roles=()), USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.delete(root.id, nothing, USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.sign_out(root.id, USERS_ONLY)
    assert users.get(root.id) == root


async def test_a_role_cannot_be_widened_beyond_ones_own_permissions() -> None:
    world, _ = await with_administrator()
    role = Role(id="viewers", name="V", permissions=frozenset({Permission.USERS_VIEW}))
    users = world.people.users
    await users.create_role(role, USERS_ONLY)
    with pytest.raises(GrantRefused):
        await users.change_role(
            "viewers", lambda known: replace(known, permissions=frozenset(Permission)), USERS_ONLY
        )


async def test_nobody_gives_wider_limits_than_their_own() -> None:
    world, _ = await with_administrator()
    limited = replace(
        MACHINE, name="harry", limits=Limits(regions=frozenset({"eu"}), carriers=None)
    )
    users = world.people.users
    for limits, said in (
        (Limits(), "all regions"),
        (Limits(regions=frozenset({"eu", "us"})), "the regions us"),
    ):
        wanted = User(id="", name="eve", roles=("operations",), limits=limits)
        with pytest.raises(GrantRefused, match=said):
            await users.create(wanted, PASSWORD, limited)
    within = User(id="", name="eve", limits=Limits(regions=frozenset({"eu"})))
    assert (await users.create(within, PASSWORD, limited))[0].name == "eve"


@pytest.mark.parametrize(
    "less",
    [
        {"enabled": False},
        {"roles": ("engineer",)},
        {"limits": Limits(regions=frozenset({"eu"}))},
    ],
)
async def test_the_last_administrator_stays_one(less: dict[str, object]) -> None:
    world, root = await with_administrator()
    users = world.people.users
    with pytest.raises(AdmissionRefused, match="the last administrator"):
        await users.change(root.id, lambda user: replace(user, **less), MACHINE)  # type: ignore[arg-type]  # one member or another
    with pytest.raises(AdmissionRefused, match="the last administrator"):
        await users.delete(root.id, nothing, MACHINE)
    await world.add("second", ADMINISTRATOR)
    changed = await users.change(root.id, lambda user: replace(user, **less), MACHINE)  # type: ignore[arg-type]  # one member or another
    assert changed != root


async def test_a_disabled_administrator_does_not_count_as_one() -> None:
    world, root = await with_administrator()
    second = await world.add("second", ADMINISTRATOR)
    users = world.people.users
    await users.change(second.id, lambda user: replace(user, enabled=False), MACHINE)
    with pytest.raises(AdmissionRefused, match="the last administrator"):
        await users.delete(root.id, nothing, MACHINE)


async def test_a_role_that_somebody_has_is_not_deleted() -> None:
    world, _ = await with_administrator()
    users = world.people.users
    role = Role(id="watch", name="W", permissions=frozenset({Permission.TRUNK_VIEW}))
    await users.create_role(role, MACHINE)
    alice = await world.add("alice", "watch")
    with pytest.raises(AdmissionRefused, match="alice"):
        await users.delete_role("watch", nothing, MACHINE)
    await users.delete(alice.id, nothing, MACHINE)
    await users.delete_role("watch", nothing, MACHINE)
    assert (await world.restart()).roles.get("watch") is None


@pytest.mark.parametrize("role", BUILT_IN_ROLES, ids=lambda role: str(role.id))
async def test_roles_that_come_with_the_program_stay(role: Role) -> None:
    world, _ = await with_administrator()
    users = world.people.users
    with pytest.raises(AdmissionRefused, match="comes with trunkpulse"):
        await users.change_role(role.id, lambda known: known, MACHINE)
    with pytest.raises(AdmissionRefused):
        await users.delete_role(role.id, nothing, MACHINE)
    with pytest.raises(AdmissionRefused, match="already"):
        await users.create_role(role, MACHINE)


async def test_a_user_cannot_have_a_role_that_is_not_there() -> None:
    world = await a_world()
    with pytest.raises(AdmissionRefused, match="no role with the id nonsense"):
        await world.add("alice", "nonsense")


async def test_a_password_that_is_guessed_early_changes_nothing() -> None:
    world, root = await with_administrator()
    with pytest.raises(PasswordRefused, match="tried first"):
        await world.people.users.set_password(root.id, "password1234", MACHINE)
    assert (await world.sign_in("root")).principal.name == "root"


async def test_a_one_time_password_is_good_once_it_is_changed() -> None:
    world = await a_world()
    wanted = User(id="", name="alice", roles=("operations",))
    user, made = await world.people.users.create(wanted, None, MACHINE, one_time=True)
    assert made is not None
    let_in = await world.sign_in("alice", made)
    assert let_in.principal.must_change_password
    after = await world.people.change_own_password(
        let_in.principal, made, OTHER_PASSWORD, address="192.0.2.1", agent=""
    )
    assert not after.principal.must_change_password
    with pytest.raises(NotLetIn):
        await world.sign_in("alice", made)
    assert (await world.sign_in("alice", OTHER_PASSWORD)).principal.id == user.id


def test_a_one_time_password_has_128_bits_by_chance() -> None:
    made = one_time_password().replace("-", "")
    assert len(made) * math.log2(len(_UNMISTAKABLE)) >= 128
    assert set(made) <= set(_UNMISTAKABLE)
    assert one_time_password().replace("-", "") != made


@pytest.mark.parametrize("given", [None, OTHER_PASSWORD])
async def test_a_password_from_others_that_is_not_used_in_time_lets_nobody_in(
    given: str | None,
) -> None:
    world = await a_world(SessionRules(one_time_password_seconds=60))
    user = await world.add("alice")
    made = await world.people.users.set_password(user.id, given, MACHINE) or OTHER_PASSWORD
    world.clock.seconds += 59
    here = (await world.sign_in("alice", made)).principal
    world.clock.seconds += 1
    with pytest.raises(PasswordOver, match="have an administrator make another"):
        await world.sign_in("alice", made)
    with pytest.raises(NotLetIn, match=r"^The name or the password is wrong\.$"):
        await world.sign_in("alice", "a wrong password")
    with pytest.raises(PasswordOver):
        await world.people.change_own_password(
            here, made, "five odd contrabassoons", address=HERE, agent=""
        )
    await world.restart()
    with pytest.raises(PasswordOver):
        await world.sign_in("alice", made)


async def test_a_password_of_ones_own_does_not_end() -> None:
    world = await a_world(SessionRules(one_time_password_seconds=60, idle_seconds=1e9))
    wanted = User(id="", name="alice")
    user, made = await world.people.users.create(wanted, None, MACHINE, one_time=True)
    assert made is not None
    here = (await world.sign_in("alice", made)).principal
    await world.people.change_own_password(here, made, OTHER_PASSWORD, address=HERE, agent="")
    await world.people.users.change(
        user.id, lambda known: replace(known, must_change_password=True), MACHINE
    )
    world.clock.seconds += 1e6
    assert (await world.sign_in("alice", OTHER_PASSWORD)).principal.must_change_password


async def test_nobody_else_can_say_that_a_password_need_not_be_changed() -> None:
    world = await a_world()
    user, _ = await world.people.users.create(User(id="", name="a"), None, MACHINE, one_time=True)
    with pytest.raises(AdmissionRefused, match="take a password of their own"):
        await world.people.users.change(
            user.id, lambda known: replace(known, must_change_password=False), MACHINE
        )
    assert world.people.users.get(user.id) == user


async def test_while_the_store_is_away_nothing_changes() -> None:
    world, root = await with_administrator()
    world.store.plugged = False
    with pytest.raises(StoreUnavailable):
        await world.add("alice")
    with pytest.raises(StoreUnavailable):
        await world.people.users.change(
            root.id, lambda user: replace(user, display_name="R"), MACHINE
        )
    assert world.people.users.all == (root,)


async def test_what_is_stored_holds_no_password() -> None:
    world, _ = await with_administrator()
    [document] = await world.store.load_documents(DocumentKind.USER)
    assert PASSWORD not in repr(document)
    assert "$argon2id$" in repr(document)
    assert "argon2" not in repr(world.people.users.all)


async def test_the_first_administrator_is_made_only_where_there_is_nobody() -> None:
    world = await a_world()
    made = await world.people.make_first_administrator("admin", None)
    assert made is not None
    assert made.password is not None
    assert made.password not in repr(made)
    let_in = await world.sign_in("admin", made.password)
    assert let_in.principal.permissions == frozenset(Permission)
    assert await world.people.make_first_administrator("admin", None) is None
    assert await (await world.restart()).make_first_administrator("admin", None) is None
    assert len(world.people.users.all) == 1


async def test_the_first_administrators_password_may_come_from_a_secret() -> None:
    world = await a_world()
    made = await world.people.make_first_administrator("chief", OTHER_PASSWORD)
    assert made is not None
    assert (made.name, made.password) == ("chief", None)
    assert (await world.sign_in("chief", OTHER_PASSWORD)).principal.must_change_password


async def test_somebody_who_is_not_there_cannot_be_changed() -> None:
    world = await a_world()
    with pytest.raises(NotThere):
        await world.people.users.change("u-nobody", lambda user: user, MACHINE)
