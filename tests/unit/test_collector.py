"""What the garbage collector is given to look at."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from trunkpulse.adapters.collector import KEPT_OBJECTS, look_at_few, paused

OLDEST = 2


class Circle:
    """Refers to itself, so that only the collector can free it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True, scope="module")
def as_it_was() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.collect()
    gc.freeze()  # as ``conftest`` has left it


def test_what_is_loaded_is_never_looked_at_and_still_freed_with_its_last_reference() -> None:
    with paused():
        assert not gc.isenabled()
        loaded = [Circle() for _ in range(1000)]
    assert gc.isenabled()
    assert not any(isinstance(each, Circle) for each in gc.get_objects())
    watched = weakref.ref(loaded[0])
    loaded[0].itself = loaded[1]
    del loaded[0]
    assert watched() is None


def test_the_collector_is_as_it_was_when_the_block_ends() -> None:
    before, callbacks = gc.get_threshold(), list(gc.callbacks)
    with look_at_few():
        assert gc.get_threshold() != before
    assert (gc.get_threshold(), gc.callbacks) == (before, callbacks)


def test_what_adds_up_is_looked_at_no_more() -> None:
    with look_at_few():
        gc.collect()
        gc.freeze()
        kept = [Circle() for _ in range(KEPT_OBJECTS)]
        gc.collect()
        assert len(gc.get_objects(generation=OLDEST)) < KEPT_OBJECTS
    assert len(kept) == KEPT_OBJECTS


def test_a_circle_is_found_in_the_oldest_generation_while_that_is_small() -> None:
    with look_at_few():
        gc.collect()
        gc.freeze()
        circle = Circle()
        gc.collect()
        watched = weakref.ref(circle)
        del circle
        assert watched() is not None
        gc.collect()
        assert watched() is None


def test_the_oldest_generation_never_grows_large_while_state_adds_up() -> None:
    largest = 0

    def measure(phase: str, about: dict[str, int]) -> None:
        nonlocal largest
        if phase == "start" and about["generation"] == OLDEST:
            largest = max(largest, len(gc.get_objects(generation=OLDEST)))

    with paused():
        pass
    gc.callbacks.append(measure)
    try:
        with look_at_few():
            kept = [Circle() for _ in range(KEPT_OBJECTS * 10)]
    finally:
        gc.callbacks.remove(measure)
    assert 0 < largest < KEPT_OBJECTS * 4
    assert len(kept) == KEPT_OBJECTS * 10
