"""What a dialled number is in E.164."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.routing.numbers import BadNumber, beginnings, dialled_number, normalise


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
    assert normalise("+44 (0)20 7946 0018") == "+442079460018"
    assert normalise("+39 (0)6 1234 5678") == "+390612345678"  # where it is part of the number


@pytest.mark.parametrize(
    "dialled", ["0015551230001", "5551230001", "112", "sip:5551230001@example.com"]
)
def test_number_without_plus_needs_a_country(dialled: str) -> None:
    with pytest.raises(BadNumber, match=r"such as \+15551230001, or name its country "):
        normalise(dialled)


@pytest.mark.parametrize(("dialled", "country"), [("112", "GB"), ("911", "US"), ("5", "US")])
def test_short_code_has_no_e164_form(dialled: str, country: str) -> None:
    with pytest.raises(BadNumber, match=r"has no E\.164 form .* have a route name it"):
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


def _is_short(dialled: str) -> bool:
    return dialled in {"112", "911", "116117"}


@pytest.mark.parametrize(
    ("dialled", "number"),
    [
        ("112", "112"),
        (" 112 ", "112"),
        ("sip:112@pbx.example.com", "112"),
        ("sip:911;phone-context=+1@pbx.example.com;user=phone", "911"),
        ("tel:112;phone-context=+49", "112"),
        ("116117", "116117"),
        ("115117", "+49115117"),
        ("0301234567", "+49301234567"),
        ("+15551230001", "+15551230001"),
    ],
)
def test_a_short_number_stays_as_it_is_dialled_and_others_become_e164(
    dialled: str, number: str
) -> None:
    assert dialled_number(dialled, "DE", _is_short) == number


@pytest.mark.parametrize("dialled", ["1-1-2", "+112", "sip:112", "113", ""])
def test_what_only_looks_like_a_short_number_is_none(dialled: str) -> None:
    with pytest.raises(BadNumber):
        dialled_number(dialled, None, _is_short)


@pytest.mark.parametrize(
    ("dialled", "country", "expected"),
    [
        ("+1555", None, {"+1555"}),
        ("sip:+1-555@pbx.example.com", None, {"+1555"}),
        ("tel:555;phone-context=+1", None, {"+1555"}),
        ("11", None, {"11"}),
        ("11", "DE", {"11", "+4911"}),
        ("030", "DE", {"030", "+4930"}),
        ("0044", "DE", {"0044", "+44"}),
        ("00", "DE", {"00", "+"}),
        ("01144", "US", {"01144", "+44"}),
        ("15551", "us", {"15551", "+15551"}),
        ("06", "IT", {"06", "+3906"}),
    ],
)
def test_what_is_dialled_so_far_is_read_as_the_whole_number_would_be(
    dialled: str, country: str | None, expected: set[str]
) -> None:
    assert set(beginnings(dialled, country)) == expected


@pytest.mark.parametrize(
    ("dialled", "country"),
    [
        ("911", "US"),
        ("911", "us"),
        ("112", "DE"),
        ("sip:411@pbx.example.com", "US"),
        ("tel:911;phone-context=+1", None),
        ("tel:911;phone-context=+1-212", None),
    ],
)
def test_a_short_number_of_the_country_is_whole(dialled: str, country: str | None) -> None:
    assert beginnings(dialled, country) == ()


@pytest.mark.parametrize(
    "dialled",
    ["", "anonymous", "sip:alice@pbx", "sip:192.0.2.1", "+0", "555123000111", "9" * 99, "+1" * 9],
)
def test_what_no_digits_can_complete_is_no_beginning(dialled: str) -> None:
    assert beginnings(dialled, "US") == ()


@given(st.text("0123456789+*#-; ", max_size=24), st.sampled_from([None, "US", "DE", "IT"]))
def test_beginnings_are_digits_whatever_is_dialled(text: str, country: str | None) -> None:
    for beginning in beginnings(text, country):
        assert beginning.removeprefix("+").isdecimal() or beginning == "+"


def test_a_trunk_prefix_in_brackets_that_a_uri_escapes_is_left_out_too() -> None:
    assert normalise("sip:+49%280%29301234567@pbx.example") == "+49301234567"
