"""What the end of a real call means."""

from __future__ import annotations

import pytest

from trunkpulse.health.passive import Meaning, meaning_of


@pytest.mark.parametrize(
    ("codes", "meaning"),
    [
        ([101, 180, 183, 199, 200, 202, 299], Meaning.SUCCESS),
        ([100, 300, 302, 400, 401, 403, 404, 407, 409, 480, 486, 487, 501, 502, 504, 600, 603],
         Meaning.ALIVE),
        ([408, 500, 503, None], Meaning.DOUBT),
    ],
)  # fmt: skip
def test_each_answer_means_one_thing(codes: list[int | None], meaning: Meaning) -> None:
    assert {meaning_of(code) for code in codes} == {meaning}
