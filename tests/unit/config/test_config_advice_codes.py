"""The table of all advice, and what the file may accept of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import trunkpulse
from trunkpulse.config import ConfigError
from trunkpulse.config.advice import Advice
from trunkpulse.config.advice.accepting import MOST_ACCEPTED, accepted_id, is_accepted
from trunkpulse.config.advice.codes import CODES, RULES
from unit.config.loading import load

SHORT = Advice("interval_short", "warning", 'trunk "a"', "it is short", "wait longer")


def given() -> Iterator[tuple[str, str]]:
    """Code and severity of every advice that stands in the sources."""
    for file in Path(trunkpulse.__file__).parent.rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        if "Advice(" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Advice":
                code, severity = (ast.literal_eval(each) for each in node.args[:2])
                yield code, severity


def test_the_table_has_exactly_the_advice_that_is_given_with_its_severity() -> None:
    assert {(rule.code, rule.severity) for rule in RULES} == set(given())
    assert len(CODES) == len(RULES)


def test_every_rule_says_when_why_and_what_to_do() -> None:
    for rule in RULES:
        assert all((rule.when, rule.why, rule.fix)), rule.code
        assert not any(text.endswith(".") for text in (rule.when, rule.why, rule.fix)), rule.code


def test_advice_is_one_sentence_and_has_an_id() -> None:
    assert SHORT.message == "it is short; wait longer."
    assert SHORT.id == 'interval_short trunk "a"'


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("interval_short", True),
        ('interval_short trunk "a"', True),
        ('interval_short trunk "b"', False),
        ("interval_long", False),
        ('trunk "a"', False),
    ],
)
def test_accepted_is_a_kind_or_one_piece(accepted: str, *, expected: bool) -> None:
    assert is_accepted(SHORT, {accepted}) is expected


@pytest.mark.parametrize("text", ["interval_short", SHORT.id, "secret_exposed file keys/hook"])
def test_a_code_alone_or_with_where_is_taken_as_it_stands(text: str, tmp_path: Path) -> None:
    assert accepted_id(text) == text
    config = load(tmp_path, f"advice.accept = ['{text}']")
    assert config.accepted_advice == (text,)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("interval_shrt", '(did you mean "interval_short"?); the codes are address_shared, '),
        ("", 'must begin with a code of advice, not ""'),
        ("interval_short ", 'must say where after the blank, or end with "interval_short"'),
        ("interval_short  x", "must be a code, or a code and where it stands"),
        (f"interval_short {'x' * 1024}", "in up to 1024 characters"),
    ],
)
def test_what_is_no_advice_cannot_be_accepted(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f"advice.accept = ['{text}']")
    [problem] = refused.value.problems
    assert "edge.toml: advice.accept[0] " in problem
    assert says in problem
    if "the codes are" in says:
        assert all(code in problem for code in CODES)


def test_so_many_are_accepted_at_most(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, f"advice.accept = {['interval_short'] * (MOST_ACCEPTED + 1)}")
    assert f"must be a list of up to {MOST_ACCEPTED} texts" in str(refused.value)


def test_a_file_without_the_table_accepts_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "").accepted_advice == ()
