from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkpulse.sip.errors import MalformedHeader
from trunkpulse.sip.retry_after import RetryAfter

tokens = st.from_regex(r"[A-Za-z0-9\-.!%*_+`'~]{1,8}", fullmatch=True)
line_text = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=12
)
comments = st.one_of(st.none(), line_text, st.text('()\\";, a', max_size=8))
parameters = st.lists(
    st.tuples(tokens, st.one_of(st.none(), tokens)),
    max_size=3,
    unique_by=lambda pair: pair[0].lower(),
).map(tuple)


@given(st.builds(RetryAfter, st.integers(0, 2**32 - 1), comments, parameters))
def test_a_written_retry_after_reads_back_as_the_same(value: RetryAfter) -> None:
    assert RetryAfter.parse(str(value)) == value


@given(st.one_of(st.text(max_size=30), st.text('0123456789 ();=\\"a', max_size=30)))
def test_any_text_is_read_or_refused_with_the_parsers_own_error(text: str) -> None:
    try:
        value = RetryAfter.parse(text)
    except MalformedHeader:
        return
    assert RetryAfter.parse(str(value)) == value


@pytest.mark.parametrize(
    ("text", "value", "duration"),
    [
        ("18000;duration=3600", RetryAfter(18000, None, (("duration", "3600"),)), 3600),
        ("120 (I'm in a meeting)", RetryAfter(120, "I'm in a meeting"), None),
        ("0", RetryAfter(0), None),
        (
            "5(a (b;c) \\( \\\\) ;Duration= 60 ;x",
            RetryAfter(5, "a (b;c) ( \\", (("Duration", "60"), ("x", None))),
            60,
        ),
        ("5;duration", RetryAfter(5, None, (("duration", None),)), None),
        ("5;duration=soon", RetryAfter(5, None, (("duration", "soon"),)), None),
        ("5 ()", RetryAfter(5, ""), None),
    ],
)
def test_what_a_far_side_may_write_is_understood(
    text: str, value: RetryAfter, duration: int | None
) -> None:
    assert RetryAfter.parse(text) == value
    assert RetryAfter.parse(text).duration_seconds == duration


@pytest.mark.parametrize(
    "text",
    [
        "",
        "soon",
        "-1",
        "4294967296",
        "1" * 5000,
        "٣",
        "1.5",
        "10 minutes",
        "10 (a",
        "10 (a) b",
        "10 (a) (b)",
        "10 a)",
        "10;",
        "10;a=1;A=2",
        "Fri, 26 Sep 1997 14:00:00 GMT",
    ],
)
def test_a_malformed_retry_after_is_refused(text: str) -> None:
    with pytest.raises(MalformedHeader, match="Retry-After header"):
        RetryAfter.parse(text)


def test_a_comment_cannot_carry_a_line_break_into_a_message() -> None:
    with pytest.raises(MalformedHeader, match="line break"):
        RetryAfter(5, "x\r\nVia: y")


def test_a_hostile_comment_costs_one_pass() -> None:
    with pytest.raises(MalformedHeader, match="never closed"):
        RetryAfter.parse("5 " + "(" * 100_000)
