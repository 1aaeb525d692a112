"""Which entry of a table describes a number most closely."""

from __future__ import annotations

import math
import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import NumberPattern, NumberRange, ShortNumber, parse_number_rule
from trunkpulse.routing.number_table import EVERY_NUMBER, NumberTable


def test_longer_prefix_beats_a_shorter_one_whatever_the_order() -> None:
    table = NumberTable(
        [(NumberRange("+1"), "us"), (NumberRange("+1555"), "area"), (EVERY_NUMBER, "all")]
    )
    assert _value(table, "+15551230001") == "area"
    assert _value(table, "+12125550001") == "us"
    assert _value(table, "+442079460018") == "all"


def test_range_beats_a_shorter_prefix_and_takes_only_numbers_of_its_length() -> None:
    table = NumberTable(
        [
            (NumberRange("+1555123"), "prefix"),
            (NumberRange("+15551230000", "+15551239999"), "range"),
        ]
    )
    assert _value(table, "+15551230000") == "range"
    assert _value(table, "+15551239999") == "range"
    assert _value(table, "+15551240000") is None
    assert _value(table, "+155512300001") == "prefix"
    assert _value(table, "+1555123000") == "prefix"


def test_narrower_range_wins_and_the_wider_one_resumes_after_it() -> None:
    table = NumberTable(
        [
            (NumberRange("+15550000", "+15559999"), "wide"),
            (NumberRange("+15552000", "+15552999"), "narrow"),
        ]
    )
    assert _value(table, "+15551999") == "wide"
    assert _value(table, "+15552000") == "narrow"
    assert _value(table, "+15552999") == "narrow"
    assert _value(table, "+15553000") == "wide"


def test_complete_number_beats_a_range_around_it() -> None:
    table = NumberTable(
        [(NumberRange("+15550000", "+15559999"), "range"), (NumberRange("+15551234"), "number")]
    )
    assert _value(table, "+15551234") == "number"


def test_first_of_equals_wins() -> None:
    table = NumberTable(
        [
            (NumberRange("+15551234", "+15551234"), "range of one"),
            (NumberRange("+15551234"), "number"),
            (NumberRange("+1666"), "first"),
            (NumberRange("+1666"), "second"),
        ]
    )
    assert _value(table, "+15551234") == "range of one"
    assert _value(table, "+16661234") == "first"


def test_match_tells_the_rule() -> None:
    rule = NumberRange("+15550000", "+15559999")
    match = NumberTable([(rule, "x")]).lookup("+15551234")
    assert match is not None
    assert match.rule == rule


@pytest.mark.parametrize(
    ("number", "value"),
    [
        ("+12125550001", "closed"),
        ("+11125550001", "prefix"),
        ("+121255500012", "open"),
        ("+12125", "open"),
        ("+1212", "prefix"),
        ("+12135550001", "closed"),
        ("+12135550009", "number"),
        ("+12140000000", "range"),
    ],
)
def test_a_closed_pattern_is_as_long_as_the_number_and_an_open_one_as_its_places(
    number: str, value: str
) -> None:
    table = NumberTable(
        [
            (NumberRange("+1"), "prefix"),
            (NumberPattern("+1NXX."), "open"),
            (NumberPattern("+1NXXXXXXXXX"), "closed"),
            (NumberRange("+12135550009"), "number"),
            (NumberRange("+12140000000", "+12149999999"), "range"),
        ]
    )
    assert _value(table, number) == value


def test_of_patterns_that_are_equally_long_the_one_of_fewer_numbers_wins() -> None:
    table = NumberTable(
        [(NumberPattern("+49XXX"), "wide"), (NumberPattern("+4[19][0-3]XX"), "narrow")]
    )
    assert _value(table, "+49123") == "narrow"
    assert _value(table, "+49523") == "wide"


def test_a_short_number_is_taken_only_by_its_own_rule() -> None:
    table = NumberTable([(EVERY_NUMBER, "all"), (ShortNumber("112"), "emergency")])
    assert _value(table, "112") == "emergency"
    assert _value(table, "1121") is None
    assert _value(table, "11") is None
    assert _value(table, "+1123456") == "all"


_digits = st.text("012", min_size=1, max_size=4)
_places = st.lists(
    st.sampled_from(["0", "1", "2", "X", "Z", "N", "[12]", "[0-1]"]), min_size=1, max_size=4
).map("".join)


@st.composite
def _rules(draw: st.DrawFn) -> str:
    if draw(st.booleans()):
        return f"+{draw(_places)}{draw(st.sampled_from(['', '.']))}"
    digits = draw(_digits)
    if draw(st.booleans()):
        return f"+{digits}"
    other = draw(st.text("012", min_size=len(digits), max_size=len(digits)))
    return f"+{min(digits, other)}-+{max(digits, other)}"


_CLASSES = {"X": "[0-9]", "Z": "[1-9]", "N": "[2-9]", ".": "[0-9]+"}


def _closeness(rule: str, number: str) -> tuple[int, int] | None:
    """How closely a rule describes a number, by reading it; less is closer."""
    first, dash, last = rule.partition("-+")
    if dash:
        inside = len(first) == len(number) and first <= number <= f"+{last}"
        return (-len(first), int(last) - int(first) + 1) if inside else None
    if rule[1:].isdecimal():
        return (-len(rule), 1) if number.startswith(rule) else None
    places = re.findall(r"\[[^]]+\]|[0-9XZN.]", rule)
    classes = [_CLASSES.get(place, place) for place in places]
    if not re.fullmatch(r"\+" + "".join(classes), number):
        return None
    fixed = [each for each in classes if each != "[0-9]+"]
    width = math.prod(len(re.findall(each, "0123456789")) for each in fixed)
    return -1 - len(fixed), width


@given(st.lists(_rules(), max_size=12), _digits)
def test_table_agrees_with_reading_every_rule(rules: list[str], digits: str) -> None:
    number = f"+{digits}"
    found = [
        (*close, index)
        for index, rule in enumerate(rules)
        if (close := _closeness(rule, number)) is not None
    ]
    expected = min(found)[2] if found else None
    entries = [(parse_number_rule(rule), index) for index, rule in enumerate(rules)]
    match = NumberTable(entries).lookup(number)
    assert (None if match is None else match.value) == expected


@given(st.lists(_rules(), max_size=6), st.text("012", max_size=4))
def test_a_beginning_may_grow_if_a_longer_number_has_a_rule(rules: list[str], digits: str) -> None:
    longer = (
        f"+{digits}{''.join(more)}"
        for count in range(1, 6 - len(digits))
        for more in product("012", repeat=count)
    )
    expected = any(_closeness(rule, number) for number in longer for rule in rules)
    table = NumberTable((parse_number_rule(rule), rule) for rule in rules)
    assert table.has_longer(f"+{digits}") is expected


@pytest.mark.parametrize(
    ("beginning", "expected"),
    [
        ("11", True),
        ("112", False),
        ("1121", False),
        ("4", False),
        ("+", True),
        ("+4", True),
        ("+49301234", True),
        ("+491", False),
        ("+49" + "3" * 12, True),
        ("+49" + "3" * 13, False),
        ("+1212555000", True),
        ("+12125550001", False),
        ("+1112", False),
    ],
)
def test_a_number_grows_by_its_own_kind_of_rule(beginning: str, *, expected: bool) -> None:
    rules = ("112", "+493", "+1NXXXXXXXXX")
    table = NumberTable((parse_number_rule(rule), rule) for rule in rules)
    assert table.has_longer(beginning) is expected


def _value(table: NumberTable[str], number: str) -> str | None:
    match = table.lookup(number)
    return None if match is None else match.value
