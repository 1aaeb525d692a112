"""How the numbers of a route are written."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import NumberPattern, NumberRange, NumberRule, ShortNumber, parse_number_rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("+1", NumberRange("+1")),
        ("+10-+19", NumberRange("+10", "+19")),
        ("112", ShortNumber("112")),
        ("911", ShortNumber("911")),
        ("116117", ShortNumber("116117")),
        ("+1NXXNXXXXXX", NumberPattern("+1NXXNXXXXXX")),
        ("+1.", NumberPattern("+1.")),
        ("+1[5]", NumberPattern("+1[5]")),
    ],
)
def test_a_text_stands_for_one_kind_of_numbers(text: str, rule: NumberRule) -> None:
    assert parse_number_rule(text) == rule


def test_the_places_of_a_pattern_are_the_digits_that_may_stand_there() -> None:
    pattern = NumberPattern("+1XZN[2-9][135][1-35].")
    assert pattern.places == (
        "1",
        "0123456789",
        "123456789",
        "23456789",
        "23456789",
        "135",
        "1235",
    )
    assert pattern.is_open
    assert pattern.width == 10 * 9 * 8 * 8 * 3 * 4


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1", "pattern such as"),
        ("1234567", "short number"),
        ("+", "1 to 15 digits"),
        ("+1.5", "pattern"),
        ("+1..", "pattern"),
        (".", "pattern"),
        ("+.", "pattern"),
        ("+1x", "pattern"),
        ("+1[]", "pattern"),
        ("+1[9-2]", "lower to the higher"),
        ("+1[2-]", "in brackets"),
        ("+1[-2]", "in brackets"),
        ("+1[2--9]", "in brackets"),
        ("+1[2-9", "pattern"),
        ("+1[a]", "pattern"),
        ("+1(5|6)", "pattern"),
        ("+1[^5]", "pattern"),
        ("NXX", "pattern"),
        ("1XX", "pattern"),
        ("+" + "X" * 16, "15 digits"),
        ("+" + "X" * 15 + ".", "15 digits"),
        ("+1\u0661", "pattern"),
        ("+1X\n", "pattern"),
        ("11\u0662", "pattern"),
    ],
)
def test_what_stands_for_nothing_is_refused(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse_number_rule(text)
    assert says in str(caught.value)


_places = st.lists(
    st.sampled_from([*"0123456789XZN", "[2-9]", "[135]", "[0-247]"]), min_size=1, max_size=14
).map("".join)
_texts = (
    st.builds("+{}{}".format, _places, st.sampled_from(["", "."]))
    | st.from_regex(r"[0-9]{2,6}", fullmatch=True)
    | st.from_regex(r"\+[0-9]{1,15}", fullmatch=True)
    | st.from_regex(r"\+2[0-9]{3}-\+3[0-9]{3}", fullmatch=True)
)


@given(_texts)
def test_what_is_written_is_what_was_read(text: str) -> None:
    rule = parse_number_rule(text)
    assert str(rule) == text
    assert parse_number_rule(str(rule)) == rule


@given(st.text("+-.XZN[]0123456789", max_size=20))
def test_every_text_is_read_as_it_stands_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert str(parse_number_rule(text)) == text
