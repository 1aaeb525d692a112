"""What a dialled number is in E.164, and which entry of a table describes it most closely."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.model import NumberRange
from trunkpulse.routing.numbers import EVERY_NUMBER, BadNumber, NumberTable, normalise


@pytest.mark.parametrize(
    ("dialled", "country"),
    [
        ("+15551230001", None),
        ("+1 (555) 123-0001", None),
        ("sip:+15551230001@127.0.0.1", None),
        ("SIPS:+15551230001@[::1]:5061;transport=tls", None),
        ("sip:+15551230001;isub=9@example.com;user=phone", None),
        ("sip:+15551230001:secret@example.com", None),
        ("sip:%2B15551230001@example.com", None),
        ("tel:+1-555-123-0001", None),
        ("tel:+1-555-123-0001;ext=7", None),
        ("tel:555-123-0001;phone-context=+1", None),
        ("sip:5551230001;phone-context=+1@example.com;user=phone", None),
        ("0015551230001", "GB"),
        ("0015551230001", "US"),
        ("01115551230001", "US"),
        ("5551230001", "US"),
        ("5551230001", "us"),
        ("sip:5551230001@example.com", "US"),
    ],
)
def test_every_way_of_writing_a_number_gives_the_same_e164(
    dialled: str, country: str | None
) -> None:
    assert normalise(dialled, country) == "+15551230001"


def test_national_trunk_prefix_is_left_out() -> None:
    assert normalise("020 7946 0018", "GB") == "+442079460018"


@pytest.mark.parametrize(
    "dialled", ["0015551230001", "5551230001", "112", "sip:5551230001@example.com"]
)
def test_number_without_plus_needs_a_country(dialled: str) -> None:
    with pytest.raises(BadNumber, match=r"such as \+15551230001\.$"):
        normalise(dialled)


@pytest.mark.parametrize(("dialled", "country"), [("112", "GB"), ("911", "US"), ("5", "US")])
def test_short_code_has_no_e164_form(dialled: str, country: str) -> None:
    with pytest.raises(BadNumber, match=r"has no E\.164 form .* local switch"):
        normalise(dialled, country)


@pytest.mark.parametrize(
    "dialled",
    [
        "",
        "+",
        "+123456",
        "+1234567890123456",
        "+05551230001",
        "+1555123000x",
        "+15551230001\n0",
        "sip:alice@example.com",
        "sip:192.168.100.20",
        "anonymous",
        "*67",
        "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    ],
)
def test_what_is_no_number_is_refused_in_one_sentence_that_says_what_to_give(dialled: str) -> None:
    with pytest.raises(BadNumber, match=r"such as \+15551230001"):
        normalise(dialled, "US")


def test_unknown_country_is_named() -> None:
    with pytest.raises(BadNumber, match='default country "XX"; give a two-letter code'):
        normalise("5551230001", "XX")


def test_message_cuts_a_hostile_length() -> None:
    with pytest.raises(BadNumber) as raised:
        normalise("9" * 100_000, "US")
    assert len(str(raised.value)) < 250


@given(st.text(max_size=40), st.sampled_from([None, "US", "DE"]))
def test_any_text_is_a_number_or_a_bad_number(text: str, country: str | None) -> None:
    try:
        number = normalise(text, country)
    except BadNumber:
        return
    assert normalise(number) == number


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


_digits = st.text("012", min_size=1, max_size=4)


@st.composite
def _rules(draw: st.DrawFn) -> NumberRange:
    digits = draw(_digits)
    if draw(st.booleans()):
        return NumberRange(f"+{digits}")
    other = draw(st.text("012", min_size=len(digits), max_size=len(digits)))
    return NumberRange(f"+{min(digits, other)}", f"+{max(digits, other)}")


@given(st.lists(_rules(), max_size=12), _digits)
def test_table_agrees_with_reading_every_rule(rules: list[NumberRange], digits: str) -> None:
    number = f"+{digits}"

    def closeness(index: int) -> tuple[int, int, int] | None:
        first, last = rules[index].first, rules[index].last
        if last is None:
            return (-len(first), 1, index) if number.startswith(first) else None
        if len(first) == len(number) and first <= number <= last:
            return (-len(first), int(last) - int(first) + 1, index)
        return None

    found = [close for index in range(len(rules)) if (close := closeness(index)) is not None]
    expected = min(found)[2] if found else None
    match = NumberTable([(rule, index) for index, rule in enumerate(rules)]).lookup(number)
    assert (None if match is None else match.value) == expected


def _value(table: NumberTable[str], number: str) -> str | None:
    match = table.lookup(number)
    return None if match is None else match.value
