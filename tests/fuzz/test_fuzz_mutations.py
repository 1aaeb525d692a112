"""Mutated messages by the hundred thousand, and what else the far side may write.

Every mutation is drawn from a seed, and a failure is noted with seed and bytes: whoever finds one
puts the bytes into a test of their own. ``scripts/fuzz`` makes runs of millions.
"""

from __future__ import annotations

import os
from typing import Final

import pytest

from fuzz.corpus import CHALLENGES, CORPUS, STREAMS, VALUES
from fuzz.oracles import (
    check_challenge,
    check_diagnosis,
    check_message,
    check_stream,
    check_value,
)
from fuzz.run import readable_of

MESSAGES: Final = int(os.environ.get("TRUNKPULSE_MUTATIONS", "200000"))
"""The same ones at every run, which hold what is known; what is not is found by more of them and a
seed that nobody has tried, with ``scripts/fuzz``."""
FIRST_SEED: Final = int(os.environ.get("TRUNKPULSE_FUZZ_SEED", "0"))
SEEDS: Final = range(FIRST_SEED, FIRST_SEED + 20)
FEWER_SEEDS: Final = SEEDS[:4]

pytestmark = pytest.mark.timeout(3600 if MESSAGES > 1_000_000 else 600)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_mutated_message_is_read_or_refused_and_answered_legally_or_not_at_all(seed: int) -> None:
    count = MESSAGES // len(SEEDS)
    # Neither all nor none: otherwise one of the two ways out would not have been tried.
    assert count // 10 < readable_of(check_message, CORPUS, seed, count) < count


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_a_mutated_value_is_read_or_refused_and_reads_back_as_itself(seed: int) -> None:
    count = MESSAGES // 10 // len(FEWER_SEEDS)
    assert count // 10 < readable_of(check_value, VALUES, seed, count) < count


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_a_mutated_challenge_is_answered_or_refused_with_a_reason(seed: int) -> None:
    count = MESSAGES // 20 // len(FEWER_SEEDS)
    assert count // 10 < readable_of(check_challenge, CHALLENGES, seed, count) < count


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_a_mutated_answer_is_diagnosed_whatever_it_is(seed: int) -> None:
    count = MESSAGES // 50 // len(FEWER_SEEDS)
    assert count // 10 < readable_of(check_diagnosis, CORPUS, seed, count) < count


@pytest.mark.parametrize("seed", FEWER_SEEDS)
def test_a_mutated_stream_falls_into_the_same_messages_however_it_comes(seed: int) -> None:
    count = MESSAGES // 50 // len(FEWER_SEEDS)
    assert count // 10 < readable_of(check_stream, STREAMS, seed, count) < count
