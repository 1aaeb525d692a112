"""What a licence covers at which moment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.access.licence import EVERYTHING, Entitlement, Grant, Licence, LicenceUnreadable

MOMENTS = st.integers(0, 2**53 - 1)
GRANTS = st.builds(Grant, st.booleans(), st.none() | MOMENTS)
LICENCES = st.builds(Licence, talk=GRANTS, advanced=GRANTS, streams=GRANTS)


@given(MOMENTS)
def test_without_orders_everything_is_covered_for_ever(now_ms: int) -> None:
    assert EVERYTHING.lacking(now_ms) == frozenset()
    assert EVERYTHING.next_end_ms(now_ms) is None


def test_an_end_is_the_first_moment_that_is_not_covered() -> None:
    grant = Grant(until_ms=1000)
    assert (grant.holds(999), grant.holds(1000)) == (True, False)
    assert (grant.standing(999), grant.standing(1000)) == ("active", "expired")
    assert Grant(suspended=True, until_ms=1000).standing(999) == "suspended"


@given(LICENCES, MOMENTS)
def test_nothing_changes_before_the_next_end_and_something_does_then(
    licence: Licence, now_ms: int
) -> None:
    end_ms = licence.next_end_ms(now_ms)
    lacking = licence.lacking(now_ms)
    if end_ms is None:
        assert licence.lacking(2**60) == lacking
    else:
        assert end_ms > now_ms
        assert licence.lacking(end_ms - 1) == lacking
        assert licence.lacking(end_ms) > lacking


@given(LICENCES)
def test_a_licence_at_rest_is_the_one_that_was_kept(licence: Licence) -> None:
    assert Licence.of(licence.definition()) == licence


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {each.value: {"suspended": False} for each in list(Entitlement)[1:]},
        {each.value: {"suspended": 0, "until": None} for each in Entitlement},
        {each.value: {"suspended": False, "until": True} for each in Entitlement},
    ],
)
def test_what_another_version_kept_is_not_guessed_at(definition: dict[str, object]) -> None:
    with pytest.raises(LicenceUnreadable, match="version"):
        Licence.of(definition)
