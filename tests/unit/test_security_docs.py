"""The pages about security name a test for each thing that they say, and each test is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREATS = "docs/explanation/threat-model.md"
ASVS = "docs/reference/asvs.md"
NAMED = re.compile(r"`(test_[a-z0-9_]+)`")


def all_tests() -> set[str]:
    return {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(
            r"^(?:async )?def (test_\w+)\(", file.read_text("utf-8"), re.MULTILINE
        )
    }


def rows(page: str) -> list[list[str]]:
    """The cells of all rows of tables whose last column is what holds them."""
    found = []
    within = False
    for line in (ROOT / page).read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line[:1] == "|" else []
        if not cells:
            within = False
        elif cells[-1] == "held by":
            within = True
        elif within and set(cells[0]) != {"-"}:
            found.append(cells)
    return found


@pytest.mark.parametrize("page", [THREATS, ASVS])
def test_every_test_that_a_page_names_is_there(page: str) -> None:
    named = set(NAMED.findall((ROOT / page).read_text("utf-8")))
    assert len(named) > 30
    assert named <= all_tests(), sorted(named - all_tests())


def test_every_threat_has_a_test() -> None:
    assert len(rows(THREATS)) > 25
    for row in rows(THREATS):
        assert NAMED.search(row[-1]), row


def test_every_item_of_the_standard_has_a_test_or_does_not_apply() -> None:
    assert len(rows(ASVS)) > 60
    for item, said, held_by in rows(ASVS):
        assert re.fullmatch(r"[0-9.]+(?:(?:, | to )[0-9.]+)*", item), item
        does_not_apply = re.match(r"Do(?:es)? not apply(?: yet)?: .+\.", said) is not None
        assert does_not_apply is not bool(NAMED.search(held_by)), item
