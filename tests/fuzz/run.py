"""A run: so many mutations from one seed, each given to one oracle."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from fuzz.mutation import mutated
from fuzz.watchdog import watched

__all__ = ["readable_of"]


def readable_of(
    check: Callable[[bytes], bool], corpus: Sequence[bytes], seed: int, count: int
) -> int:
    """Check ``count`` mutations; the number of them that could still be read.

    A failure carries a note with the seed and the bytes that brought it about.
    """
    chance = random.Random(seed)
    readable = 0
    with watched() as next_message:
        for number in range(count):
            data = mutated(corpus, chance)
            next_message()
            try:
                readable += check(data)
            except BaseException as problem:  # whatever it is, it goes on with what caused it
                problem.add_note(f"mutation {number} of seed {seed} is\n{data!r}")
                raise
    return readable
