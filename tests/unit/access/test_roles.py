"""The roles that come with the program, and that the documentation says what they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkpulse.access import Limits, Permission, Principal, PrincipalKind
from trunkpulse.access.granting import what_is_beyond
from trunkpulse.access.roles import BUILT_IN_ROLES, Role, permissions_of
from trunkpulse.access.user import folded, name_from

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "people.md"


@pytest.mark.parametrize("role", BUILT_IN_ROLES, ids=lambda role: str(role.id))
def test_the_documentation_says_what_a_role_allows(role: Role) -> None:
    [row] = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| `{role.id}`")]
    said = row.split("|")[2].replace("`", "").split(",")
    expected = ["all"] if role.permissions == frozenset(Permission) else role.permissions
    assert {each.strip() for each in said} == set(expected)


def test_only_an_administrator_changes_users_and_the_licence() -> None:
    for permission in (Permission.USERS_EDIT, Permission.LICENSE_EDIT):
        assert [r.id for r in BUILT_IN_ROLES if permission in r.permissions] == ["administrator"]


def test_several_roles_allow_what_any_of_them_does() -> None:
    by_id = {role.id: role for role in BUILT_IN_ROLES}
    both = permissions_of([by_id["operations"], by_id["auditor"]])
    assert both == by_id["operations"].permissions | by_id["auditor"].permissions
    assert permissions_of([]) == frozenset()


@pytest.mark.parametrize(
    ("own", "given", "beyond"),
    [
        (Limits(), Limits(), None),
        (Limits(), Limits(regions=frozenset({"eu"})), None),
        (Limits(regions=frozenset({"eu"})), Limits(regions=frozenset({"eu"})), None),
        (Limits(regions=frozenset({"eu"})), Limits(regions=frozenset()), None),
        (Limits(regions=frozenset({"eu"})), Limits(), "all regions"),
        (Limits(carriers=frozenset({"a"})), Limits(carriers=frozenset("ab")), "the carriers b"),
    ],
)
def test_limits_are_not_given_wider(own: Limits, given: Limits, beyond: str | None) -> None:
    giver = Principal(
        kind=PrincipalKind.USER, id="u", name="u", permissions=frozenset(), limits=own
    )
    assert what_is_beyond(giver, (), given) == beyond


def test_names_that_look_the_same_are_the_same() -> None:
    assert folded("STRASSE") == folded("straße")
    assert folded("\ufb01ona") == folded("FIONA")
    assert name_from("\uff41lice") == "alice"


@pytest.mark.parametrize(
    "text", ["", "two words", "tab\there", "-x", "x" * 129, "\u202eevil", "\x00"]
)
def test_what_cannot_be_a_name(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        name_from(text)
