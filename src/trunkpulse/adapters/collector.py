"""The garbage collector, kept from looking at a million trunks while probes wait.

Theory. CPython frees nearly everything the moment nobody refers to it; its collector is for what
refers to itself in a circle. For that it goes through *all* objects of a generation in one step,
and nothing else runs meanwhile: some 80 ns an object, so half a second for a million trunks with
all that belongs to them. They are no garbage, so it is done differently here:

* While a configuration is loaded nothing is collected (``paused``). What is there afterwards is
  *frozen*: the collector never looks at it again. It is still freed once nobody refers to it.
* Later objects grow old in the usual way, and the oldest generation is looked at often while it is
  small. Circles of requests, connections and tasks are found there, also long-lived ones.
* What is old and in use adds up: attempts remembered, changes that wait for the database. Once
  more than ``KEPT_OBJECTS`` have survived a look at the oldest generation, they are frozen too.
  So no look takes more than some 10 ms, however long the process has been running.
* To look at a list is to look at all that is in it. So where there is one for each of many moments,
  with all targets in them together, the lists are made at the start and never replaced
  (``probing.schedule``).

A circle that is frozen while it is in use and let go later is not found. These are the few requests
and connections of one moment, and only where the state of thousands of trunks keeps changing.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

__all__ = ["KEPT_OBJECTS", "look_at_few", "paused"]

KEPT_OBJECTS = 30_000
"""That the oldest generation may hold after a look at it; so many take 3 ms to go through."""
_YOUNG_OBJECTS = 700
_YOUNG_LOOKS = 10
_MIDDLE_LOOKS = 4
"""Looks at the middle generation before one at the oldest: some 40,000 objects grow old in them."""
_OLDEST = 2


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """What is made in this block, and is there at its end, stays unless nobody refers to it."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.collect()  # of nothing: what there is to look at is counted from here on
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def look_at_few() -> Iterator[None]:
    """See the module's opening; as it was before when the block ends."""
    before = gc.get_threshold()
    gc.set_threshold(_YOUNG_OBJECTS, _YOUNG_LOOKS, _MIDDLE_LOOKS)
    gc.callbacks.append(_after_a_look)
    try:
        yield
    finally:
        gc.callbacks.remove(_after_a_look)
        gc.set_threshold(*before)
        gc.unfreeze()


def _after_a_look(phase: str, about: dict[str, int]) -> None:
    if (
        phase == "stop"
        and about["generation"] == _OLDEST
        and len(gc.get_objects(generation=_OLDEST)) > KEPT_OBJECTS
    ):
        gc.freeze()
