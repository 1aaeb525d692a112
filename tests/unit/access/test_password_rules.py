"""Which passwords are taken, and what is said of those that are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from trunkpulse.access.password_rules import objection_to, prepared

NAMES = ("margaret", "Margaret Hamilton", "margaret@apollo.example")


@pytest.mark.parametrize(
    "password",
    [
        "three old trombones",
        "wX9-plinth-ocarina",
        "ein Käfig voller Narren",
        "правильная лошадь",
        "k2h9-vm3qp-x8rtn-bc4wd-y7fgj",
        "margaret and the lunar module",
        "x" * 3 + "yz" * 4 + "Kd83",
        "a tune for sixty-four: oboe, bassoon, clarinet, horn and harp; #1",
        "Zwölf Boxkämpfer jagen Viktor " * 34,
    ],
)
def test_a_long_one_of_any_kind_is_taken(password: str) -> None:
    assert objection_to(password, NAMES) is None


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short-pass", "at least 12 characters"),
        ("", "at least 12"),
        ("ab cd " * 200, "at most 1024"),
        ("password1234", "tried first"),
        ("P@ssw0rd2026!!", "tried first"),
        ("Welcome2026!!!", "tried first"),
        ("trunkpulse-admin", "tried first"),
        ("123456789012", "tried first"),
        ("qwertyuiopas", "tried first"),
        ("qwertyasdfgh", "tried first"),
        ("zyxwvutsrqponm", "tried first"),
        ("aaaaaaaaaaaaaaa", "over and over"),
        ("abcdeabcdeabcde", "over and over"),
        ("margaret2026", "your own name"),
        ("Margaret-Hamilton", "your own name"),
        ("margaret@apollo.example", "your own name"),
        ("a line\nand another", "control characters"),
    ],
)
def test_what_is_guessed_early_is_not_taken(password: str, said: str) -> None:
    objection = objection_to(password, NAMES)
    assert objection is not None
    assert said in objection


@pytest.mark.parametrize(
    "password",
    ["manchesterunited", "Manchesterunited1", "unbelievable", "1q2w3e4r5t6y7u", "iloveyoumom123"],
)
def test_what_many_others_have_is_not_taken(password: str) -> None:
    objection = objection_to(password, NAMES)
    assert objection is not None
    assert "tried first" in objection


def test_no_password_of_the_list_of_leaked_ones_is_taken() -> None:
    long = [each for each in FREQUENCY_LISTS["passwords"] if len(each) >= 12]
    assert len(long) > 200
    assert [each for each in long if objection_to(each, ()) is None] == []


def test_what_takes_seconds_to_look_at_is_not_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    """With some sixty characters that look like others the estimate does."""
    estimated: list[str] = []

    def estimate(password: str) -> dict[str, int]:
        estimated.append(password)
        return {"guesses": 10**9}

    monkeypatch.setattr("zxcvbn.zxcvbn", estimate)
    text = "(&[[&/{+[[7#!87<777{0#6[90@!{7|9&7+(#/3(4|(&707<($459/<&/%7<[[@0"
    for size in (32, 33, len(text)):
        assert objection_to(text[:size], ()) is None
    assert list(map(len, estimated)) == [32]


def test_the_same_text_typed_another_way_is_the_same_password() -> None:
    assert prepared("Käfig\u00a0voller") == prepared("Ka\u0308fig voller")


@given(st.text(max_size=60), st.lists(st.text(max_size=20), max_size=3))
def test_no_text_is_too_strange_to_be_judged(password: str, names: list[str]) -> None:
    objection = objection_to(password, names)
    if objection is not None:
        assert len(password) < 5 or password not in objection
    else:
        assert len(prepared(password)) >= 12
